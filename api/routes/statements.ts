import { randomUUID } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { isBilledMonth, readBillingStates } from '../../aggregator/statements/billing-state.ts'
import { explainMissingRecount } from '../../aggregator/statements/byte-day-corrections.ts'
import { readByteDays } from '../../aggregator/statements/byte-days.ts'
import { type ClosingOutcome, closeMonth } from '../../aggregator/statements/close-month.ts'
import { readLinesAsJson } from '../../aggregator/statements/lines-as-json.ts'
import { addManualAdjustment } from '../../aggregator/statements/manual-adjustments.ts'
import { findStatement, listStatements } from '../../aggregator/statements/read-statements.ts'
import type { QueryOf } from '../../contract/operation.ts'
import { ADD_ADJUSTMENT, CLOSE_MONTH, GET_OWN_STATEMENT, GET_STATEMENT, LIST_OWN_STATEMENTS, LIST_STATEMENTS } from '../../contract/statements.ts'
import type { GbBytes } from '../../metering/gb-month.ts'
import { type Month, periodOfMonth } from '../../metering/month.ts'
import { formatTimestamp } from '../../metering/timestamp.ts'
import type { NoteChange } from '../../registry/audit-log.ts'
import { byteDaysAnswer } from '../answers/byte-days.ts'
import { type Shown, statementStream, statementsAnswer } from '../answers/statement.ts'
import { FINANCE, OPERATOR, PARTNER_READER } from '../auth/access.ts'
import { actorOf, partnerOf } from '../auth/auth.ts'
import type { ApiContext, OperatorContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'
import { KeyedSemaphore } from '../http/keyed-semaphore.ts'
import type { StatementStreams } from '../http/open-streams.ts'
import { requireMonth } from '../requests/period.ts'
import { requireMetric } from '../requests/require-metric.ts'
import { requireKnownPartner } from '../requests/require-partner.ts'
import { requireProjectOf } from '../requests/require-project.ts'
import { addRoute } from '../route.ts'

export function listOwnStatements(app: FastifyInstance, { limitedReads, now }: ApiContext): void {
  addRoute(app, LIST_OWN_STATEMENTS, { access: PARTNER_READER }, async (request) =>
    statementsAnswer(await listStatements(limitedReads, partnerOf(request).id, now())),
  )
}

export function getOwnStatement(app: FastifyInstance, { limitedReads, now }: ApiContext, streams: StatementStreams): void {
  addRoute(app, GET_OWN_STATEMENT, { access: PARTNER_READER, exposeHeadRoute: false }, async (request, reply) =>
    sendStatement(request, reply, {
      ...{ clickhouse: limitedReads, streams, nowMs: now(), shown: 'with unbilled' },
      partnerId: partnerOf(request).id,
      month: requireMonth(request.params.month),
      gbBytes: gbBytesOf(request.query),
    }),
  )
}

export function closeMonthRoute(app: FastifyInstance, { clickhouse, registry, runBetweenBatches, now }: OperatorContext, streams: StatementStreams): void {
  addRoute(app, CLOSE_MONTH, { access: FINANCE }, async (request, reply) => {
    const { id: partnerId } = await requireKnownPartner(registry, request.params.partnerId)
    const month = requireMonth(request.params.month)
    const note: NoteChange = (noted) => registry.changes.note(actorOf(request), noted)
    const outcome = await closeMonth({ clickhouse, runBetweenBatches, now, note, logger: request.log }, { partnerId, month, closedBy: 'operator' })
    if (outcome.status !== 'closed') throw notClosedError(outcome, month)
    return sendStatement(request, reply, { clickhouse, streams, partnerId, month, nowMs: now(), shown: 'as closed', gbBytes: undefined })
  })
}

export function listStatementsRoute(app: FastifyInstance, { limitedReads, registry, now }: ApiContext): void {
  addRoute(app, LIST_STATEMENTS, { access: FINANCE }, async (request) => {
    const { id: partnerId } = await requireKnownPartner(registry, request.params.partnerId)
    return statementsAnswer(await listStatements(limitedReads, partnerId, now()))
  })
}

export function getStatement(app: FastifyInstance, { limitedReads, registry, now }: ApiContext, streams: StatementStreams): void {
  addRoute(app, GET_STATEMENT, { access: FINANCE, exposeHeadRoute: false }, async (request, reply) => {
    const { id: partnerId } = await requireKnownPartner(registry, request.params.partnerId)
    const month = requireMonth(request.params.month)
    const gbBytes = gbBytesOf(request.query)
    return sendStatement(request, reply, { clickhouse: limitedReads, streams, partnerId, month, nowMs: now(), shown: 'with unbilled', gbBytes })
  })
}

export function addAdjustment(app: FastifyInstance, { clickhouse, registry, now }: OperatorContext): void {
  // Adjustments of one partner run one at a time: each takes the lease of its closings from the one before.
  const slots = new KeyedSemaphore(ADJUSTMENT_SLOTS)
  addRoute(app, ADD_ADJUSTMENT, { access: OPERATOR }, async (request) => {
    const { id: partnerId } = await requireKnownPartner(registry, request.params.partnerId)
    const { id: entry = randomUUID(), for_month, project_id, metric, value, reason } = request.body
    await requireMetric(registry, 'body.metric', metric)
    if (project_id !== undefined) await requireProjectOf(registry, { partnerId, projectId: project_id })
    const [state] = await readBillingStates(clickhouse, partnerId)
    if (state === undefined || !isBilledMonth(state, for_month, now())) throw new ApiError('STATEMENT_NOT_FOUND')
    const adjustment = { entry, forMonth: for_month, projectId: project_id ?? '', metric, value, reason }
    const note: NoteChange = (noted) => registry.changes.note(actorOf(request), noted)
    const release = await slots.acquire(partnerId)
    if (release === undefined) throw new ApiError('OVERLOADED')
    const added = await addManualAdjustment({ clickhouse, note }, partnerId, adjustment).finally(release)
    if (added.status === 'another') throw new ApiError('MANUAL_LINE_EXISTS')
    if (added.status === 'elsewhere') throw new ApiError('CLOSING_ELSEWHERE')
    request.log.info({ partnerId, ...adjustment }, 'a manual adjustment was added to the next statement')
    return { id: entry, statement: added.statement }
  })
}

const ADJUSTMENT_SLOTS = { perKeyMax: 1, totalMax: 16, waitingPerKeyMax: 100, waitMsMax: 10_000 }

interface StatementRequest {
  readonly clickhouse: OperatorContext['clickhouse']
  readonly streams: StatementStreams
  readonly partnerId: string
  readonly month: Month
  readonly nowMs: number
  readonly shown: Shown
  /** Set for an answer with byte-days. */
  readonly gbBytes: GbBytes | undefined
}

function gbBytesOf({ include, gb_bytes }: QueryOf<typeof GET_STATEMENT>): GbBytes | undefined {
  return include === 'byte_days' ? gb_bytes : undefined
}

async function sendStatement(
  request: FastifyRequest,
  reply: FastifyReply,
  { clickhouse, streams, partnerId, month, nowMs, shown, gbBytes }: StatementRequest,
): Promise<FastifyReply> {
  const statement = await findStatement(clickhouse, partnerId, month, nowMs)
  if (statement === undefined) throw new ApiError('STATEMENT_NOT_FOUND')
  const outcome = await readLinesAsJson(clickhouse, partnerId, statement, { nowMs, withByteDays: gbBytes !== undefined })
  if (outcome.status === 'byte_days_unknown') throw new ApiError('BYTE_DAYS_UNKNOWN', explainMissingRecount(outcome.missing))
  const byteDays = gbBytes === undefined ? undefined : byteDaysAnswer(await readByteDays(clickhouse, partnerId, statement), periodOfMonth(month), gbBytes)
  const endStream = streams.begin(partnerId)
  const stream = statementStream(statement, { ...outcome.lines, byteDays }, shown)
  streams.endWith(stream, reply, endStream)
  stream.on('error', (err) => {
    // A reader that leaves ends the stream early, which is no fault.
    if (reply.raw.destroyed && 'code' in err && err.code === 'ERR_STREAM_PREMATURE_CLOSE') return
    request.log.error({ err, requestId: request.id }, 'the store failed while a statement was sent; the answer was broken off')
  })
  return reply.type(JSON_TYPE).send(stream)
}

const JSON_TYPE = 'application/json; charset=utf-8'

/** Says why a month cannot be closed, and what would help. */
function notClosedError(outcome: Exclude<ClosingOutcome, { status: 'closed' }>, month: Month): ApiError {
  switch (outcome.status) {
    case 'no_statement':
      return new ApiError('STATEMENT_NOT_FOUND', `This partner is billed from ${outcome.billingFrom} on; ${month} has no statement.`)
    case 'not_over':
      return new ApiError('MONTH_NOT_OVER', `${month} is not over before ${formatTimestamp(outcome.overMs)}.`)
    case 'earlier_open':
      return new ApiError('EARLIER_MONTH_OPEN', `Months close in order: close ${outcome.month} first.`)
    case 'not_complete':
      return new ApiError(
        'MONTH_NOT_COMPLETE',
        `Usage is complete up to ${outcome.asOfMs === null ? 'no time yet' : formatTimestamp(outcome.asOfMs)}, which is before the end of ${month}. Check that every log is being read.`,
      )
    case 'audit_differs':
      return new ApiError(
        'AUDIT_DIFFERS',
        `The audit of ${month} finds ${outcome.differences} differences. "meterline audit" lists them. The owner of the log repairs them; "meterline rebuild" does too.`,
      )
    case 'elsewhere':
      return new ApiError('CLOSING_ELSEWHERE')
  }
}
