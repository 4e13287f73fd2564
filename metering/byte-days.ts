import { addDecimals, type ExactDecimal } from './exact-decimal.ts'
import { isMetricName, METRIC_NAMES, METRICS, type MeasuredMetric, PEAK_METRICS } from './metrics.ts'

/**
 * The second value of a peak metric: the sum of its daily values, in bytes times days for a metric in bytes. Unlike a peak it adds up, over
 * the projects of a partner and over the parts of a period. Nothing is carried forward: a day without samples adds nothing, so the number of
 * days with samples belongs to it.
 */
export interface ByteDays {
  readonly metric: string
  /** The unit of the metric itself, such as "byte". */
  readonly unit: string
  readonly value: ExactDecimal
  readonly daysWithSamples: number
}

/** A metric's value on a day with samples. */
export interface DayOfMetric extends MeasuredMetric {
  readonly value: ExactDecimal
}

/**
 * Adds up the days of each peak metric; other metrics have their sum already. There must be one element for each day with samples. The
 * documented metrics come first, also those without samples, then the others by name.
 */
export function byteDaysOf(days: readonly DayOfMetric[]): ByteDays[] {
  const sums = new Map<string, ByteDays>(PEAK_METRICS.map((metric) => [metric, noSamples({ metric, unit: METRICS[metric].unit })]))
  for (const { metric, kind, unit, value } of days) {
    if (kind !== 'peak') continue
    const before = sums.get(metric) ?? noSamples({ metric, unit })
    sums.set(metric, { ...before, value: addDecimals(before.value, value), daysWithSamples: before.daysWithSamples + 1 })
  }
  return [...sums.values()].sort(byPlace)
}

/** The unit of such a sum: "byte-day". */
export function unitOfDays(unit: string): string {
  return `${unit}-day`
}

function noSamples({ metric, unit }: Pick<ByteDays, 'metric' | 'unit'>): ByteDays {
  return { metric, unit, value: '0', daysWithSamples: 0 }
}

function byPlace({ metric: one }: ByteDays, { metric: other }: ByteDays): number {
  if (isMetricName(one) && isMetricName(other)) return placeOf(one) - placeOf(other)
  return isMetricName(one) ? -1 : isMetricName(other) || one > other ? 1 : -1
}

const PLACES: readonly string[] = METRIC_NAMES

function placeOf(metric: string): number {
  return PLACES.indexOf(metric)
}
