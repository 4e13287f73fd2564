import { z } from 'zod'
import { Instant } from './fields.ts'
import { defineOperation } from './operation.ts'

/** The parts of a process that log. `service` is the process itself: its start, its store and its keys. */
export const LOG_SOURCES = ['api', 'ingest', 'aggregate', 'automation', 'audit', 'service'] as const
export type LogSource = (typeof LOG_SOURCES)[number]

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** One answer has at most as many lines as a process keeps of each source. */
export const LOG_LINES_MAX = 1_000
const LOG_LINES_DEFAULT = 100
const CURSORS_CHARACTERS_MAX = 1_024

const FieldValue = z.union([z.string(), z.number(), z.boolean()])

const LogLine = z.object({
  time: Instant,
  level: z.enum(LOG_LEVELS),
  source: z.enum(LOG_SOURCES),
  message: z.string(),
  fields: z.record(z.string(), z.union([FieldValue, z.array(FieldValue)])).meta({
    description: 'What the line is about. Only fields that hold no secret; an error is its type and code. The whole line is in the output of the process.',
  }),
})

export const LIST_SERVICE_LOGS = defineOperation({
  method: 'GET',
  path: '/admin/v1/service-logs',
  tag: 'admin',
  summary: 'List the latest log lines of the process that answers, oldest first',
  description: `They are kept in memory: at most ${LOG_LINES_MAX} lines and 512 KiB of each source, from the start of the process on, in the levels of \`LOG_LEVEL\`. Each process answers for itself: \`process\` says which one did. With \`after\`, the lines that follow.`,
  query: z.strictObject({
    source: z.enum(LOG_SOURCES).optional().meta({
      description:
        '`api`: requests. `ingest`: counting events. `aggregate`: totals and closings. `automation`: schedules, thresholds and webhooks. `audit`: audits, and the audit log. `service`: the process.',
    }),
    level: z.enum(LOG_LEVELS).optional().meta({ description: 'Lines of this level and above.' }),
    limit: z.coerce.number().int().min(1).max(LOG_LINES_MAX).default(LOG_LINES_DEFAULT),
    after: z
      .string()
      .max(CURSORS_CHARACTERS_MAX)
      .regex(/^[\w-]{8}\.\d{1,15}(?:,[\w-]{8}\.\d{1,15})*$/, 'must be cursors of earlier answers, separated by commas')
      .optional()
      .meta({ description: '`cursor` of an earlier answer. Behind a load balancer: those of all processes that answered, separated by commas.' }),
  }),
  answers: {
    200: z.object({
      process: z.object({ host: z.string(), pid: z.number().int(), part: z.string(), started_at: Instant }),
      logs: z.array(LogLine),
      cursor: z.string(),
      gap: z.enum(['dropped', 'other_process']).nullable().meta({
        description:
          'With `after`, whether lines may be missing before these. `dropped`: there were more than are kept. `other_process`: this process gave none of the cursors, because it was restarted or is another one; all of its lines follow.',
      }),
    }),
  },
  errors: { 400: true, 401: true, 403: true, 429: true, 500: true, 503: true },
  example: {
    answers: {
      200: {
        process: { host: 'host-1', pid: 4711, part: 'all', started_at: '2026-02-04T08:00:00Z' },
        logs: [
          {
            time: '2026-02-04T09:30:00.118Z',
            level: 'info',
            source: 'api',
            message: 'request',
            fields: { method: 'GET', route: '/admin/v1/partners', status: 200, ms: 3.1, actor: 'admin' },
          },
        ],
        cursor: 'Zk3v9QaB.118',
        gap: null,
      },
    },
  },
})
