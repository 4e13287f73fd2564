import type { FastifyInstance } from 'fastify'
import { readBillingStatus } from '../../aggregator/statements/billing-status.ts'
import type { CombinedDays } from '../../aggregator/usage/combine-days.ts'
import { readPartnershipUsageTogether } from '../../aggregator/usage/partnership-usage.ts'
import { type DaysAndActivity, readDaysAndActivity } from '../../aggregator/usage/project-usage.ts'
import type { RememberedUsage, UsageScope } from '../../aggregator/usage/remembered-usage.ts'
import { readUsageByLabels } from '../../aggregator/usage/usage-by-labels.ts'
import { dailyName, partnershipName, projectSummaryName } from '../../contract/fields.ts'
import type { QueryOf } from '../../contract/operation.ts'
import { GET_PARTNERSHIP_USAGE, GET_PROJECT_USAGE, GET_USAGE_OF_PARTNER, GET_USAGE_OF_PROJECT } from '../../contract/usage.ts'
import { instantOrNull } from '../../metering/timestamp.ts'
import type { Partner } from '../../registry/partners.ts'
import { findProject, type Project } from '../../registry/projects/project.ts'
import { billingAnswer } from '../answers/billing-fields.ts'
import { byteDaysAnswer } from '../answers/byte-days.ts'
import { groupsAnswer } from '../answers/groups.ts'
import { othersAnswer } from '../answers/other-metrics.ts'
import { peakDaysAnswer } from '../answers/peak-days.ts'
import { quantitiesAnswer } from '../answers/quantities.ts'
import { FINANCE, PARTNER_READER, PROJECT_READER } from '../auth/access.ts'
import { partnerOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'
import { periodAnswer, requirePeriod } from '../requests/period.ts'
import { requireLabels } from '../requests/require-labels.ts'
import { requireKnownPartner } from '../requests/require-partner.ts'
import { requireProjectOf, withProjectOf } from '../requests/require-project.ts'
import { addRoute } from '../route.ts'

export function getPartnershipUsage(app: FastifyInstance, context: ApiContext): void {
  addRoute(app, GET_PARTNERSHIP_USAGE, { access: PARTNER_READER, sharesStatements }, async (request) =>
    partnershipAnswer(context, partnerOf(request), request.query),
  )
}

export function getUsageOfPartner(app: FastifyInstance, context: ApiContext): void {
  addRoute(app, GET_USAGE_OF_PARTNER, { access: FINANCE }, async (request) =>
    partnershipAnswer(context, await requireKnownPartner(context.registry, request.params.partnerId), request.query),
  )
}

export function getProjectUsage(app: FastifyInstance, context: ApiContext): void {
  addRoute(app, GET_PROJECT_USAGE, { access: PROJECT_READER, sharesStatements }, async (request) => {
    const period = requirePeriod(request.query, context.now())
    const of = { partnerId: partnerOf(request).id, projectId: request.params.projectId }
    const scope = { ...of, period, query: request.query }
    return projectAnswer(scope, ...(await withProjectOf(context.registry, of, requireProjectOf, () => readProjectParts(context, scope))))
  })
}

export function getUsageOfProject(app: FastifyInstance, context: ApiContext): void {
  addRoute(app, GET_USAGE_OF_PROJECT, { access: FINANCE }, async (request) => {
    const period = requirePeriod(request.query, context.now())
    const project = await findProject(context.registry, request.params.projectId)
    if (project === undefined) throw new ApiError('PROJECT_NOT_FOUND')
    const scope = { projectId: project.id, partnerId: project.partnerId, period, query: request.query }
    return projectAnswer(scope, project, await readProjectParts(context, scope))
  })
}

type UsageContext = Pick<ApiContext, 'limitedReads' | 'completeness' | 'rememberedUsage' | 'now' | 'registry'>

async function partnershipAnswer(context: UsageContext, { id, name }: Partner, query: QueryOf<typeof GET_PARTNERSHIP_USAGE>) {
  const { limitedReads, completeness, rememberedUsage } = context
  const period = requirePeriod(query, context.now())
  const scope = { partnerId: id, period, query }
  const { asOfMs } = await completeness.read()
  const { usage, groups } = await readParts(context, scope, rememberedUsage.of(scope), () =>
    readPartnershipUsageTogether(limitedReads, id, period, completeness),
  )
  return {
    partnership: { id, name },
    period: periodAnswer(period),
    summary: quantitiesAnswer(usage.summary, partnershipName),
    ...othersAnswer(usage.others),
    ...(includes(query, 'daily') ? dailyAnswer(usage) : {}),
    ...(includes(query, 'byte_days') ? { byte_days: byteDaysAnswer(usage.byteDays, period, query.gb_bytes) } : {}),
    ...groups,
    ...billingAnswer(asOfMs, usage.status),
  }
}

interface ProjectScope extends UsageScope {
  readonly projectId: string
  readonly query: QueryOf<typeof GET_PROJECT_USAGE>
}

async function readProjectParts(context: UsageContext, scope: ProjectScope) {
  const { limitedReads, rememberedUsage, completeness } = context
  const { asOfMs } = await completeness.read()
  const remembered = rememberedUsage.of(scope)
  let reading: Promise<DaysAndActivity> | undefined
  const read = () => (reading ??= readDaysAndActivity(limitedReads, scope.projectId, scope.period))
  const [parts, lastActivityMs] = await Promise.all([
    readParts(context, scope, remembered, async () => (await read()).days),
    remembered.readLastActivity(async () => (await read()).lastActivityMs),
  ])
  return { asOfMs, ...parts, lastActivityMs }
}

/**
 * Usage with its billing status, which is read after it. The completeness that describes it must be read before. Usage of past days may be
 * remembered; usage by labels is not.
 */
async function readParts(
  context: UsageContext,
  scope: UsageScope & { readonly query: { readonly group_by?: string | undefined } },
  remembered: ReturnType<RememberedUsage['of']>,
  readDays: () => Promise<CombinedDays>,
) {
  const { limitedReads, now } = context
  const { partnerId, period, query } = scope
  const groups = groupsOf(context, query, scope)
  const read = async () => {
    const totals = Promise.all([readDays(), groups])
    const [[days], status] = await Promise.all([totals, readBillingStatus(limitedReads, { partnerId, period, nowMs: now() }, totals)])
    return { ...days, status }
  }
  const [usage, ofLabels] = await Promise.all([query.group_by === undefined ? remembered.readDays(read) : read(), groups])
  return { usage, groups: ofLabels }
}

function projectAnswer({ period, query }: ProjectScope, { id, name, status }: Project, parts: Awaited<ReturnType<typeof readProjectParts>>) {
  const { asOfMs, usage, groups, lastActivityMs } = parts
  return {
    project: { id, name, status, last_activity_at: instantOrNull(lastActivityMs) },
    period: periodAnswer(period),
    summary: quantitiesAnswer(usage.summary, projectSummaryName),
    ...othersAnswer(usage.others),
    daily_usage: usage.days.map(({ day, usage: ofDay, others }) => ({ usage_date: day, ...quantitiesAnswer(ofDay, dailyName), ...othersAnswer(others) })),
    ...(includes(query, 'byte_days') ? { byte_days: byteDaysAnswer(usage.byteDays, period, query.gb_bytes) } : {}),
    ...groups,
    ...billingAnswer(asOfMs, usage.status),
  }
}

/** Usage by labels has statements of each project. */
function sharesStatements({ group_by }: Readonly<Record<string, unknown>>): boolean {
  return group_by === undefined
}

/** Usage by labels, if the query asks for it. */
async function groupsOf(
  { limitedReads, registry }: UsageContext,
  { group_by }: { readonly group_by?: string | undefined },
  { partnerId, projectId, period }: UsageScope,
) {
  if (group_by === undefined) return {}
  const { keys, metrics } = await requireLabels(registry, group_by)
  const of = projectId === undefined ? { partnerId } : { projectId }
  return { groups: groupsAnswer(keys, await readUsageByLabels(limitedReads, { of, period, keys, metrics })) }
}

function includes({ include = '' }: { readonly include?: string | undefined }, part: 'daily' | 'byte_days'): boolean {
  return include.split(',').includes(part)
}

function dailyAnswer({ days, peakDays }: CombinedDays) {
  return {
    daily_usage: days.map(({ day, usage, others }) => ({ usage_date: day, ...quantitiesAnswer(usage, partnershipName), ...othersAnswer(others) })),
    peak_days: peakDaysAnswer(peakDays),
  }
}
