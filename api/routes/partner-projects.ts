import type { FastifyInstance } from 'fastify'
import { readAsOf } from '../../aggregator/as-of.ts'
import { readBillingStatus } from '../../aggregator/statements/billing-status.ts'
import { listProjectsByActivity, listProjectsByMetric, readUsageOfProjects } from '../../aggregator/usage/projects-usage.ts'
import { projectSummaryName } from '../../contract/fields.ts'
import { LIST_PARTNER_PROJECTS, type ProjectSort } from '../../contract/partner-projects.ts'
import { METRIC_NAMES, METRICS, type MetricName } from '../../metering/metrics.ts'
import type { Period } from '../../metering/period.ts'
import { instantOrNull } from '../../metering/timestamp.ts'
import { listProjects, type PlaceInList, type ProjectPageQuery, readListedProjects } from '../../registry/projects/list-projects.ts'
import type { LimitedReads } from '../../sql/limited-reads.ts'
import { billingAnswer } from '../answers/billing-fields.ts'
import { quantitiesAnswer } from '../answers/quantities.ts'
import { PARTNER } from '../auth/access.ts'
import { partnerOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { pageOf, requireCursor, writeCursor } from '../requests/cursor.ts'
import { periodAnswer, requirePeriod } from '../requests/period.ts'
import { addRoute } from '../route.ts'

export function listPartnerProjects(app: FastifyInstance, { limitedReads, now }: ApiContext): void {
  addRoute(app, LIST_PARTNER_PROJECTS, { access: PARTNER }, async (request) => {
    const partner = partnerOf(request)
    const { status, search, sort, limit, cursor, start_date, end_date } = request.query
    const query = [partner.id, status, search, sort, start_date, end_date]
    const place = cursor === undefined ? undefined : requireCursor(cursor, query, CURSOR_KEYS[keyKindOf(sort)])
    const period = requirePeriod(place === undefined ? request.query : { start_date: place.first, end_date: place.last }, now())
    const page = { filter: { partnerId: partner.id, status, search }, descending: sort.startsWith('-'), after: place, limit: limit + 1 }
    const asOfMs = await readAsOf(limitedReads)
    const places = await listInOrder(limitedReads, sort, period, page)
    const { shown, next_cursor } = pageOf(places, limit, (last) => writeCursor(query, { ...last, first: period.first, last: period.last }))
    const projects = await projectsAnswer(limitedReads, partner.id, shown, period)
    return {
      projects,
      next_cursor,
      period: periodAnswer(period),
      ...billingAnswer(asOfMs, await readBillingStatus(limitedReads, partner.id, period, now())),
    }
  })
}

/** The formats of the sort key in a cursor. The key becomes a parameter of a query, so the store must be able to parse it. */
const CURSOR_KEYS = { text: /^/, time: /^0{0,20}\d{1,15}$/, quantity: /^\d{1,67}(?:\.\d{1,9})?$/ } as const

function keyKindOf(sort: ProjectSort): keyof typeof CURSOR_KEYS {
  const order = orderOf(sort)
  if (order === 'name') return 'text'
  return order === 'created_at' || order === 'last_activity_at' ? 'time' : 'quantity'
}

function orderOf(sort: ProjectSort): string {
  return sort.replace(/^-/, '')
}

/** The registry sorts by name and by creation. Sorting by usage reads the rollup of all matching projects, once per page. */
function listInOrder(reads: LimitedReads, sort: ProjectSort, period: Period, page: ProjectPageQuery): Promise<PlaceInList[]> {
  const order = orderOf(sort)
  if (order === 'name' || order === 'created_at') return listProjects(reads, order, page)
  if (order === 'last_activity_at') return listProjectsByActivity(reads, page)
  return listProjectsByMetric(reads, metricOf(order), period, page)
}

function metricOf(summaryName: string): MetricName {
  const metric = METRIC_NAMES.find((name) => METRICS[name].projectSummaryName === summaryName)
  if (metric === undefined) throw new Error(`No metric has the summary name ${summaryName}.`)
  return metric
}

async function projectsAnswer(reads: LimitedReads, partnerId: string, places: readonly PlaceInList[], period: Period) {
  const ids = places.map(({ projectId }) => projectId)
  const known = await readListedProjects(reads, partnerId, ids)
  const usages = await readUsageOfProjects(reads, ids, period)
  return ids.map((id) => {
    const [project, usage] = [known.get(id), usages.get(id)]
    if (project === undefined || usage === undefined) throw new Error(`The project ${id} was listed but cannot be read.`)
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
