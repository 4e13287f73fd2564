import type { PeakName } from '../../contract/usage.ts'
import { METRICS, type MetricName } from '../../metering/metrics.ts'

/** The day of each peak of a partnership, under the name that its `summary` gives to the metric. */
export function peakDaysAnswer(peakDays: ReadonlyMap<MetricName, string | null>): Record<PeakName, string | null> {
  return Object.fromEntries([...peakDays].map(([metric, day]) => [METRICS[metric].partnershipName, day])) as Record<PeakName, string | null>
}
