import { z } from 'zod'
import { METRIC_NAMES, METRICS, type MetricName } from '../metering/metrics.ts'
import { IN_FEBRUARY, monthUsage, PARTNER_ID, PROJECT_ID, PROJECT_NAME } from './example-values.ts'
import {
  BillingFields,
  ExactNumber,
  OtherMetrics,
  PartnerParams,
  PartnerProjectParams,
  partnershipName,
  projectSummaryName,
  quantitiesSchema,
  Status,
} from './fields.ts'
import { defineOperation, type Operation } from './operation.ts'

const Projected = z
  .object({
    value: ExactNumber,
    method: z.enum(['mean_of_complete_days', 'greatest_day', 'last_value']),
    from_days: z.number().int().meta({ description: 'The complete days of the month that it is computed from.' }),
  })
  .nullable()

/** The usage so far and the projection beside it, each metric under the name that `nameOf` gives. */
function fieldsOfProjection<K extends string>(nameOf: (metric: MetricName) => K) {
  return {
    month: z.string(),
    summary: quantitiesSchema(nameOf).meta({ description: 'What is used so far.' }),
    metrics: OtherMetrics,
    projected: z
      .object({
        ...(Object.fromEntries(METRIC_NAMES.map((metric) => [nameOf(metric), Projected])) as Record<K, typeof Projected>),
        metrics: z.record(z.string(), Projected).optional().meta({ description: 'Of the metrics in `metrics`, by name. Left out without any.' }),
      })
      .meta({
        description:
          'What it will be at the end of the month, if usage goes on like this; null before the first complete day, and always for metrics of the kind `unique`. It is never billed.',
      }),
    ...BillingFields,
  }
}

function exampleOf<K extends string>(nameOf: (metric: MetricName) => K) {
  const used = monthUsage(nameOf) as Record<string, number>
  const projected = METRIC_NAMES.map((metric) => {
    const value = used[nameOf(metric)] ?? 0
    if (METRICS[metric].kind === 'peak') return [nameOf(metric), { value, method: 'greatest_day', from_days: 14 }]
    return [nameOf(metric), { value: value * 2, method: 'mean_of_complete_days', from_days: 14 }]
  })
  return { month: '2026-02', summary: used, projected: Object.fromEntries(projected), as_of: IN_FEBRUARY, billing_status: 'provisional' }
}

const PROJECTION = {
  method: 'GET',
  tag: 'usage',
  summary: 'How much will be used by the end of the current month',
} as const satisfies Partial<Operation>
const OF_PARTNER = {
  ...PROJECTION,
  params: PartnerParams,
  answers: { 200: z.object({ partnership: z.object({ id: z.string(), name: z.string() }), ...fieldsOfProjection(partnershipName) }) },
  example: { answers: { 200: { partnership: { id: PARTNER_ID, name: 'Acme' }, ...exampleOf(partnershipName) } } },
} as const satisfies Partial<Operation>
const OF_PROJECT = {
  ...PROJECTION,
  summary: 'How much a project will use by the end of the current month',
  answers: { 200: z.object({ project: z.object({ id: z.string(), name: z.string(), status: Status }), ...fieldsOfProjection(projectSummaryName) }) },
  example: { answers: { 200: { project: { id: PROJECT_ID, name: PROJECT_NAME, status: 'active' }, ...exampleOf(projectSummaryName) } } },
} as const satisfies Partial<Operation>
const ERRORS_OF_READ = { 401: true, 429: true, 500: true, 503: true } as const

export const GET_OWN_PROJECTION = defineOperation({
  ...OF_PARTNER,
  path: '/partnership/v1/:partnerId/usage/projection',
  errors: { ...ERRORS_OF_READ, 404: 'NOT_FOUND' },
})
export const GET_PROJECTION_OF_PARTNER = defineOperation({
  ...OF_PARTNER,
  path: '/admin/v1/partners/:partnerId/usage/projection',
  errors: { ...ERRORS_OF_READ, 403: true, 404: 'PARTNER_NOT_FOUND' },
})
export const GET_OWN_PROJECTION_OF_PROJECT = defineOperation({
  ...OF_PROJECT,
  path: '/partnership/v1/:partnerId/:projectId/usage/projection',
  params: PartnerProjectParams,
  errors: { ...ERRORS_OF_READ, 404: 'PROJECT_NOT_FOUND' },
})
export const GET_PROJECTION_OF_PROJECT = defineOperation({
  ...OF_PROJECT,
  path: '/admin/v1/projects/:projectId/usage/projection',
  params: PartnerProjectParams.pick({ projectId: true }),
  errors: { ...ERRORS_OF_READ, 403: true, 404: 'PROJECT_NOT_FOUND' },
})
