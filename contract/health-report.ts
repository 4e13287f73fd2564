import { z } from 'zod'
import { REJECT_REASONS } from '../metering/rejection-reasons.ts'
import { IN_FEBRUARY } from './example-values.ts'
import { Day, Instant } from './fields.ts'
import { defineOperation } from './operation.ts'
import { DISABLED_REASONS } from './webhook-events.ts'

/** The ranges of a report, and how long each of their intervals is. */
export const REPORT_RANGES = {
  '1h': { seconds: 3_600, intervalSeconds: 300 },
  '6h': { seconds: 21_600, intervalSeconds: 1_800 },
  '24h': { seconds: 86_400, intervalSeconds: 3_600 },
  '7d': { seconds: 604_800, intervalSeconds: 21_600 },
} as const
export type ReportRange = keyof typeof REPORT_RANGES
export const REPORT_RANGE_NAMES = Object.keys(REPORT_RANGES) as ReportRange[]

/** Events of earlier days than this are not looked for, so that a report does not read years of events. */
export const REPORT_DAYS_BACK = 62

/** A process closes due months for the first time after so many minutes. */
export const MONTHS_KNOWN_AFTER_MINUTES = 15

const Count = z.number().int()

const LogState = z.object({
  log: z.string(),
  owned: z.boolean().meta({ description: 'False when another process has the log now.' }),
  as_of: Instant,
  lag_events: Count,
  incident: z.string().nullable(),
  batch_in_flight_seconds: z.number(),
  open_transaction_seconds: z.number(),
  filter_complete: z.boolean(),
  filter_full: z.boolean(),
})

const Ingesting = z.object({ queued_events: Count, kafka_trouble: z.boolean(), logs: z.array(LogState) })

const Background = z.object({
  work: z.array(z.object({ name: z.string(), every_seconds: z.number(), runs: Count, failures: Count, last_success_at: Instant.nullable() })),
  audits: z
    .object({ differences: Count, last_day: Day.nullable(), complete_at: Instant.nullable() })
    .nullable()
    .meta({ description: 'Null before the first audit of this process. `complete_at`: when every finished day was last known to be audited.' }),
  months: z
    .object({ overdue: Count, unconfirmed: Count, negative_adjustments: Count, clock_disagreement: z.string().nullable() })
    .nullable()
    .meta({
      description: `Partners, by what holds up the closing of their due month. Null before the first run, ${MONTHS_KNOWN_AFTER_MINUTES} minutes after the start.`,
    }),
})

/** At most so many schedules and webhooks of a report have something to act on; the rest is counted only. */
export const REPORTED_PROBLEMS_MAX = 100

const ScheduleProblem = z.object({
  id: z.string(),
  name: z.string(),
  action: z.enum(['call', 'export']),
  overdue_since: Instant.nullable().meta({ description: 'The earliest due time of which no process has begun the run.' }),
  failed_at: Instant.nullable().meta({ description: 'When the last run failed; null if it did not.' }),
  message: z.string().nullable(),
})

const WebhookProblem = z.object({
  id: z.string(),
  set_by: z.string().nullable().meta({ description: 'The partner that created it; null for operators.' }),
  disabled_reason: z.enum(DISABLED_REASONS).nullable(),
  disabled_at: Instant.nullable(),
  failing_since: Instant.nullable(),
  pending: Count.meta({ description: 'Messages that wait to be delivered.' }),
  oldest_pending_at: Instant.nullable(),
})

const Automation = z.object({
  schedules: z
    .object({ total: Count, problems: z.array(ScheduleProblem) })
    .meta({ description: 'Problems: a due time that is overdue for 15 minutes, or a failed last run; failed exports first, then the oldest.' }),
  webhooks: z.object({ total: Count, problems: z.array(WebhookProblem) }).meta({
    description: 'Problems: failing, disabled after failures, or with messages that have waited for an hour; those of operators first, then the oldest.',
  }),
  thresholds: z.object({
    active: Count,
    evaluated_at: Instant.nullable().meta({ description: 'By this process; null if another process evaluates thresholds.' }),
  }),
  stopped_logs: z
    .array(z.object({ log: z.string(), incident: z.string(), since: Instant, message: z.string() }))
    .meta({ description: 'Logs that an incident has stopped, whichever process counts them, with the command that continues.' }),
})

const Activity = z.object({
  interval_seconds: Count,
  counted: z.array(z.object({ from: Instant, events: Count })).meta({
    description: `Events that were received, by interval, oldest first; those whose day is more than ${REPORT_DAYS_BACK} days back are left out.`,
  }),
  rejected: z.array(z.object({ reason: z.enum(REJECT_REASONS), events: Count })),
})

export const GET_HEALTH_REPORT = defineOperation({
  method: 'GET',
  path: '/admin/v1/health-report',
  tag: 'admin',
  summary: 'Get the state of the parts of the process that answers, of the database, and of the events of a range',
  description: '`meterline diagnose` draws its findings from it. What runs in other processes only is null here; `automation` is read from the database.',
  query: z.strictObject({ range: z.enum(REPORT_RANGE_NAMES).default('24h') }),
  answers: {
    200: z.object({
      process: z.object({ host: z.string(), pid: Count, part: z.string(), started_at: Instant, version: z.string() }),
      readiness: z.object({ ready: z.boolean(), reason: z.string().nullable(), warnings: z.array(z.string()) }),
      ingesting: Ingesting,
      background: Background.nullable(),
      automation: Automation,
      database: z.object({
        engine: z.enum(['embedded', 'server']),
        disks: z.array(z.object({ name: z.string(), free_bytes: Count, total_bytes: Count })),
        tables: z.array(z.object({ name: z.string(), rows: Count, bytes: Count, parts: Count })).meta({ description: 'The largest first.' }),
      }),
      range: z.enum(REPORT_RANGE_NAMES),
      activity: Activity,
    }),
  },
  errors: { 400: true, 401: true, 403: true, 429: true, 500: true, 503: true },
  example: {
    answers: {
      200: {
        process: { host: 'host-1', pid: 4711, part: 'all', started_at: '2026-02-04T08:00:00Z', version: '0.1.0' },
        readiness: { ready: true, reason: null, warnings: [] },
        ingesting: {
          queued_events: 0,
          kafka_trouble: false,
          logs: [
            {
              log: 'http',
              owned: true,
              as_of: IN_FEBRUARY,
              lag_events: 0,
              incident: null,
              batch_in_flight_seconds: 0,
              open_transaction_seconds: 0,
              filter_complete: true,
              filter_full: false,
            },
          ],
        },
        background: {
          work: [{ name: 'audits', every_seconds: 60, runs: 90, failures: 0, last_success_at: IN_FEBRUARY }],
          audits: { differences: 0, last_day: '2026-02-03', complete_at: IN_FEBRUARY },
          months: { overdue: 0, unconfirmed: 0, negative_adjustments: 0, clock_disagreement: null },
        },
        automation: {
          schedules: {
            total: 4,
            problems: [
              {
                ...{ id: 'sch_3f0c2b6e9d8a4c51b7e0', name: 'FOCUS of last month', action: 'export', overdue_since: null },
                ...{ failed_at: IN_FEBRUARY, message: 'Answered 403 after 1 attempt.' },
              },
            ],
          },
          webhooks: { total: 2, problems: [] },
          thresholds: { active: 12, evaluated_at: IN_FEBRUARY },
          stopped_logs: [],
        },
        database: {
          engine: 'embedded',
          disks: [{ name: 'default', free_bytes: 80_000_000_000, total_bytes: 100_000_000_000 }],
          tables: [{ name: 'raw_usage_events_v1', rows: 1_482_310, bytes: 61_000_000, parts: 12 }],
        },
        range: '1h',
        activity: { interval_seconds: 300, counted: [{ from: '2026-02-04T09:30:00Z', events: 1_204 }], rejected: [{ reason: 'unknown_metric', events: 3 }] },
      },
    },
  },
})
