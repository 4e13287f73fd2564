import { z } from 'zod'
import { GROUP_BY_PATTERN, LABEL_SETS_MAX, OTHER_LABEL } from '../metering/labels.ts'
import { METRIC_KINDS, METRICS, PEAK_METRICS } from '../metering/metrics.ts'
import { ByteDaysOfMetrics, EXAMPLE_BYTE_DAYS, GbBytesQuery } from './byte-days.ts'
import { choice } from './choice.ts'
import { dayUsage, IN_FEBRUARY, JANUARY, monthUsage, PARTNER_ID, PROJECT_ID, PROJECT_NAME } from './example-values.ts'
import {
  BillingFields,
  Day,
  dailyName,
  ExactNumber,
  Instant,
  OtherMetrics,
  PartnerParams,
  PartnerProjectParams,
  PeriodAnswer,
  PeriodQuery,
  partnershipName,
  projectSummaryName,
  quantitiesSchema,
  Status,
} from './fields.ts'
import { defineOperation } from './operation.ts'

export type PeakName = (typeof METRICS)[(typeof PEAK_METRICS)[number]]['partnershipName']

/** Under the names of a partnership's `summary`. */
export const PeakDays = z
  .object({
    ...(Object.fromEntries(PEAK_METRICS.map((metric) => [METRICS[metric].partnershipName, Day.nullable()])) as Record<PeakName, z.ZodNullable<typeof Day>>),
    metrics: z.record(z.string(), Day).optional().meta({ description: 'Of the peak metrics that operators have defined, by name: those with events.' }),
  })
  .meta({ description: 'The day on which each peak was reached, the earliest on ties; null without events.' })

const GroupByQuery = {
  group_by: z
    .string()
    .regex(GROUP_BY_PATTERN, 'must be the key of a label, or up to three with commas, such as model or model,region')
    .optional()
    .meta({ description: 'Keys of labels, with commas: adds `groups`, the usage of each set of these labels.', example: 'model' }),
}

export const Groups = z
  .array(
    z.object({
      metric: z.string(),
      kind: z.enum(METRIC_KINDS),
      unit: z.string(),
      adds_up: z.boolean().meta({ description: 'Whether the values add up to the total of the metric. Of a peak each one is a maximum of its own.' }),
      truncated: z.boolean().meta({
        description: `Whether there are more than ${LABEL_SETS_MAX} sets of labels. Then the last value is of all others, with the labels ${OTHER_LABEL}.`,
      }),
      values: z.array(
        z.object({
          labels: z.record(z.string(), z.string().nullable()).meta({ description: 'By key; null for usage without this label.' }),
          value: ExactNumber,
        }),
      ),
    }),
  )
  .optional()
  .meta({ description: 'With `group_by`: the metrics that have all these labels and usage. The greatest value is first.' })

const EXAMPLE_GROUPS = [
  {
    metric: 'ai_tokens',
    kind: 'cumulative' as const,
    unit: 'token',
    adds_up: true,
    truncated: false,
    values: [
      { labels: { model: 'large' }, value: 1200 },
      { labels: { model: null }, value: 300 },
    ],
  },
]

/** Source: partner API documentation, "Get Partnership Total Usage". */
export const GET_PARTNERSHIP_USAGE = defineOperation({
  method: 'GET',
  path: '/partnership/v1/:partnerId/usage',
  tag: 'usage',
  summary: 'Get the usage of the whole partnership',
  description: 'Deleted projects are included. A peak is the sum over the projects per day, then the maximum over the days.',
  params: PartnerParams,
  query: PeriodQuery.extend({
    include: choice(['daily', 'byte_days', 'daily,byte_days', 'byte_days,daily'], { shown: ['daily', 'byte_days'], note: ', or both with a comma' })
      .optional()
      .meta({ description: '`daily` adds `daily_usage` and `peak_days`. `byte_days` adds the sum of the days of each peak.' }),
    ...GbBytesQuery,
    ...GroupByQuery,
  }),
  answers: {
    200: z.object({
      partnership: z.object({ id: z.string(), name: z.string() }),
      period: PeriodAnswer,
      summary: quantitiesSchema(partnershipName),
      metrics: OtherMetrics,
      daily_usage: z.array(z.object({ usage_date: Day, ...quantitiesSchema(partnershipName).shape, metrics: OtherMetrics })).optional(),
      peak_days: PeakDays.optional(),
      byte_days: ByteDaysOfMetrics,
      groups: Groups,
      ...BillingFields,
    }),
  },
  errors: { 400: true, 401: true, 404: 'NOT_FOUND', 429: true, 500: true, 503: true },
  example: {
    answers: {
      200: {
        partnership: { id: PARTNER_ID, name: 'Acme Cloud' },
        period: JANUARY,
        summary: monthUsage(partnershipName),
        byte_days: EXAMPLE_BYTE_DAYS,
        groups: EXAMPLE_GROUPS,
        as_of: IN_FEBRUARY,
        billing_status: 'final',
      },
    },
  },
})

/** Source: partner API documentation, "Get Project Usage". */
export const GET_PROJECT_USAGE = defineOperation({
  method: 'GET',
  path: '/partnership/v1/:partnerId/:projectId/usage',
  tag: 'usage',
  summary: 'Get the usage of one project, per day',
  description: 'Deleted projects can be read too. `daily_usage` holds the days with at least one event.',
  params: PartnerProjectParams,
  query: PeriodQuery.extend({
    include: z.enum(['byte_days']).optional().meta({ description: '`byte_days` adds the sum of the days of each peak.' }),
    ...GbBytesQuery,
    ...GroupByQuery,
  }),
  answers: {
    200: z.object({
      project: z.object({ id: z.string(), name: z.string(), status: Status, last_activity_at: Instant.nullable() }),
      period: PeriodAnswer,
      summary: quantitiesSchema(projectSummaryName),
      metrics: OtherMetrics,
      daily_usage: z.array(z.object({ usage_date: Day, ...quantitiesSchema(dailyName).shape, metrics: OtherMetrics })),
      byte_days: ByteDaysOfMetrics,
      groups: Groups,
      ...BillingFields,
    }),
  },
  errors: { 400: true, 401: true, 404: 'PROJECT_NOT_FOUND', 429: true, 500: true, 503: true },
  example: {
    answers: {
      200: {
        project: { id: PROJECT_ID, name: PROJECT_NAME, status: 'active', last_activity_at: '2026-02-04T09:29:41.250Z' },
        period: JANUARY,
        summary: monthUsage(projectSummaryName),
        daily_usage: [{ usage_date: '2026-01-31', ...dayUsage(dailyName) }],
        as_of: IN_FEBRUARY,
        billing_status: 'provisional',
      },
    },
  },
})

/** The same answers for finance, which has no credential of a partner. */
export const GET_USAGE_OF_PARTNER = defineOperation({
  ...GET_PARTNERSHIP_USAGE,
  path: '/admin/v1/partners/:partnerId/usage',
  tag: 'admin',
  errors: { ...GET_PARTNERSHIP_USAGE.errors, 403: true, 404: 'PARTNER_NOT_FOUND' },
})

export const GET_USAGE_OF_PROJECT = defineOperation({
  ...GET_PROJECT_USAGE,
  path: '/admin/v1/projects/:projectId/usage',
  tag: 'admin',
  params: PartnerProjectParams.pick({ projectId: true }),
  errors: { ...GET_PROJECT_USAGE.errors, 403: true },
})
