import { z } from 'zod'
import { isPlainText } from '../metering/event.ts'
import { parseDecimal } from '../metering/exact-decimal.ts'
import { METRIC_KINDS } from '../metering/metrics.ts'
import { ByteDaysOfMetrics, GbBytesQuery } from './byte-days.ts'
import { PROJECT_ID, PROJECT_NAME, STATEMENT_SHA256 } from './example-values.ts'
import { Day, ExactNumber, Instant, MonthParam, MonthText, PartnerParams, Status } from './fields.ts'
import { MetricNameField } from './metrics.ts'
import { defineOperation } from './operation.ts'

const REASON_CHARACTERS_MAX = 500

const MonthParams = PartnerParams.extend({ month: MonthParam })

const StatementHead = z.object({
  month: z.string(),
  status: z.enum(['open', 'closed']),
  closed_at: Instant.nullable(),
  as_of: Instant.nullable(),
  sha256: z.string().nullable().meta({ description: 'The hash of the NDJSON export of the closed statement.' }),
})

const Total = z.object({
  metric: z.string(),
  kind: z.enum(METRIC_KINDS),
  unit: z.string(),
  value: ExactNumber,
  peak_day: Day.nullable(),
  unbilled: ExactNumber.optional().meta({ description: 'Metered so far and not on any statement yet. The only part of a closed statement that changes.' }),
})

/** No enum: a closed statement keeps a metric that was taken out of the catalogue since. */
const BilledMetric = z.string()

const ProjectLine = z.object({
  project_id: z.string(),
  name: z.string(),
  status: Status,
  deleted_at: Instant.nullable(),
  metric: BilledMetric,
  value: ExactNumber.meta({ description: 'For a peak: the value on the peak day of the partner. The lines of a metric add up to its total.' }),
  own_max: ExactNumber.nullable(),
  own_max_day: Day.nullable(),
  events: z.number().int(),
  byte_days: ExactNumber.nullable().optional().meta({ description: 'With `include=byte_days`: the sum of the project’s days; null if the metric is no peak.' }),
  days_with_samples: z.number().int().nullable().optional(),
})

const AdjustmentLine = z.object({
  for_month: z.string(),
  project_id: z.string().nullable(),
  metric: BilledMetric,
  kind: z.enum(['adjustment', 'manual']),
  value: ExactNumber,
  reason: z.string().nullable(),
  byte_days: ExactNumber.nullable().optional().meta({
    description:
      'With `include=byte_days`: by how much the byte-days of the month are corrected; null on a manual line, and if the metric is no peak. A month of which only the byte-days changed has a line with the value 0.',
  }),
})

const Statement = z.object({
  statement: StatementHead,
  totals: z.array(Total),
  projects: z.array(ProjectLine),
  adjustments: z.array(AdjustmentLine),
  byte_days: ByteDaysOfMetrics,
})

const StatementQuery = z.strictObject({
  include: z.enum(['byte_days']).optional().meta({
    description:
      '`byte_days` adds the sum of the days of each peak, of the partner, of each line and of each correction. Closed: of the recount that was billed, or 409 `BYTE_DAYS_UNKNOWN` if an earlier version did not keep it.',
  }),
  ...GbBytesQuery,
})

const Statements = z.object({ statements: z.array(z.object({ statement: StatementHead, totals: z.array(Total) })) })

const ManualAdjustment = z.strictObject({
  id: z
    .string()
    .regex(/^[A-Za-z0-9_.:-]{1,64}$/, 'must be 1 to 64 of the characters A-Z a-z 0-9 _ . : -')
    .optional()
    .meta({ description: 'An id of your choice. Sending the same adjustment again with the same id adds nothing.' }),
  for_month: MonthText.meta({ description: 'The month that it corrects.' }),
  project_id: z.string().optional(),
  metric: MetricNameField,
  value: z
    .string()
    .refine((text) => (parseDecimal(text) ?? '0') !== '0', 'must be a decimal other than 0 as text, such as "-12.5": at most 29 integer and 9 fraction digits')
    .meta({ description: 'With its sign, as text so that no digit is lost.' }),
  reason: z.string().trim().min(1).max(REASON_CHARACTERS_MAX).refine(isPlainText, 'must not contain control characters'),
})

const HEAD = { month: '2026-01', status: 'closed', closed_at: '2026-02-04T00:00:11.402Z', as_of: '2026-02-04T00:00:00Z', sha256: STATEMENT_SHA256 }
const TOTALS = [
  { metric: 'database_size_bytes', kind: 'peak', unit: 'byte', value: 5368709120, peak_day: '2026-01-29', unbilled: 0 },
  { metric: 'ai_tokens', kind: 'cumulative', unit: 'token', value: 1845200, peak_day: null, unbilled: 1500 },
]
const LINE = { project_id: PROJECT_ID, name: PROJECT_NAME, status: 'active', deleted_at: null }
const STATEMENT = {
  statement: HEAD,
  totals: TOTALS,
  projects: [
    { ...LINE, metric: 'database_size_bytes', value: 5368709120, own_max: 5368709120, own_max_day: '2026-01-29', events: 744 },
    { ...LINE, metric: 'ai_tokens', value: 1845200, own_max: null, own_max_day: null, events: 30412 },
  ],
  adjustments: [{ for_month: '2025-12', project_id: PROJECT_ID, metric: 'ai_tokens', kind: 'adjustment', value: 2500, reason: null }],
}
const AS_CLOSED = { ...STATEMENT, totals: TOTALS.map(({ unbilled: _, ...total }) => total) }
const STATEMENTS = { statements: [{ statement: HEAD, totals: TOTALS }] }

export const LIST_OWN_STATEMENTS = defineOperation({
  method: 'GET',
  path: '/partnership/v1/:partnerId/statements',
  tag: 'statements',
  summary: 'List all statements, from the first billed month to the current one',
  params: PartnerParams,
  answers: { 200: Statements },
  errors: { 400: true, 401: true, 404: 'NOT_FOUND', 429: true, 500: true, 503: true },
  example: { answers: { 200: STATEMENTS } },
})

export const GET_OWN_STATEMENT = defineOperation({
  method: 'GET',
  path: '/partnership/v1/:partnerId/statements/:month',
  tag: 'statements',
  summary: 'Get the statement of a month',
  description:
    'Open: usage as metered so far. Closed: never changes, except for `unbilled`, which is what arrived since and is corrected on the next statement to be closed.',
  params: MonthParams,
  query: StatementQuery,
  answers: { 200: Statement },
  errors: { 400: true, 401: true, 404: 'STATEMENT_NOT_FOUND', 409: 'BYTE_DAYS_UNKNOWN', 429: true, 500: true, 503: true },
  example: { answers: { 200: STATEMENT } },
})

export const CLOSE_MONTH = defineOperation({
  method: 'POST',
  path: '/admin/v1/statements/:partnerId/:month/close',
  tag: 'statements',
  summary: 'Close a month of a partner',
  description:
    'A month can be closed once it has ended, all earlier months are closed, usage is complete past its end, and the audit finds no differences. Closing it again returns the same bytes.',
  params: MonthParams,
  body: z.strictObject({}).nullish(),
  answers: { 200: Statement },
  errors: {
    ...{ 400: true, 401: true, 403: true, 404: 'STATEMENT_NOT_FOUND', 409: 'MONTH_NOT_OVER' },
    ...{ 413: true, 415: true, 429: true, 500: true, 503: true },
  },
  example: { request: {}, answers: { 200: AS_CLOSED } },
})

export const LIST_STATEMENTS = defineOperation({
  method: 'GET',
  path: '/admin/v1/statements/:partnerId',
  tag: 'statements',
  summary: 'List all statements of a partner',
  params: PartnerParams,
  answers: { 200: Statements },
  errors: { 400: true, 401: true, 403: true, 404: 'PARTNER_NOT_FOUND', 429: true, 500: true, 503: true },
  example: { answers: { 200: STATEMENTS } },
})

export const GET_STATEMENT = defineOperation({
  method: 'GET',
  path: '/admin/v1/statements/:partnerId/:month',
  tag: 'statements',
  summary: 'Get the statement of a month of a partner',
  params: MonthParams,
  query: StatementQuery,
  answers: { 200: Statement },
  errors: { 400: true, 401: true, 403: true, 404: 'STATEMENT_NOT_FOUND', 409: 'BYTE_DAYS_UNKNOWN', 429: true, 500: true, 503: true },
  example: { answers: { 200: STATEMENT } },
})

export const ADD_ADJUSTMENT = defineOperation({
  method: 'POST',
  path: '/admin/v1/statements/:partnerId/adjustments',
  tag: 'statements',
  summary: 'Add a manual adjustment to the next statement',
  description: 'A wrong event cannot be removed, but its effect on the bill can be corrected. Usage does not change.',
  params: PartnerParams,
  body: ManualAdjustment,
  answers: {
    201: z.object({
      id: z.string(),
      statement: z.string().meta({
        description:
          'The month whose statement has the line: the month that is closed next, or, for an adjustment sent before, the month in which it was billed.',
      }),
    }),
  },
  errors: {
    ...{ 400: true, 401: true, 403: true, 404: 'PROJECT_NOT_FOUND', 409: 'MANUAL_LINE_EXISTS' },
    ...{ 413: true, 415: true, 429: true, 500: true, 503: true },
  },
  example: {
    request: {
      id: 'ticket-4711',
      for_month: '2026-01',
      project_id: PROJECT_ID,
      metric: 'ai_tokens',
      value: '-1500',
      reason: 'Sent twice with two ids, ticket 4711',
    },
    answers: { 201: { id: 'ticket-4711', statement: '2026-02' } },
  },
})
