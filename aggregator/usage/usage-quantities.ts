import { z } from 'zod'
import { isMetricName, METRIC_NAMES, type MeasuredMetric, type MetricKind, type MetricName } from '../../metering/metrics.ts'
import type { Quantity } from '../../metering/quantity.ts'

/** The quantity of every documented metric, of a day or of a period. */
export type UsageQuantities = Readonly<Record<MetricName, Quantity>>

/** The usage of a metric that operators have defined. */
export interface OtherMetric {
  readonly kind: MetricKind
  readonly unit: string
  readonly value: Quantity
  /** Of a partner in a metric of the kind `unique`: the number of different texts over all its projects. `value` is the sum of its projects. */
  readonly union?: Quantity
}

/** The usage of the metrics that operators have defined, of a day or of a period, by name. Those without events are left out. */
export type OtherMetrics = ReadonlyMap<string, OtherMetric>

/** The usage of all metrics, of a day or of a period. */
export interface UsageOfMetrics {
  readonly usage: UsageQuantities
  readonly others: OtherMetrics
}

/** What a query returns for one metric: the peak and the sum. The kind of the metric decides which of them is its quantity. */
export const MetricTotals = z.object({ metric: z.string(), peak: z.string(), total: z.string() })

/**
 * One quantity per documented metric, and those of the others that have rows. The rows must be the complete result of a query, because a
 * metric without a row counts as unused.
 */
export function quantitiesOf(rows: readonly (z.output<typeof MetricTotals> & MeasuredMetric)[]): UsageOfMetrics {
  const usage = noUsage()
  const others = new Map<string, OtherMetric>()
  for (const { metric, kind, unit, peak, total } of rows) {
    const value = kind === 'peak' ? peak : total
    if (isMetricName(metric)) usage[metric] = value
    else others.set(metric, { kind, unit, value })
  }
  return { usage, others: inOrder(others) }
}

/** By name, so that equal usage is an equal answer. */
export function inOrder(others: OtherMetrics): OtherMetrics {
  return others.size === 0 ? others : new Map([...others].sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** Every metric at 0, to be filled from the complete result of a query. */
export function noUsage(): Record<MetricName, Quantity> {
  return { ...NO_EVENTS }
}

/** The value of any metric in a summary; 0 for one without usage. */
export function valueOfMetric({ summary, others }: { readonly summary: UsageQuantities; readonly others: OtherMetrics }, metric: string): Quantity {
  return isMetricName(metric) ? summary[metric] : valueOrNoUsage(others.get(metric))
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
