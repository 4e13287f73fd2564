import type { FastifyInstance } from 'fastify'
import { AUDIT_TOPIC, GET_SOURCE, LIST_LOGS, REPARTITION_TOPIC, REPLAY_LOG, RESET_LOG, USE_SOURCE } from '../../contract/logs.ts'
import { auditTopic } from '../../ingest/kafka/audit-topic.ts'
import type { Incarnation } from '../../ingest/kafka/incarnation.ts'
import { listLogs } from '../../ingest/kafka/list-logs.ts'
import { replayLogs } from '../../ingest/kafka/replay-logs.ts'
import { type LogChangeOutcome, repartitionLogs, resetLogs } from '../../ingest/kafka/reset-logs.ts'
import { listSourceLogs, type ReadLog } from '../../ingest/kafka/source-logs.ts'
import { switchSource } from '../../ingest/kafka/switch-source.ts'
import type { Topic } from '../../ingest/kafka/topic.ts'
import { readSource } from '../../ingest/source/source-in-force.ts'
import { instantOrNull, parseTimestamp } from '../../metering/timestamp.ts'
import { OPERATOR } from '../auth/access.ts'
import { actorOf } from '../auth/auth.ts'
import type { ApiContext, OperatorContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'
import { addRoute } from '../route.ts'

export function listLogsRoute(app: FastifyInstance, context: OperatorContext): void {
  addRoute(app, LIST_LOGS, { access: OPERATOR }, async () => {
    const logs = await listLogs(context.clickhouse, requireTopic(context))
    return {
      logs: logs.map(({ log, begin, end, settledThrough, asOfMs, owner, released }) => ({
        log,
        begin,
        end,
        settled_through: settledThrough,
        as_of: instantOrNull(asOfMs),
        owner,
        released,
      })),
    }
  })
}

export function getSource(app: FastifyInstance, context: OperatorContext): void {
  addRoute(app, GET_SOURCE, { access: OPERATOR }, () => sourceAnswer(context))
}

export function useSource(app: FastifyInstance, context: OperatorContext): void {
  const { clickhouse, registry } = context
  addRoute(app, USE_SOURCE, { access: OPERATOR }, async (request) => {
    const source = context.source()
    const leaveUnread = request.body.leave_unread
    await registry.changes.note(actorOf(request), { action: 'log.source', subject: source, details: { leave_unread: leaveUnread } })
    const outcome = await switchSource(clickhouse, source, { leaveUnread })
    if (outcome.status === 'rejected') throw new ApiError('LOG_VERB_REFUSED', outcome.reason)
    const { left } = outcome
    return { ...(await sourceAnswer(context)), left: left === undefined ? null : { source: left.source, logs: left.logs.map(readLogAnswer) } }
  })
}

async function sourceAnswer({ clickhouse, source }: OperatorContext) {
  const configured = source()
  const state = await readSource(clickhouse.control)
  if (state === undefined) return { source: null, in_force: false, since: null, configured, logs: [] }
  const logs = await listSourceLogs(clickhouse.reads, state.source)
  return { source: state.source, in_force: state.isInForce, since: instantOrNull(state.sinceMs), configured, logs: logs.map(readLogAnswer) }
}

function readLogAnswer({ log, settledThrough, asOfMs }: ReadLog) {
  return { log, settled_through: settledThrough, as_of: instantOrNull(asOfMs) }
}

export function resetLog(app: FastifyInstance, context: OperatorContext): void {
  const { clickhouse, registry } = context
  addRoute(app, RESET_LOG, { access: OPERATOR }, async (request) => {
    const { log } = request.params
    const topic = requireTopic(context)
    await registry.changes.note(actorOf(request), { action: 'log.reset', subject: log })
    return incarnationAnswer(requireDone(await resetLogs(clickhouse, topic, log)))
  })
}

export function repartitionTopic(app: FastifyInstance, context: OperatorContext): void {
  const { clickhouse, registry } = context
  addRoute(app, REPARTITION_TOPIC, { access: OPERATOR }, async (request) => {
    const topic = requireTopic(context)
    await registry.changes.note(actorOf(request), { action: 'log.repartition', subject: 'all' })
    return incarnationAnswer(requireDone(await repartitionLogs(clickhouse, topic)))
  })
}

export function replayLog(app: FastifyInstance, context: OperatorContext): void {
  const { clickhouse, registry } = context
  addRoute(app, REPLAY_LOG, { access: OPERATOR }, async (request) => {
    const { log } = request.body
    const topic = requireTopic(context)
    const from = parseFrom(String(request.body.from))
    await registry.changes.note(actorOf(request), { action: 'log.replay', subject: log, details: from })
    const replays = requireDone(await replayLogs(clickhouse, topic, { choice: log, from }))
    return { replays: replays.map(({ id, log: name, fromOffset }) => ({ id, log: name, from_offset: fromOffset })) }
  })
}

export function auditTopicRoute(app: FastifyInstance, context: OperatorContext): void {
  addRoute(app, AUDIT_TOPIC, { access: OPERATOR }, async () => {
    const { ranges, recordsRead, forwarded, differences, ...counts } = await auditTopic(context.clickhouse, requireTopic(context), context.knownMetrics)
    return {
      logs: ranges.map(({ log, first, through, firstReceivedMs }) => ({
        log,
        first,
        through,
        first_received_at: instantOrNull(firstReceivedMs),
      })),
      records_read: recordsRead,
      ...counts,
      passed_on: forwarded,
      differences: [...differences],
    }
  })
}

function requireTopic({ topic }: ApiContext): Topic {
  if (topic === undefined) throw new ApiError('NO_KAFKA')
  return topic()
}

function requireDone<T>(outcome: LogChangeOutcome<T>): T {
  if (outcome.status === 'rejected') throw new ApiError('LOG_VERB_REFUSED', outcome.reason)
  return outcome.result
}

function incarnationAnswer({ topic, incarnation, partitions, starts }: Incarnation) {
  return { topic, incarnation, partitions, starts: [...starts] }
}

function parseFrom(from: string): { offset: number } | { timeMs: number } {
  if (/^\d{1,15}$/.test(from)) return { offset: Number(from) }
  const timeMs = parseTimestamp(from)
  if (timeMs === undefined) throw new ApiError('INVALID_REQUEST', 'from must be an offset, or an RFC 3339 date-time with a zone, such as 2026-01-31T12:00:00Z.')
  return { timeMs }
}
