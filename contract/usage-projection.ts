import { z } from 'zod'
import { METRIC_NAMES, METRICS, type MetricName } from '../metering/metrics.ts'
import { IN_FEBRUARY, monthUsage, PARTNER_ID } from './example-values.ts'
import { BillingFields, ExactNumber, PartnerParams, partnershipName, quantitiesSchema } from './fields.ts'
import { defineOperation, type Operation } from './operation.ts'

const Projected = z
  .object({
    value: ExactNumber,
    method: z.enum(['mean_of_complete_days', 'greatest_day']),
    from_days: z.number().int().meta({ description: 'The complete days of the month that it is computed from.' }),
  })
  .nullable()

const ProjectionAnswer = z.object({
  partnership: z.object({ id: z.string(), name: z.string() }),
  month: z.string(),
  summary: quantitiesSchema(partnershipName).meta({ description: 'What is used so far.' }),
  projected: z
    .object(Object.fromEntries(METRIC_NAMES.map((metric) => [partnershipName(metric), Projected])) as Record<string, typeof Projected>)
    .meta({ description: 'What it will be at the end of the month, if usage goes on like this; null before the first complete day. It is never billed.' }),
  ...BillingFields,
})

const USED = monthUsage(partnershipName) as Record<string, number>
const projectedExample = (metric: MetricName) => {
  const used = USED[partnershipName(metric)] ?? 0
  if (METRICS[metric].kind === 'peak') return { value: used, method: 'greatest_day', from_days: 14 }
  return { value: used * 2, method: 'mean_of_complete_days', from_days: 14 }
}

const PROJECTION = {
  method: 'GET',
  tag: 'usage',
  summary: 'How much will be used by the end of the current month',
  params: PartnerParams,
  answers: { 200: ProjectionAnswer },
  example: {
    answers: {
      200: {
        partnership: { id: PARTNER_ID, name: 'Acme' },
        month: '2026-02',
        summary: USED,
        projected: Object.fromEntries(METRIC_NAMES.map((metric) => [partnershipName(metric), projectedExample(metric)])),
        as_of: IN_FEBRUARY,
        billing_status: 'provisional',
      },
    },
  },
} as const satisfies Partial<Operation>
const ERRORS_OF_READ = { 401: true, 429: true, 500: true, 503: true } as const

export const GET_OWN_PROJECTION = defineOperation({
  ...PROJECTION,
  path: '/partnership/v1/:partnerId/usage/projection',
  errors: { ...ERRORS_OF_READ, 404: 'NOT_FOUND' },
})
export const GET_PROJECTION_OF_PARTNER = defineOperation({
  ...PROJECTION,
  path: '/admin/v1/partners/:partnerId/usage/projection',
  errors: { ...ERRORS_OF_READ, 403: true, 404: 'PARTNER_NOT_FOUND' },
})
