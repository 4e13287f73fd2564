import type { z } from 'zod'
import type { OnPeakDays, PeakSummaryName } from '../../contract/partner-projects.ts'
import type { PeakDays, PeakName } from '../../contract/usage.ts'
import { isMetricName, METRICS, PEAK_METRICS } from '../../metering/metrics.ts'
import { NumberToken } from '../../metering/quantity.ts'

/** The day of each peak of a partnership: a documented one under the name of its `summary`, those that operators have defined under `metrics`. */
export function peakDaysAnswer(peakDays: ReadonlyMap<string, string | null>): z.input<typeof PeakDays> {
  const documented = Object.fromEntries(PEAK_METRICS.map((metric) => [METRICS[metric].partnershipName, peakDays.get(metric) ?? null])) as Record<
    PeakName,
    string | null
  >
  const defined = [...peakDays].flatMap(([metric, day]) => (isMetricName(metric) || day === null ? [] : [[metric, day] as const])).sort(byName)
  return { ...documented, ...(defined.length === 0 ? {} : { metrics: Object.fromEntries(defined) }) }
}

/** What a project contributed to each of these peaks: to a documented one under the name of a project's `summary`, to the others under `metrics`. */
export function onPeakDaysAnswer(values: ReadonlyMap<string, string>): z.input<typeof OnPeakDays> {
  const numbers = [...values].map(([metric, value]) => [metric, new NumberToken(value)] as const)
  const documented = Object.fromEntries(numbers.flatMap(([metric, value]) => (isMetricName(metric) ? [[METRICS[metric].projectSummaryName, value]] : [])))
  const defined = numbers.filter(([metric]) => !isMetricName(metric)).sort(byName)
  return { ...(documented as Record<PeakSummaryName, NumberToken>), ...(defined.length === 0 ? {} : { metrics: Object.fromEntries(defined) }) }
}

function byName([one]: readonly [string, unknown], [other]: readonly [string, unknown]): number {
  return one < other ? -1 : 1
}
