import type { PeakName } from '../../contract/usage.ts'
import { METRICS, PEAK_METRICS } from '../../metering/metrics.ts'

/** The day of each documented peak of a partnership, under the name that its `summary` gives to the metric. */
export function peakDaysAnswer(peakDays: ReadonlyMap<string, string | null>): Record<PeakName, string | null> {
  return Object.fromEntries(PEAK_METRICS.map((metric) => [METRICS[metric].partnershipName, peakDays.get(metric) ?? null])) as Record<PeakName, string | null>
}
