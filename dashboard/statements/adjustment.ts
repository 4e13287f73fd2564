import { parseDecimal } from '../../metering/exact-decimal.ts'
import { type LoadedMetrics, metricNamed } from '../metrics/use-metrics.ts'

/** A manual line as the contract wants it. */
export interface Adjustment {
  readonly id: string
  readonly for_month: string
  readonly project_id: string | undefined
  readonly metric: string
  readonly value: string
  readonly reason: string
}

/** The fields as the contract wants them, or what is wrong with them. */
export function readAdjustment(fields: FormData, loaded: LoadedMetrics): Adjustment | string {
  const text = (name: string) => String(fields.get(name) ?? '').trim()
  // A minus sign as word processors write it.
  const value = text('value').replace('−', '-').replace(/^\+/, '')
  const metric = metricNamed(loaded, text('metric'))?.metric
  const parsed = parseDecimal(value)
  if (metric === undefined) return 'Choose a metric.'
  if (parsed === undefined) return `The value must be a decimal such as -12.5: digits and a point, at most 29 before it and 9 after it, no commas.`
  if (parsed === '0') return 'A value of 0 corrects nothing.'
  if (text('reason') === '') return 'Give a reason: the partner sees it on the statement.'
  return {
    id: text('id'),
    for_month: text('for_month'),
    project_id: text('project_id') === '' ? undefined : text('project_id'),
    metric,
    value,
    reason: text('reason'),
  }
}

const ID_BYTES = 8

/** randomUUID exists on https and localhost only. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(ID_BYTES))
  return `manual-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}`
}
