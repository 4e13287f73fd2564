import { z } from 'zod'
import { METRIC_NAMES, METRICS, type MetricName } from '../../metering/metrics.ts'
import type { Quantity } from '../../metering/quantity.ts'

/** The quantity of every metric, of a day or of a period. */
export type UsageQuantities = Readonly<Record<MetricName, Quantity>>

/** What the store answers for one metric: both readings, of which its kind chooses one. */
export const MetricTotals = z.object({ metric: z.enum(METRIC_NAMES), peak: z.string(), total: z.string() })

/**
 * One quantity a metric. A metric without a row had no event in the span, so it is 0: the rows are the whole answer of a
 * query that succeeded. A query that failed throws, and never gets here.
 */
export function quantitiesOf(rows: readonly z.output<typeof MetricTotals>[]): UsageQuantities {
  const quantities = noUsage()
  for (const { metric, peak, total } of rows) quantities[metric] = METRICS[metric].kind === 'peak' ? peak : total
  return quantities
}

/** Every metric at 0, to be filled with what a query answered. */
export function noUsage(): Record<MetricName, Quantity> {
  return { ...NO_EVENTS }
}

const NO_EVENTS = Object.fromEntries(METRIC_NAMES.map((metric) => [metric, '0'])) as Record<MetricName, Quantity>
