import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { Instant, PathId } from '../../contract/fields.ts'
import { auditTopic, TOPIC_DIFFERENCES_MAX } from '../../ingest/kafka/audit-topic.ts'
import type { Incarnation } from '../../ingest/kafka/incarnation.ts'
import { listLogs } from '../../ingest/kafka/list-logs.ts'
import { replayLogs } from '../../ingest/kafka/replay-logs.ts'
import { type LogChangeOutcome, repartitionLogs, resetLogs } from '../../ingest/kafka/reset-logs.ts'
import { instantOrNull, parseTimestamp } from '../../metering/timestamp.ts'
import { errorAnswers } from '../answers/error-answers.ts'
import { OPERATOR } from '../auth/access.ts'
import { actorOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'

/** What an operator asks of the logs, and does to them after an incident. */
export function logRoutes(app: FastifyInstance, { clickhouse, registry, topic }: ApiContext): void {
  const routes = app.withTypeProvider<ZodTypeProvider>()
  const common = { tags: ['logs'] }
  const requireTopic = () => {
    if (topic === undefined) throw new ApiError('NO_KAFKA')
    return topic()
  }

  routes.get(
    '/admin/v1/logs',
    {
      config: { access: OPERATOR },
      schema: {
        ...common,
        summary: 'Every log: what it holds, how far it is settled, whose it is',
        response: { 200: LogsAnswer, ...errorAnswers(401, 409, 429, 500, 503) },
      },
    },
    async () => {
      const logs = await listLogs(clickhouse, requireTopic())
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
    },
  )

  routes.post(
    '/admin/v1/logs/:log/reset',
    {
      config: { access: OPERATOR },
      schema: {
        ...common,
        summary: 'Go on after an incident, from the earliest event that still exists',
        description: 'Of one log by its name, or of `all`. What was counted stays counted; nothing counts twice.',
        params: z.object({ log: PathId }),
        response: { 200: IncarnationAnswer, ...errorAnswers(401, 409, 429, 500, 503) },
      },
    },
    async (request) => {
      const { log } = request.params
      const readable = requireTopic()
      await registry.changes.note(actorOf(request), { action: 'log.reset', subject: log })
      return incarnationAnswer(requireDone(await resetLogs(clickhouse, readable, log)))
    },
  )

  routes.post(
    '/admin/v1/logs/repartition',
    {
      config: { access: OPERATOR },
      schema: {
        ...common,
        summary: 'Pin the number of partitions that the topic has now',
        response: { 200: IncarnationAnswer, ...errorAnswers(401, 409, 429, 500, 503) },
      },
    },
    async (request) => {
      const readable = requireTopic()
      await registry.changes.note(actorOf(request), { action: 'log.repartition', subject: 'all' })
      return incarnationAnswer(requireDone(await repartitionLogs(clickhouse, readable)))
    },
  )

  routes.post(
    '/admin/v1/replays',
    {
      config: { access: OPERATOR },
      schema: {
        ...common,
        summary: 'Read a log again, from an offset or from a time',
        description: 'Of one log by its name, or of `all`. Counts nothing twice: what raw lacks is counted, the rest is known.',
        body: z.strictObject({ log: LogName.default('all'), from: z.union([z.string(), z.number().int().min(0)]) }),
        response: { 200: ReplaysAnswer, ...errorAnswers(400, 401, 409, 415, 429, 500, 503) },
      },
    },
    async (request) => {
      const { log, from } = request.body
      const [readable, asked] = [requireTopic(), { choice: log, from: parseFrom(String(from)) }]
      await registry.changes.note(actorOf(request), { action: 'log.replay', subject: log, details: asked.from })
      const replays = requireDone(await replayLogs(clickhouse, readable, asked))
      return { replays: replays.map(({ id, log: name, fromOffset }) => ({ id, log: name, from_offset: fromOffset })) }
    },
  )

  routes.post(
    '/admin/v1/logs/audits',
    {
      config: { access: OPERATOR },
      schema: {
        ...common,
        summary: 'Read the topic again and compare it with raw',
        description: 'From the earliest event that still exists, record by record. It reports and repairs nothing.',
        response: { 200: LogAuditAnswer, ...errorAnswers(401, 409, 429, 500, 503) },
      },
    },
    async () => {
      const { ranges, recordsRead, forwarded, differences, ...counts } = await auditTopic(clickhouse, requireTopic())
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
    },
  )
}

/** What is no name of a log is refused before the audit log tells of it. */
const LogName = z.string().regex(/^[A-Za-z0-9._/-]{1,256}$/, 'must be "all" or the name of a log')

const LogsAnswer = z.object({
  logs: z.array(
    z.object({
      log: z.string(),
      begin: z.number().int(),
      end: z.number().int().meta({ description: 'The offset that comes next.' }),
      settled_through: z.number().int().meta({ description: '-1 before the first watermark.' }),
      as_of: Instant.nullable(),
      owner: z.string(),
      released: z.boolean(),
    }),
  ),
})

const IncarnationAnswer = z.object({
  topic: z.string(),
  incarnation: z.number().int(),
  partitions: z.number().int(),
  starts: z.array(z.number().int()).meta({ description: 'The offset from which each partition is read.' }),
})

const ReplaysAnswer = z.object({ replays: z.array(z.object({ id: z.string(), log: z.string(), from_offset: z.number().int() })) })

const LogAuditAnswer = z.object({
  logs: z.array(
    z.object({
      log: z.string(),
      first: z.number().int().meta({ description: 'The earliest offset that still exists; what was before cannot be compared.' }),
      through: z.number().int().meta({ description: 'The last offset that was settled when the audit began; -1: none.' }),
      first_received_at: Instant.nullable(),
    }),
  ),
  records_read: z.number().int(),
  counted: z.number().int(),
  duplicates: z.number().int(),
  refused: z.number().int(),
  passed_on: z.number().int(),
  differences: z
    .array(z.object({ log: z.string(), offset: z.number().int(), project_id: z.string(), event_id: z.string(), problem: z.string() }))
    .meta({ description: `Empty is the only good answer. At most ${TOPIC_DIFFERENCES_MAX}.` }),
})

function incarnationAnswer({ topic, incarnation, partitions, starts }: Incarnation) {
  return { topic, incarnation, partitions, starts: [...starts] }
}

function requireDone<T>(outcome: LogChangeOutcome<T>): T {
  if (outcome.status === 'rejected') throw new ApiError('LOG_VERB_REFUSED', outcome.reason)
  return outcome.result
}

function parseFrom(from: string): { offset: number } | { timeMs: number } {
  if (/^\d{1,15}$/.test(from)) return { offset: Number(from) }
  const timeMs = parseTimestamp(from)
  if (timeMs === undefined) throw new ApiError('INVALID_REQUEST', 'from is an offset, or an RFC 3339 date-time with a zone, such as 2026-01-31T12:00:00Z.')
  return { timeMs }
}
