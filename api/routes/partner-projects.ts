import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { readBillingStatus } from '../../aggregator/statements/billing-status.ts'
import { readPartnershipUsage } from '../../aggregator/usage/partnership-usage.ts'
import { orderOfProjects, type SelectedOrder } from '../../aggregator/usage/project-orders.ts'
import { readUsageOfProjects } from '../../aggregator/usage/projects-usage.ts'
import { readUsageOnPeakDays } from '../../aggregator/usage/usage-on-peak-days.ts'
import { projectSummaryName } from '../../contract/fields.ts'
import type { QueryOf } from '../../contract/operation.ts'
import { CURSOR_CHARACTERS_MAX } from '../../contract/pages.ts'
import { LIST_PARTNER_PROJECTS, LIST_PROJECTS_OF_PARTNER, METRIC_ORDER_PREFIX } from '../../contract/partner-projects.ts'
import { METRIC_NAMES, METRICS, type MeasuredMetric } from '../../metering/metrics.ts'
import { isDay, type Period } from '../../metering/period.ts'
import { instantOrNull } from '../../metering/timestamp.ts'
import { type ProjectFilter, readListedProjects } from '../../registry/projects/list-projects.ts'
import { PRINT_BYTES, printOf, readWalk, startWalk, type Walk } from '../../registry/projects/walk-projects.ts'
import type { LimitedReads } from '../../sql/limited-reads.ts'
import { billingAnswer } from '../answers/billing-fields.ts'
import { othersAnswer } from '../answers/other-metrics.ts'
import { onPeakDaysAnswer, peakDaysAnswer } from '../answers/peak-days.ts'
import { quantitiesAnswer } from '../answers/quantities.ts'
import { FINANCE, PARTNER_READER } from '../auth/access.ts'
import { partnerOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'
import { WalkBudget } from '../http/walk-budget.ts'
import { requirePlace, writePlace } from '../requests/cursor.ts'
import { periodAnswer, requirePeriod } from '../requests/period.ts'
import { requireMetric } from '../requests/require-metric.ts'
import { requireKnownPartner } from '../requests/require-partner.ts'
import { addRoute } from '../route.ts'

export function listPartnerProjects(app: FastifyInstance, context: ApiContext): void {
  const walkBudget = new WalkBudget()
  addRoute(app, LIST_PARTNER_PROJECTS, { access: PARTNER_READER }, async (request) =>
    projectsPage({ ...context, walkBudget }, partnerOf(request).id, request.query),
  )
}

export function listProjectsOfPartner(app: FastifyInstance, context: ApiContext): void {
  // Of its own: what finance reads must not use up what the partner may begin.
  const walkBudget = new WalkBudget()
  addRoute(app, LIST_PROJECTS_OF_PARTNER, { access: FINANCE }, async (request) => {
    const { id } = await requireKnownPartner(context.registry, request.params.partnerId)
    return projectsPage({ ...context, walkBudget }, id, request.query)
  })
}

async function projectsPage(context: ListContext, partnerId: string, asked: QueryOf<typeof LIST_PARTNER_PROJECTS>) {
  const { limitedReads, completeness, walkBudget, now } = context
  const { status = '', region = '', search, sort, limit, cursor, include, start_date, end_date } = asked
  const query = [partnerId, status, region, search, sort, start_date, end_date]
  const place = cursor === undefined ? undefined : requirePlace(cursor, query, Place)
  const period = requirePeriod(place === undefined ? asked : { start_date: place[0], end_date: place[1] }, now())
  const { asOfMs } = await completeness.read()
  const list = { reads: limitedReads, filter: { partnerId, status, region, search }, order: await selectOrder(context, sort, period), limit, walkBudget }
  const page = place === undefined ? await firstPage(list) : await nextPage(list, place[2])
  const projects = await projectsAnswer(limitedReads, partnerId, page.ids, period)
  const peaks = include === 'on_peak_days' ? await readPeaks(context, { partnerId, period, projectIds: page.ids }) : undefined
  return {
    projects: peaks === undefined ? projects : projects.map((project) => ({ ...project, on_peak_days: peaks.of(project.id) })),
    next_cursor: page.next === null ? null : writePlace(query, [period.first, period.last, page.next]),
    total: page.total,
    period: periodAnswer(period),
    ...(peaks === undefined ? {} : { peak_days: peakDaysAnswer(peaks.days) }),
    ...billingAnswer(asOfMs, await readBillingStatus(limitedReads, { partnerId, period, nowMs: now() })),
  }
}

type ListContext = Pick<ApiContext, 'limitedReads' | 'completeness' | 'now' | 'registry'> & { readonly walkBudget: WalkBudget }

/** After the first page: what it showed. Later: the place in the order that the second page fixed. */
const Next = z.union([
  z.tuple([z.literal('start'), z.number().int().min(0), z.number().int().min(0), z.string().max(CURSOR_CHARACTERS_MAX)]),
  z.tuple([z.literal('walk'), z.number().int().min(0), z.uuid(), z.number().int().min(0), z.number().int().min(0)]),
])
type Next = z.output<typeof Next>
const DayText = z.string().refine(isDay)
const Place = z.tuple([DayText, DayText, Next])

interface List {
  readonly reads: LimitedReads
  readonly filter: ProjectFilter
  readonly order: SelectedOrder
  readonly limit: number
  readonly walkBudget: WalkBudget
}

interface Page {
  readonly ids: readonly string[]
  readonly total: number
  readonly next: Next | null
}

async function firstPage({ reads, filter, order, limit, walkBudget }: List): Promise<Page> {
  const ids = await order.firstPage(reads, filter, limit + 1)
  const { total, newestMs } = await startWalk(reads, filter)
  if (ids.length <= limit) return { ids, total, next: null }
  const shown = ids.slice(0, limit)
  const prints = shown.map(printOf)
  if (prints.length <= PRINTS_IN_CURSOR_MAX) {
    return { ids: shown, total, next: ['start', total, newestMs, Buffer.from(prints.join(''), 'hex').toString('base64url')] }
  }
  walkBudget.spend(filter.partnerId, total)
  const { id, size } = await order.fixRest(reads, filter, { newestMs, shown: prints })
  return { ids: shown, total, next: ['walk', total, id, size, 0] }
}

async function nextPage({ reads, filter, order, limit, walkBudget }: List, place: Next): Promise<Page> {
  const [kind, total] = place
  if (kind === 'walk') return pageOfWalk(reads, filter.partnerId, { total, walk: { id: place[2], size: place[3] }, at: place[4], limit })
  const [, , newestMs, prints] = place
  walkBudget.spend(filter.partnerId, total)
  const shown = Buffer.from(prints, 'base64url').toString('hex').match(ONE_PRINT) ?? []
  const walk = await order.fixRest(reads, filter, { newestMs, shown })
  return pageOfWalk(reads, filter.partnerId, { total, walk, at: 0, limit })
}

/** What a longer first page showed does not fit into a cursor, so that page itself fixes the rest. */
const PRINTS_IN_CURSOR_MAX = 100
const ONE_PRINT = new RegExp(`.{${2 * PRINT_BYTES}}`, 'g')

interface PlaceInWalk {
  readonly total: number
  readonly walk: Walk
  readonly at: number
  readonly limit: number
}

async function pageOfWalk(reads: LimitedReads, partnerId: string, { total, walk, at, limit }: PlaceInWalk): Promise<Page> {
  const ids = await readWalk(reads, partnerId, walk, { at, limit })
  if (ids === undefined) throw new ApiError('CURSOR_INVALID', 'This list was begun more than a day ago. Request the first page again, without a cursor.')
  const end = at + ids.length
  return { ids, total, next: end < walk.size ? ['walk', total, walk.id, walk.size, end] : null }
}

async function selectOrder({ registry }: ListContext, sort: string, period: Period): Promise<SelectedOrder> {
  const by = sort.replace(/^-/, '')
  const defined = by.startsWith(METRIC_ORDER_PREFIX) ? await requireMetric(registry, 'query.sort', by.slice(METRIC_ORDER_PREFIX.length)) : undefined
  const key = by === 'name' || by === 'created_at' || by === 'last_activity_at' ? by : (defined ?? documentedMetric(by))
  return orderOfProjects({ key, isDescending: sort.startsWith('-'), period })
}

function documentedMetric(summaryName: string): MeasuredMetric {
  const metric = METRIC_NAMES.find((name) => METRICS[name].projectSummaryName === summaryName)
  if (metric === undefined) throw new Error(`No metric has the summary name ${summaryName}.`)
  return { metric, ...METRICS[metric] }
}

async function projectsAnswer(reads: LimitedReads, partnerId: string, ids: readonly string[], period: Period) {
  // One after the other: a partner that lists twice at the same time must leave a read session to others.
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
      ...othersAnswer(usage.others),
    }
  })
}

/** The peak days of the whole partnership, whichever of its projects the page shows, and what each of these contributed. */
async function readPeaks(
  { limitedReads, completeness }: ListContext,
  { partnerId, period, projectIds }: { partnerId: string; period: Period; projectIds: readonly string[] },
) {
  const { peakDays: days } = await readPartnershipUsage(limitedReads, partnerId, period, await completeness.read())
  const onPeakDays = await readUsageOnPeakDays(limitedReads, projectIds, days)
  return { days, of: (projectId: string) => onPeakDaysAnswer(onPeakDays(projectId)) }
}
