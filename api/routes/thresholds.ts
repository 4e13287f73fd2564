import type { FastifyInstance, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { readPartnershipUsage } from '../../aggregator/usage/partnership-usage.ts'
import { readProjectUsage } from '../../aggregator/usage/project-usage.ts'
import { valueOfMetric } from '../../aggregator/usage/usage-quantities.ts'
import {
  createThreshold,
  findOwnThreshold,
  type NewThreshold,
  removeThreshold,
  type ThresholdKey,
  type ThresholdUpdate,
  updateThreshold,
} from '../../automation/thresholds/change-thresholds.ts'
import { greatestLevel } from '../../automation/thresholds/levels.ts'
import { readThresholdHistory } from '../../automation/thresholds/threshold-history.ts'
import { listThresholds, type Threshold } from '../../automation/thresholds/thresholds.ts'
import type { AnswerOf, BodyOf, QueryOf } from '../../contract/operation.ts'
import {
  CREATE_OWN_THRESHOLD,
  CREATE_THRESHOLD,
  LIST_OWN_THRESHOLDS,
  LIST_THRESHOLDS,
  OWN_THRESHOLD_BUDGET,
  OWN_THRESHOLD_HISTORY,
  REMOVE_OWN_THRESHOLD,
  REMOVE_THRESHOLD,
  THRESHOLD_BUDGET,
  THRESHOLD_HISTORY,
  THRESHOLDS_MAX,
  UPDATE_OWN_THRESHOLD,
  UPDATE_THRESHOLD,
} from '../../contract/thresholds.ts'
import { monthOf, periodOfMonth } from '../../metering/month.ts'
import { dayOf, formatTimestamp, instantOrNull } from '../../metering/timestamp.ts'
import { findProject } from '../../registry/projects/project.ts'
import { OPERATOR, PARTNER } from '../auth/access.ts'
import { actorOf, partnerOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'
import { pageOf, requirePlace, writePlace } from '../requests/cursor.ts'
import { requireMetric } from '../requests/require-metric.ts'
import { requireKnownPartner } from '../requests/require-partner.ts'
import { requireProjectOf } from '../requests/require-project.ts'
import { addRoute } from '../route.ts'

/** The thresholds of operators. */
export function addThresholdRoutes(app: FastifyInstance, context: ApiContext): void {
  const guarded = { access: OPERATOR }
  const keyOf = ({ params }: { params: { thresholdId: string } }): ThresholdKey => ({ setBy: OPERATORS, thresholdId: params.thresholdId })
  addRoute(app, LIST_THRESHOLDS, guarded, () => list(context, OPERATORS))
  addRoute(app, CREATE_THRESHOLD, guarded, async (request) => create(context, request, { setBy: OPERATORS, ...(await requireSubject(context, request.body)) }))
  addRoute(app, UPDATE_THRESHOLD, guarded, (request) => update(context, request, keyOf(request), updateOf(request.body)))
  addRoute(app, REMOVE_THRESHOLD, guarded, (request) => remove(context, request, keyOf(request)))
  addRoute(app, THRESHOLD_HISTORY, guarded, (request) => history(context, keyOf(request), request.query))
  addRoute(app, THRESHOLD_BUDGET, guarded, (request) => budgetAnswer(context, keyOf(request)))
}

/** The thresholds of a partner, of its own usage. It sees no others. */
export function addOwnThresholdRoutes(app: FastifyInstance, context: ApiContext): void {
  const guarded = { access: PARTNER }
  const keyOf = (request: FastifyRequest & { params: { thresholdId: string } }): ThresholdKey => {
    return { setBy: partnerOf(request).id, thresholdId: request.params.thresholdId }
  }
  addRoute(app, LIST_OWN_THRESHOLDS, guarded, (request) => list(context, partnerOf(request).id))
  addRoute(app, CREATE_OWN_THRESHOLD, guarded, async (request) => {
    const { id: partnerId } = partnerOf(request)
    const { project_id: projectId = '' } = request.body
    if (projectId !== '') await requireProjectOf(context.registry, { partnerId, projectId })
    return create(context, request, { setBy: partnerId, partnerId, projectId })
  })
  addRoute(app, UPDATE_OWN_THRESHOLD, guarded, (request) => update(context, request, keyOf(request), updateOf(request.body)))
  addRoute(app, REMOVE_OWN_THRESHOLD, guarded, (request) => remove(context, request, keyOf(request)))
  addRoute(app, OWN_THRESHOLD_HISTORY, guarded, (request) => history(context, keyOf(request), request.query))
  addRoute(app, OWN_THRESHOLD_BUDGET, guarded, (request) => budgetAnswer(context, keyOf(request)))
}

/** What operators set, only operators can change. */
const OPERATORS = ''

type Context = Pick<ApiContext, 'registry' | 'limitedReads' | 'completeness'>

async function list({ registry }: Context, setBy: string): Promise<AnswerOf<typeof LIST_THRESHOLDS>> {
  return { thresholds: (await listThresholds(registry, setBy)).map(thresholdAnswer) }
}

async function create(
  { registry }: Context,
  request: FastifyRequest<{ Body: Pick<BodyOf<typeof CREATE_THRESHOLD>, 'metric' | 'levels' | 'budget' | 'active'> }>,
  subject: Pick<NewThreshold, 'setBy' | 'partnerId' | 'projectId'>,
): Promise<AnswerOf<typeof CREATE_THRESHOLD>> {
  const { metric: name, levels, budget = null, active } = request.body
  const { metric, kind, unit } = await requireMetric(registry, 'body.metric', name)
  const outcome = await createThreshold(registry, actorOf(request), { ...subject, metric, kind, unit, levels, budget, isActive: active })
  if (outcome.status === 'full')
    throw new ApiError('TOO_MANY_THRESHOLDS', `The limit of ${THRESHOLDS_MAX} thresholds is reached. Remove one, or change an existing one.`)
  if (outcome.status === 'no_budget') throw noBudget()
  return { threshold: thresholdAnswer(outcome.threshold) }
}

async function requireSubject({ registry }: Context, { partner_id, project_id }: BodyOf<typeof CREATE_THRESHOLD>) {
  if ((partner_id === undefined) === (project_id === undefined))
    throw new ApiError('INVALID_REQUEST', 'body.partner_id: send either partner_id, for all projects of a partner together, or project_id')
  if (partner_id !== undefined) return { partnerId: (await requireKnownPartner(registry, partner_id)).id, projectId: '' }
  const project = await findProject(registry, project_id ?? '')
  if (project === undefined) throw new ApiError('PROJECT_NOT_FOUND')
  return { partnerId: project.partnerId, projectId: project.id }
}

function updateOf({ levels, budget, active }: BodyOf<typeof UPDATE_THRESHOLD>): ThresholdUpdate {
  if (levels === undefined && budget === undefined && active === undefined)
    throw new ApiError('INVALID_REQUEST', 'Nothing to change. Send at least one of levels, budget and active.')
  return { levels, budget, isActive: active }
}

async function update({ registry }: Context, request: FastifyRequest, key: ThresholdKey, changes: ThresholdUpdate): Promise<AnswerOf<typeof UPDATE_THRESHOLD>> {
  const outcome = await updateThreshold(registry, actorOf(request), key, changes)
  if (outcome.status === 'not_found') throw new ApiError('THRESHOLD_NOT_FOUND')
  if (outcome.status === 'no_budget') throw noBudget()
  return { threshold: thresholdAnswer(outcome.threshold) }
}

async function remove({ registry }: Context, request: FastifyRequest, key: ThresholdKey): Promise<AnswerOf<typeof REMOVE_THRESHOLD>> {
  const removed = await removeThreshold(registry, actorOf(request), key)
  if (removed === undefined) throw new ApiError('THRESHOLD_NOT_FOUND')
  return { id: key.thresholdId, removed_at: formatTimestamp(removed.removedMs) }
}

async function history(
  { registry }: Context,
  key: ThresholdKey,
  { limit, cursor, month }: QueryOf<typeof THRESHOLD_HISTORY>,
): Promise<AnswerOf<typeof THRESHOLD_HISTORY>> {
  const { id: thresholdId } = await requireThreshold(registry, key)
  const query = ['threshold history', thresholdId, month]
  const after = cursor === undefined ? undefined : requirePlace(cursor, query, Place)
  const rows = await readThresholdHistory(registry.clickhouse, { thresholdId, month, limit: limit + 1, after })
  const { shown, next_cursor } = pageOf(rows, limit, (last) => writePlace(query, [last.atMs, last.number, last.level, last.messageId]))
  return {
    history: shown.map(({ messageId, atMs, ...transition }) => ({ message_id: messageId, ...transition, at: formatTimestamp(atMs) })),
    next_cursor,
  }
}

const Place = z
  .tuple([z.number().int(), z.number().int().min(0), z.string(), z.string()])
  .transform(([atMs, number, level, messageId]) => ({ atMs, number, level, messageId }))

async function budgetAnswer({ registry, limitedReads, completeness }: Context, key: ThresholdKey): Promise<AnswerOf<typeof THRESHOLD_BUDGET>> {
  const threshold = await requireThreshold(registry, key)
  const { partnerId, projectId, metric, levels, budget } = threshold
  const nowMs = registry.now()
  const month = monthOf(dayOf(nowMs))
  const known = await completeness.read()
  const period = periodOfMonth(month)
  const usage =
    projectId === '' ? await readPartnershipUsage(limitedReads, partnerId, period, known) : await readProjectUsage(limitedReads, projectId, period, known)
  const lagSeconds = known.asOfMs === null ? null : Math.max(0, Math.ceil((nowMs - known.asOfMs) / MS_PER_SECOND))
  return { month, used: valueOfMetric(usage, metric), limit: budget ?? greatestLevel(levels), as_of: instantOrNull(known.asOfMs), lag_seconds: lagSeconds }
}

const MS_PER_SECOND = 1_000

async function requireThreshold(registry: ApiContext['registry'], key: ThresholdKey): Promise<Threshold> {
  const threshold = await findOwnThreshold(registry, key)
  if (threshold === undefined) throw new ApiError('THRESHOLD_NOT_FOUND')
  return threshold
}

function noBudget(): ApiError {
  return new ApiError('INVALID_REQUEST', 'body.budget: is missing, and a level is a percentage of it. Send budget, or a level with value')
}

function thresholdAnswer(threshold: Threshold): AnswerOf<typeof LIST_THRESHOLDS>['thresholds'][number] {
  const { id, partnerId, projectId, metric, unit, levels, budget, isActive, createdMs, updatedMs } = threshold
  const subject = { partner_id: partnerId, project_id: projectId === '' ? null : projectId }
  const times = { created_at: formatTimestamp(createdMs), updated_at: formatTimestamp(updatedMs) }
  return { id, ...subject, metric, unit, per: 'month', levels: [...levels], budget, active: isActive, ...times }
}
