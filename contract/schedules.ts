import { z } from 'zod'
import { FOCUS_VERSION_DEFAULT, FOCUS_VERSIONS } from './export-formats.ts'
import { Instant, Name, PathId } from './fields.ts'
import { defineOperation } from './operation.ts'
import { RUN_EXAMPLE, SCHEDULE_EXAMPLE, SCHEDULE_ID } from './schedules-example.ts'

/** Source of the paths and shapes: the documentation of the platform's command line. */
const SCHEDULES_PATH = '/api/schedules'

export const SCHEDULES_MAX = 1_000
/** Runs of one schedule that were asked for and have not begun. */
export const REQUESTED_RUNS_MAX = 10
const CRON_CHARACTERS_MAX = 256
const URL_CHARACTERS_MAX = 2_048
const HEADERS_MAX = 50
const HEADER_CHARACTERS_MAX = 4_096
const BODY_CHARACTERS_MAX = 64 * 1024
const FOLDER_CHARACTERS_MAX = 512

const SCHEDULE_METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const
export const EXPORTED_WHAT = ['statements', 'usage', 'focus'] as const
const EXPORTED_PERIODS = ['last-month', 'yesterday', 'this-month'] as const
const DELIVERY_FORMATS = ['csv', 'json', 'ndjson', 'parquet', 'xlsx'] as const

const ExportAction = z
  .strictObject({
    what: z.enum(EXPORTED_WHAT),
    period: z.enum(EXPORTED_PERIODS).meta({ description: 'In UTC, seen from the due time. yesterday: whole days of usage, each as a file of its own.' }),
    format: z.enum(DELIVERY_FORMATS),
    focus: z
      .enum(FOCUS_VERSIONS)
      .optional()
      .meta({ description: `Of focus only: the version of the specification. Default: ${FOCUS_VERSION_DEFAULT}.` }),
    include: z
      .enum(['byte_days'])
      .optional()
      .meta({ description: 'Not for focus. `byte_days` adds the columns `byte_days` and `days_with_samples`, of peaks.' }),
    quantity: z
      .enum(['peak', 'byte_days'])
      .optional()
      .meta({ description: 'Of focus only: what is charged of a peak metric, as in exports. Default: `peak`.' }),
    partner: z.string().min(1).max(256).optional().meta({ description: 'Default: all partners.' }),
    to: z.union([
      z.strictObject({ folder: z.string().min(1).max(FOLDER_CHARACTERS_MAX).meta({ description: 'Inside EXPORT_DIR, relative to it.' }) }),
      z.strictObject({
        url: z
          .string()
          .max(URL_CHARACTERS_MAX)
          .meta({ description: 'HTTPS. Objects are sent with PUT; {name} stands for the name, which is otherwise appended.' }),
      }),
    ]),
  })
  .meta({ description: 'Delivers an export instead of calling functionUrl.' })

const Headers = z
  .record(z.string().max(HEADER_CHARACTERS_MAX), z.string().max(HEADER_CHARACTERS_MAX))
  .refine((headers) => Object.keys(headers).length <= HEADERS_MAX, `must have at most ${HEADERS_MAX} entries`)
  .meta({ description: 'Values may contain ${' + '{secrets.KEY}}: the value of the secret is read at each run.' })

const JsonBody = z
  .record(z.string(), z.unknown())
  .nullable()
  .refine((body) => JSON.stringify(body).length <= BODY_CHARACTERS_MAX, `must have at most ${BODY_CHARACTERS_MAX} characters as JSON`)
  .meta({ description: 'Sent as JSON, except with GET.' })

const Cron = z.string().max(CRON_CHARACTERS_MAX).meta({
  description: 'Five fields of cron (minute, hour, day of the month, month, day of the week), or "N seconds" with N from 1 to 59.',
  example: '0 6 1 * *',
})
const Zone = z
  .string()
  .max(64)
  .meta({ description: 'Of the IANA database. In it, a time that daylight saving skips is due at the end of the gap, and a repeated hour is due once.' })
const FunctionUrl = z.string().max(URL_CHARACTERS_MAX).meta({ description: 'http or https. Required without export.' })

const NewSchedule = z.strictObject({
  name: Name,
  cronSchedule: Cron,
  timezone: Zone.default('UTC'),
  functionUrl: FunctionUrl.optional(),
  httpMethod: z.enum(SCHEDULE_METHODS).default('POST'),
  headers: Headers.default({}),
  body: JsonBody.default(null),
  export: ExportAction.optional(),
  isActive: z.boolean().default(true),
})

const ScheduleUpdate = z.strictObject({
  name: Name.optional(),
  cronSchedule: Cron.optional(),
  timezone: Zone.optional(),
  functionUrl: FunctionUrl.nullable().optional(),
  httpMethod: z.enum(SCHEDULE_METHODS).optional(),
  headers: Headers.optional(),
  body: JsonBody.optional(),
  export: ExportAction.nullable().optional(),
  isActive: z.boolean().optional().meta({ description: 'false pauses the schedule. Due times while it is paused are not made up for.' }),
})

/** When a schedule is due, and what it does then. */
export const ScheduleDefinition = z.object({
  cronSchedule: z.string(),
  timezone: z.string(),
  functionUrl: z.string().nullable(),
  httpMethod: z.enum(SCHEDULE_METHODS),
  headers: z.record(z.string(), z.string()),
  body: z.record(z.string(), z.unknown()).nullable(),
  export: ExportAction.nullable(),
})
export type ScheduleDefinition = z.output<typeof ScheduleDefinition>
export type ExportAction = z.output<typeof ExportAction>

const Schedule = z.object({
  id: z.uuid(),
  name: z.string(),
  ...ScheduleDefinition.shape,
  isActive: z.boolean(),
  lastExecutedAt: Instant.nullable(),
  lastSuccess: z.boolean().nullable().meta({ description: 'Whether the last run succeeded. Null before the first run.' }),
  lastMessage: z.string().nullable().meta({ description: 'What the last run reported, as in its log.' }),
  nextRun: Instant.nullable().meta({ description: 'Null while the schedule is paused.' }),
  createdAt: Instant,
  updatedAt: Instant,
})

const Execution = z.object({
  id: z.string().meta({ description: 'The hash of the schedule and the due time, which calls carry as webhook-id and idempotency-key.' }),
  scheduleId: z.uuid(),
  dueAt: Instant,
  executedAt: Instant,
  statusCode: z.number().int().nullable(),
  success: z.boolean(),
  durationMs: z.number().int(),
  message: z.string(),
})

const ScheduleParams = z.object({ scheduleId: PathId })
export const LOG_ROWS_MAX = 100

const COMMON_ERRORS = { 401: true, 403: true, 429: true, 500: true, 503: true } as const
const BODY_ERRORS = { 400: true, 413: true, 415: true } as const

export const LIST_SCHEDULES = defineOperation({
  method: 'GET',
  path: SCHEDULES_PATH,
  tag: 'schedules',
  summary: 'List all schedules',
  description: 'Newest first.',
  answers: { 200: z.object({ schedules: z.array(Schedule) }) },
  errors: COMMON_ERRORS,
  example: { answers: { 200: { schedules: [SCHEDULE_EXAMPLE] } } },
})

export const CREATE_SCHEDULE = defineOperation({
  method: 'POST',
  path: SCHEDULES_PATH,
  tag: 'schedules',
  summary: 'Create a schedule',
  description: `Calls functionUrl, or delivers an export, at each due time. There can be at most ${SCHEDULES_MAX} schedules.`,
  body: NewSchedule,
  answers: { 201: Schedule },
  errors: { ...COMMON_ERRORS, ...BODY_ERRORS, 404: 'SECRET_NOT_FOUND', 409: 'SCHEDULES_FULL' },
  example: {
    request: {
      name: 'Nightly sync',
      cronSchedule: '0 3 * * *',
      timezone: 'Europe/Berlin',
      functionUrl: 'https://functions.example.com/sync',
      headers: { authorization: 'Bearer ${' + '{secrets.SYNC_TOKEN}}' },
      body: { full: true },
    },
    answers: { 201: SCHEDULE_EXAMPLE },
  },
})

export const GET_SCHEDULE = defineOperation({
  method: 'GET',
  path: `${SCHEDULES_PATH}/:scheduleId`,
  tag: 'schedules',
  summary: 'Get a schedule',
  params: ScheduleParams,
  answers: { 200: Schedule },
  errors: { ...COMMON_ERRORS, 400: true, 404: 'SCHEDULE_NOT_FOUND' },
  example: { answers: { 200: SCHEDULE_EXAMPLE } },
})

export const UPDATE_SCHEDULE = defineOperation({
  method: 'PATCH',
  path: `${SCHEDULES_PATH}/:scheduleId`,
  tag: 'schedules',
  summary: 'Change, pause or resume a schedule',
  description: 'Fields that are left out keep their values.',
  params: ScheduleParams,
  body: ScheduleUpdate,
  answers: { 200: Schedule },
  errors: { ...COMMON_ERRORS, ...BODY_ERRORS, 404: 'SCHEDULE_NOT_FOUND' },
  example: { request: { isActive: false }, answers: { 200: { ...SCHEDULE_EXAMPLE, isActive: false, nextRun: null } } },
})

export const DELETE_SCHEDULE = defineOperation({
  method: 'DELETE',
  path: `${SCHEDULES_PATH}/:scheduleId`,
  tag: 'schedules',
  summary: 'Delete a schedule',
  params: ScheduleParams,
  answers: { 200: z.object({ success: z.literal(true), message: z.string() }) },
  errors: { ...COMMON_ERRORS, ...BODY_ERRORS, 404: 'SCHEDULE_NOT_FOUND' },
  example: { answers: { 200: { success: true, message: 'Schedule Nightly sync has been deleted successfully' } } },
})

export const RUN_SCHEDULE = defineOperation({
  method: 'POST',
  path: `${SCHEDULES_PATH}/:scheduleId/run`,
  tag: 'schedules',
  summary: 'Run a schedule now',
  description: 'The run has a due time of its own and begins within seconds, also while the schedule is paused. Its outcome is in the log.',
  params: ScheduleParams,
  answers: { 202: z.object({ id: z.string(), scheduleId: z.uuid(), dueAt: Instant }) },
  errors: { ...COMMON_ERRORS, ...BODY_ERRORS, 404: 'SCHEDULE_NOT_FOUND', 409: 'SCHEDULE_RUNS_WAITING' },
  example: { answers: { 202: { id: RUN_EXAMPLE.id, scheduleId: SCHEDULE_ID, dueAt: RUN_EXAMPLE.dueAt } } },
})

export const LIST_EXECUTIONS = defineOperation({
  method: 'GET',
  path: `${SCHEDULES_PATH}/:scheduleId/logs`,
  tag: 'schedules',
  summary: 'List the executions of a schedule',
  description: 'Newest first. Rows are kept for SCHEDULE_LOG_DAYS days.',
  params: ScheduleParams,
  query: z.strictObject({
    limit: z.coerce.number().int().min(1).max(LOG_ROWS_MAX).default(50),
    offset: z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER).default(0),
  }),
  answers: { 200: z.object({ logs: z.array(Execution), limit: z.number().int(), offset: z.number().int(), totalCount: z.number().int() }) },
  errors: { ...COMMON_ERRORS, 400: true, 404: 'SCHEDULE_NOT_FOUND' },
  example: { answers: { 200: { logs: [RUN_EXAMPLE], limit: 50, offset: 0, totalCount: 1 } } },
})
