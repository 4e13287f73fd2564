import { z } from 'zod'
import { IN_FEBRUARY } from './example-values.ts'
import { Instant, PathId } from './fields.ts'
import { defineOperation } from './operation.ts'

/** An audit of the topic lists at most this many differences. */
export const TOPIC_DIFFERENCES_MAX = 1_000

/** Checked here, so that only possible names of logs reach the audit log. */
const LogName = z.string().regex(/^[A-Za-z0-9._/-]{1,256}$/, 'must be "all" or the name of a log')

const Log = z.object({
  log: z.string(),
  begin: z.number().int(),
  end: z.number().int().meta({ description: 'The next offset.' }),
  settled_through: z.number().int().meta({ description: '-1 before the first watermark.' }),
  as_of: Instant.nullable(),
  owner: z.string(),
  released: z.boolean(),
})

const Incarnation = z.object({
  topic: z.string(),
  incarnation: z.number().int(),
  partitions: z.number().int(),
  starts: z.array(z.number().int()).meta({ description: 'The offset at which reading of each partition starts.' }),
})

const ComparedLog = z.object({
  log: z.string(),
  first: z.number().int().meta({ description: 'The earliest offset that still exists; records before it cannot be compared.' }),
  through: z.number().int().meta({ description: 'The last offset that was reconciled when the audit began; -1 if none was.' }),
  first_received_at: Instant.nullable(),
})

const TopicDifference = z.object({ log: z.string(), offset: z.number().int(), project_id: z.string(), event_id: z.string(), problem: z.string() })

const LOG = 'kafka/usage-events/1/0'
const INCARNATION = { topic: 'usage-events', incarnation: 2, partitions: 4, starts: [1200, 1180, 1255, 1207] }

export const LIST_LOGS = defineOperation({
  method: 'GET',
  path: '/admin/v1/logs',
  tag: 'logs',
  summary: 'List all logs with their offsets, watermark and owner',
  answers: { 200: z.object({ logs: z.array(Log) }) },
  errors: { 401: true, 403: true, 409: 'NO_KAFKA', 429: true, 500: true, 503: true },
  example: {
    answers: { 200: { logs: [{ log: LOG, begin: 0, end: 48211, settled_through: 48210, as_of: IN_FEBRUARY, owner: 'host-1:4711', released: false }] } },
  },
})

const ReadLog = z.object({
  log: z.string(),
  settled_through: z.number().int().meta({ description: 'The last offset that was read; -1 before the first watermark.' }),
  as_of: Instant.nullable(),
})

const Source = z.object({
  source: z.string().nullable().meta({ description: '`http`, or a topic as cluster/topic. Null before the first process has counted.' }),
  in_force: z.boolean().meta({ description: 'False while a switch has begun and not ended: then nothing is counted.' }),
  since: Instant.nullable(),
  configured: z.string().meta({ description: 'The source of this server.' }),
  logs: z.array(ReadLog),
})

const READ_LOG = { log: LOG, settled_through: 48210, as_of: IN_FEBRUARY }
const SOURCE = { source: 'kafka/usage-events', in_force: true, since: '2026-01-02T08:00:00Z', configured: 'kafka/usage-events', logs: [READ_LOG] }

export const GET_SOURCE = defineOperation({
  method: 'GET',
  path: '/admin/v1/logs/source',
  tag: 'logs',
  summary: 'Get the source in force, and up to where it was read',
  description: 'Only the events of one source are counted: those that arrive over HTTP, or those of one topic.',
  answers: { 200: Source },
  errors: { 401: true, 403: true, 429: true, 500: true, 503: true },
  example: { answers: { 200: SOURCE } },
})

export const USE_SOURCE = defineOperation({
  method: 'POST',
  path: '/admin/v1/logs/source',
  tag: 'logs',
  summary: 'Switch to the source of this server',
  description:
    'The logs of the source before are retired first, so that nothing counts twice. A source that comes back continues where it was. If a switch was interrupted, call it again.',
  body: z.strictObject({
    leave_unread: z
      .boolean()
      .default(false)
      .meta({ description: 'Needed to leave a topic: its events after the offsets that were read are not counted while another source is in force.' }),
  }),
  answers: {
    200: Source.extend({
      left: z
        .object({ source: z.string(), logs: z.array(ReadLog) })
        .nullable()
        .meta({ description: 'The source that was left, if any.' }),
    }),
  },
  errors: { 400: true, 401: true, 403: true, 409: 'LOG_VERB_REFUSED', 413: true, 415: true, 429: true, 500: true, 503: true },
  example: {
    request: { leave_unread: false },
    answers: { 200: { ...SOURCE, left: { source: 'http', logs: [{ log: 'http', settled_through: 90112, as_of: IN_FEBRUARY }] } } },
  },
})

export const RESET_LOG = defineOperation({
  method: 'POST',
  path: '/admin/v1/logs/:log/reset',
  tag: 'logs',
  summary: 'Resume after an incident, from the earliest event that still exists',
  description: 'For one log by its name, or for `all`. What was counted stays counted; nothing counts twice.',
  params: z.object({ log: PathId }),
  answers: { 200: Incarnation },
  errors: {
    ...{ 400: true, 401: true, 403: true, 404: 'NOT_FOUND', 409: 'LOG_VERB_REFUSED' },
    ...{ 413: true, 415: true, 429: true, 500: true, 503: true },
  },
  example: { answers: { 200: INCARNATION } },
})

export const REPARTITION_TOPIC = defineOperation({
  method: 'POST',
  path: '/admin/v1/logs/repartition',
  tag: 'logs',
  summary: 'Pin the current number of partitions of the topic',
  answers: { 200: Incarnation },
  errors: { 400: true, 401: true, 403: true, 409: 'LOG_VERB_REFUSED', 413: true, 415: true, 429: true, 500: true, 503: true },
  example: { answers: { 200: INCARNATION } },
})

export const REPLAY_LOG = defineOperation({
  method: 'POST',
  path: '/admin/v1/replays',
  tag: 'logs',
  summary: 'Read a log again, from an offset or from a time',
  description: 'For one log by its name, or for `all`. Nothing counts twice: events that raw lacks are counted, the others are detected as duplicates.',
  body: z.strictObject({ log: LogName.default('all'), from: z.union([z.string(), z.number().int().min(0)]) }),
  answers: { 200: z.object({ replays: z.array(z.object({ id: z.string(), log: z.string(), from_offset: z.number().int() })) }) },
  errors: { 400: true, 401: true, 403: true, 409: 'LOG_VERB_REFUSED', 413: true, 415: true, 429: true, 500: true, 503: true },
  example: {
    request: { log: 'all', from: '2026-01-31T00:00:00Z' },
    answers: { 200: { replays: [{ id: '6c5b4a39-2817-4065-b4a3-928170f6e5d4', log: LOG, from_offset: 47102 }] } },
  },
})

export const AUDIT_TOPIC = defineOperation({
  method: 'POST',
  path: '/admin/v1/logs/audits',
  tag: 'logs',
  summary: 'Read the topic again and compare it with raw',
  description: 'From the earliest event that still exists, record by record. It only reports; it repairs nothing.',
  answers: {
    200: z.object({
      logs: z.array(ComparedLog),
      records_read: z.number().int(),
      counted: z.number().int(),
      duplicates: z.number().int(),
      refused: z.number().int(),
      passed_on: z.number().int(),
      differences: z.array(TopicDifference).meta({ description: `Anything other than an empty list is a fault. At most ${TOPIC_DIFFERENCES_MAX}.` }),
    }),
  },
  errors: { 400: true, 401: true, 403: true, 409: 'NO_KAFKA', 413: true, 415: true, 429: true, 500: true, 503: true },
  example: {
    answers: {
      200: {
        logs: [{ log: LOG, first: 0, through: 48210, first_received_at: '2026-01-02T08:00:00Z' }],
        records_read: 48211,
        counted: 48190,
        duplicates: 15,
        refused: 5,
        passed_on: 1,
        differences: [],
      },
    },
  },
})
