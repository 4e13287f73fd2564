import { z } from 'zod'
import { METRIC_NAMES, METRICS, type MetricName } from '../../metering/metrics.ts'
import type { Quantity } from '../../metering/quantity.ts'

/** The quantity of every metric, of a day or of a period. */
export type UsageQuantities = Readonly<Record<MetricName, Quantity>>

/** What a query returns for one metric: the peak and the sum. The kind of the metric decides which of them is its quantity. */
export const MetricTotals = z.object({ metric: z.enum(METRIC_NAMES), peak: z.string(), total: z.string() })

/** One quantity per metric. The rows must be the complete result of a query, because a metric without a row counts as unused. */
export function quantitiesOf(rows: readonly z.output<typeof MetricTotals>[]): UsageQuantities {
  const quantities = noUsage()
  for (const { metric, peak, total } of rows) quantities[metric] = METRICS[metric].kind === 'peak' ? peak : total
  return quantities
}

/** Every metric at 0, to be filled from the complete result of a query. */
export function noUsage(): Record<MetricName, Quantity> {
  return { ...NO_EVENTS }
}

/**
 * The value of a line, or 0 when there is none. Only for a line of a complete result: then its absence says that nothing was used. A
 * query that fails throws and never gets here, so this is no default for money.
 */
export function valueOrNoUsage(line: { readonly value: Quantity } | undefined): Quantity {
  return line === undefined ? NO_USAGE : line.value
}

const NO_USAGE: Quantity = '0'
const NO_EVENTS = Object.fromEntries(METRIC_NAMES.map((metric) => [metric, NO_USAGE])) as Record<MetricName, Quantity>
