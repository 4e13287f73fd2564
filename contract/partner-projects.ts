import { z } from 'zod'
import { METRIC_NAMES, METRICS, PEAK_METRICS, type PeakMetric } from '../metering/metrics.ts'
import { choiceProblem } from './choice.ts'
import { IN_FEBRUARY, JANUARY, monthUsage, PROJECT_ID, PROJECT_NAME } from './example-values.ts'
import {
  BillingFields,
  ExactNumber,
  InstanceTypeField,
  Instant,
  OtherMetrics,
  PartnerParams,
  PeriodAnswer,
  PeriodQuery,
  ProjectSearch,
  projectSummaryName,
  quantitiesSchema,
  RegionField,
  Status,
} from './fields.ts'
import { defineOperation } from './operation.ts'
import { NextCursor, PAGE_ROWS_DEFAULT, PageQuery } from './pages.ts'
import { PeakDays } from './usage.ts'

/** Of a page: more than of other lists, because whoever reads the usage of all projects would send a request for each hundred. */
const LISTED_PROJECTS_MAX = 1_000

const PROJECT_ORDERS = ['name', 'created_at', 'last_activity_at', ...METRIC_NAMES.map(projectSummaryName)] as const
export type ProjectOrder = (typeof PROJECT_ORDERS)[number]
/** Only with this prefix, because a metric may be called "name". */
export const METRIC_ORDER_PREFIX = 'metrics.'
type Ordered = ProjectOrder | `${typeof METRIC_ORDER_PREFIX}${string}`
export type ProjectSort = Ordered | `-${Ordered}`
const PROJECT_SORTS = [...PROJECT_ORDERS, ...PROJECT_ORDERS.map((order) => `-${order}` as const)]
const BY_METRIC = /^-?metrics\.[a-z][a-z0-9_]{0,62}$/
const SORT_RULE = `${PROJECT_ORDERS.join(', ')} or metrics.<name> with a metric of GET …/metrics, each also with "-" in front`
const error = ({ input }: { readonly input?: unknown }) => choiceProblem(input, PROJECT_SORTS, SORT_RULE)
const Sort = z.union([z.enum(PROJECT_SORTS), z.string({ error }).regex(BY_METRIC, { error })], { error })

export type PeakSummaryName = (typeof METRICS)[PeakMetric]['projectSummaryName']

export const OnPeakDays = z
  .object({
    ...(Object.fromEntries(PEAK_METRICS.map((metric) => [METRICS[metric].projectSummaryName, ExactNumber])) as Record<PeakSummaryName, typeof ExactNumber>),
    metrics: z.record(z.string(), ExactNumber).optional().meta({ description: 'Of the metrics in `metrics` of `peak_days`, by name.' }),
  })
  .meta({
    description:
      'The project’s value on the day in `peak_days`, 0 if it has none. Over all projects they add up to the peaks of the partnership, exactly; the greatest values in `summary` do not.',
  })

export const LIST_PARTNER_PROJECTS = defineOperation({
  method: 'GET',
  path: '/partnership/v1/:partnerId/projects',
  tag: 'projects',
  summary: 'List all projects with their usage of a period',
  description:
    'Deleted projects are included. Reading page by page lists every project that existed at the first page exactly once, whatever changes in between: the second page fixes the order of all further ones for a day, or the first one if it has more than 100 projects. With `status` or `search`, a project that matches no more when the second page is read is not listed. `total` is the number of projects to expect.',
  params: PartnerParams,
  query: PeriodQuery.extend({
    status: Status.optional().meta({ description: 'Only projects with this status. Default: all, including deleted ones.' }),
    region: RegionField.optional().meta({ description: 'Only projects in this region. Default: all.' }),
    search: ProjectSearch,
    sort: Sort.default('name').meta({
      description:
        'Prefix it with "-" for descending order. A quantity of `summary` sorts by the usage of the period, and so does `metrics.` before the name of a metric, such as `-metrics.images`.',
    }),
    include: z
      .enum(['on_peak_days'])
      .optional()
      .meta({ description: '`on_peak_days` adds `peak_days`, and to each project what it contributed to the peaks of the partnership.' }),
    ...PageQuery.shape,
    limit: z.coerce.number().int().min(1).max(LISTED_PROJECTS_MAX).default(PAGE_ROWS_DEFAULT),
  }),
  answers: {
    200: z.object({
      projects: z.array(
        z.object({
          id: z.string(),
          name: z.string(),
          status: Status,
          deleted_at: Instant.nullable(),
          region: RegionField,
          instance_type: InstanceTypeField,
          last_activity_at: Instant.nullable(),
          summary: quantitiesSchema(projectSummaryName),
          metrics: OtherMetrics,
          on_peak_days: OnPeakDays.optional(),
        }),
      ),
      next_cursor: NextCursor,
      total: z.number().int().meta({ description: 'The number of projects that matched when the first page was read; the same on every page.' }),
      period: PeriodAnswer,
      peak_days: PeakDays.optional(),
      ...BillingFields,
    }),
  },
  errors: { 400: true, 401: true, 404: 'NOT_FOUND', 429: true, 500: true, 503: true },
  example: {
    answers: {
      200: {
        projects: [
          {
            id: PROJECT_ID,
            name: PROJECT_NAME,
            status: 'active',
            deleted_at: null,
            region: 'eu-central',
            instance_type: 'small',
            last_activity_at: '2026-02-04T09:29:41.250Z',
            summary: monthUsage(projectSummaryName),
          },
        ],
        next_cursor: null,
        total: 1,
        period: JANUARY,
        as_of: IN_FEBRUARY,
        billing_status: 'provisional',
      },
    },
  },
})

/** The same answer for finance, which has no credential of a partner. */
export const LIST_PROJECTS_OF_PARTNER = defineOperation({
  ...LIST_PARTNER_PROJECTS,
  path: '/admin/v1/partners/:partnerId/projects',
  tag: 'admin',
  summary: 'List all projects of a partner with their usage of a period',
  errors: { ...LIST_PARTNER_PROJECTS.errors, 403: true, 404: 'PARTNER_NOT_FOUND' },
})
