import { z } from 'zod'
import { METRIC_NAMES } from '../metering/metrics.ts'
import { IN_FEBRUARY, JANUARY, monthUsage, PROJECT_ID, PROJECT_NAME } from './example-values.ts'
import {
  BillingFields,
  InstanceTypeField,
  Instant,
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
import { NextCursor, PageQuery } from './pages.ts'

const PROJECT_ORDERS = ['name', 'created_at', 'last_activity_at', ...METRIC_NAMES.map(projectSummaryName)] as const
export type ProjectOrder = (typeof PROJECT_ORDERS)[number]
export type ProjectSort = ProjectOrder | `-${ProjectOrder}`
const PROJECT_SORTS: readonly ProjectSort[] = [...PROJECT_ORDERS, ...PROJECT_ORDERS.map((order) => `-${order}` as const)]

export const LIST_PARTNER_PROJECTS = defineOperation({
  method: 'GET',
  path: '/partnership/v1/:partnerId/projects',
  tag: 'projects',
  summary: 'List all projects with their usage of a period',
  description:
    'Deleted projects are included. A page starts after the last project of the page before it, so a project that is registered in between does not shift the others. A project whose own sort value changes in between (its name, its usage) may be listed twice or not at all.',
  params: PartnerParams,
  query: PeriodQuery.extend({
    status: Status.optional().meta({ description: 'Only projects with this status. Default: all, including deleted ones.' }),
    search: ProjectSearch,
    sort: z
      .enum(PROJECT_SORTS)
      .default('name')
      .meta({ description: 'Prefix it with "-" for descending order. A quantity of `summary` sorts by the usage of the period.' }),
    ...PageQuery.shape,
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
        }),
      ),
      next_cursor: NextCursor,
      period: PeriodAnswer,
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
        period: JANUARY,
        as_of: IN_FEBRUARY,
        billing_status: 'provisional',
      },
    },
  },
})
