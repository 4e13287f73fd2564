import type { PeakSummaryName } from '../../contract/partner-projects.ts'
import { METRIC_NAMES, METRICS, type MetricName, PEAK_METRICS, type PeakMetric } from '../../metering/metrics.ts'
import { NumberToken } from '../../metering/quantity.ts'

/** One exact number for each metric, under the names that `nameOf` gives. */
export function quantitiesAnswer<K extends string>(usage: Readonly<Record<MetricName, string>>, nameOf: (metric: MetricName) => K): Record<K, NumberToken> {
  return Object.fromEntries(METRIC_NAMES.map((metric) => [nameOf(metric), new NumberToken(usage[metric])])) as Record<K, NumberToken>
}

/** One exact number for each peak metric, under the names of a project's `summary`. */
export function peaksAnswer(usage: Readonly<Record<PeakMetric, string>>): Record<PeakSummaryName, NumberToken> {
  return Object.fromEntries(PEAK_METRICS.map((metric) => [METRICS[metric].projectSummaryName, new NumberToken(usage[metric])])) as Record<
    PeakSummaryName,
    NumberToken
  >
}
