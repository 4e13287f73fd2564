import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { readAsOf } from '../../aggregator/as-of.ts'
import { readBillingStatus } from '../../aggregator/statements/billing-status.ts'
import { listProjectsByActivity, listProjectsByMetric, readUsageOfProjects } from '../../aggregator/usage/projects-usage.ts'
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
} from '../../contract/fields.ts'
import { NextCursor, PageQuery } from '../../contract/pages.ts'
import { METRIC_NAMES, METRICS, type MetricName } from '../../metering/metrics.ts'
import type { Period } from '../../metering/period.ts'
import { instantOrNull } from '../../metering/timestamp.ts'
import { listProjects, type PlaceInList, type ProjectPageQuery, readListedProjects } from '../../registry/projects/list-projects.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { billingAnswer } from '../answers/billing-fields.ts'
import { errorAnswers } from '../answers/error-answers.ts'
import { quantitiesAnswer } from '../answers/quantities.ts'
import { PARTNER } from '../auth/access.ts'
import { partnerOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { pageOf, requireCursor, writeCursor } from '../requests/cursor.ts'
import { periodAnswer, requirePeriod } from '../requests/period.ts'

/** A partner's projects, page by page, each with its usage of the period. */
export function partnerProjectRoutes(app: FastifyInstance, { clickhouse, now }: ApiContext): void {
  const routes = app.withTypeProvider<ZodTypeProvider>()

  routes.get(
    '/partnership/v1/:partnerId/projects',
    {
      config: { access: PARTNER },
      schema: {
        tags: ['projects'],
        summary: 'All projects, with their usage of a period',
        description:
          'Deleted ones too. Pages go by place, so a project that is registered meanwhile moves no other; a project whose own sort value changes meanwhile (its name, its usage) may be met twice or missed.',
        params: PartnerParams,
        querystring: ProjectsQuery,
        response: { 200: ProjectsAnswer, ...errorAnswers(400, 401, 429, 500, 503) },
      },
    },
    async (request) => {
      const partner = partnerOf(request)
      const { status, search, sort, limit, cursor, start_date, end_date } = request.query
      const asked = [partner.id, status, search, sort, start_date, end_date]
      const place = cursor === undefined ? undefined : requireCursor(cursor, asked, KEYS[keyKindOf(sort)])
      const period = requirePeriod(place === undefined ? request.query : { start_date: place.first, end_date: place.last }, now())
      const page = { filter: { partnerId: partner.id, status, search }, descending: sort.startsWith('-'), after: place, limit: limit + 1 }
      const asOfMs = await readAsOf(clickhouse)
      const places = await listInOrder(clickhouse, sort, period, page)
      const { shown, next_cursor } = pageOf(places, limit, (last) => writeCursor(asked, { ...last, first: period.first, last: period.last }))
      const projects = await projectsAnswer(clickhouse, partner.id, shown, period)
      return {
        projects,
        next_cursor,
        period: periodAnswer(period),
        ...billingAnswer(asOfMs, await readBillingStatus(clickhouse, partner.id, period, now())),
      }
    },
  )
}

const ORDERS = ['name', 'created_at', 'last_activity_at', ...METRIC_NAMES.map(projectSummaryName)] as const
type Order = (typeof ORDERS)[number]
type Sort = Order | `-${Order}`
const SORTS: readonly Sort[] = [...ORDERS, ...ORDERS.map((order) => `-${order}` as const)]

const ProjectsQuery = PeriodQuery.extend({
  status: Status.optional().meta({ description: 'Only these. Default: all, deleted ones too.' }),
  search: ProjectSearch,
  sort: z.enum(SORTS).default('name').meta({ description: 'Descending with a "-" before it. A quantity of `summary` sorts by the period’s usage.' }),
  ...PageQuery.shape,
})

const ProjectsAnswer = z.object({
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
})

/** What the key of a cursor looks like: it goes back to the store, which must be able to read it. */
const KEYS = { text: /^/, time: /^0{0,20}\d{1,15}$/, quantity: /^\d{1,67}(?:\.\d{1,9})?$/ } as const

function keyKindOf(sort: Sort): keyof typeof KEYS {
  const order = orderOf(sort)
  if (order === 'name') return 'text'
  return order === 'created_at' || order === 'last_activity_at' ? 'time' : 'quantity'
}

function orderOf(sort: Sort): string {
  return sort.replace(/^-/, '')
}

/** Names and creation the registry knows; what sorts by usage asks the rollup of all that match, once. */
function listInOrder(clickhouse: ClickHouse, sort: Sort, period: Period, page: ProjectPageQuery): Promise<PlaceInList[]> {
  const order = orderOf(sort)
  if (order === 'name' || order === 'created_at') return listProjects(clickhouse, order, page)
  if (order === 'last_activity_at') return listProjectsByActivity(clickhouse, page)
  return listProjectsByMetric(clickhouse, metricOf(order), period, page)
}

function metricOf(summaryName: string): MetricName {
  const metric = METRIC_NAMES.find((name) => METRICS[name].projectSummaryName === summaryName)
  if (metric === undefined) throw new Error(`No metric has the summary name ${summaryName}.`)
  return metric
}

async function projectsAnswer(clickhouse: ClickHouse, partnerId: string, places: readonly PlaceInList[], period: Period) {
  const ids = places.map(({ projectId }) => projectId)
  const known = await readListedProjects(clickhouse, partnerId, ids)
  const usages = await readUsageOfProjects(clickhouse, ids, period)
  return ids.map((id) => {
    const [project, usage] = [known.get(id), usages.get(id)]
    if (project === undefined || usage === undefined) throw new Error(`The project ${id} was listed and cannot be read.`)
    const { name, status, region, instanceType, deletedMs } = project
    return {
      id,
      name,
      status,
      deleted_at: instantOrNull(deletedMs),
      region,
      instance_type: instanceType,
      last_activity_at: instantOrNull(usage.lastActivityMs),
      summary: quantitiesAnswer(usage.summary, projectSummaryName),
    }
  })
}
