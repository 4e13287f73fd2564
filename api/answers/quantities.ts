import { METRIC_NAMES, type MetricName } from '../../metering/metrics.ts'
import { NumberToken } from '../../metering/quantity.ts'

/** One exact number for each metric, under the names that `nameOf` gives. */
export function quantitiesAnswer<K extends string>(usage: Readonly<Record<MetricName, string>>, nameOf: (metric: MetricName) => K): Record<K, NumberToken> {
  return Object.fromEntries(METRIC_NAMES.map((metric) => [nameOf(metric), new NumberToken(usage[metric])])) as Record<K, NumberToken>
}
