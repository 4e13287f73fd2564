import { type ByteDays, byteDaysOf } from '../../metering/byte-days.ts'
import { addDecimals } from '../../metering/exact-decimal.ts'
import { isMetricName, type MeasuredMetric, PEAK_METRICS } from '../../metering/metrics.ts'
import type { Quantity } from '../../metering/quantity.ts'
import { isNewPeak } from './peak-day.ts'
import { inOrder, noUsage, type OtherMetric, type OtherMetrics, type UsageOfMetrics, type UsageQuantities, valueOrNoUsage } from './usage-quantities.ts'

/** A day of a project or of a partner in one metric. */
export interface UsageDay extends MeasuredMetric {
  /** YYYY-MM-DD. */
  readonly day: string
  readonly value: Quantity
  /** Of the kinds `last` and `unique`: by how much the day changes the value of the period, or of its month (state-values.ts). */
  readonly added?: Quantity
}

export interface CombinedDays {
  /** The greatest day of a peak metric, the value of the period of the kinds `last` and `unique`, the sum of the days of any other. */
  readonly summary: UsageQuantities
  readonly others: OtherMetrics
  /** Days with at least one event that counts, ascending. */
  readonly days: readonly (UsageOfMetrics & { readonly day: string })[]
  /** The day on which each peak metric reached its peak, the earliest on ties; null for a documented one without events. */
  readonly peakDays: ReadonlyMap<string, string | null>
  readonly byteDays: readonly ByteDays[]
}

/**
 * Combines days, in ascending order, into totals of the period. The rows must be the complete result of a query, because a metric without a row
 * counts as unused. Days of the kinds `last` and `unique` add up by what each of them adds.
 */
export function combineDays(rows: readonly UsageDay[]): CombinedDays {
  const summary = noUsage()
  const others = new Map<string, OtherMetric>()
  const days = new Map<string, { usage: ReturnType<typeof noUsage>; others: Map<string, OtherMetric> }>()
  const peakDays = new Map<string, string | null>(PEAK_METRICS.map((metric) => [metric, null]))
  for (const { day, metric, kind, unit, value, added = value } of rows) {
    const ofDay = days.get(day) ?? { usage: noUsage(), others: new Map<string, OtherMetric>() }
    days.set(day, ofDay)
    if (isMetricName(metric)) ofDay.usage[metric] = value
    else ofDay.others.set(metric, { kind, unit, value })
    const before = isMetricName(metric) ? summary[metric] : valueOrNoUsage(others.get(metric))
    const total = kind === 'peak' ? greatest({ metric, day, value, before }, peakDays) : addDecimals(before, added)
    if (isMetricName(metric)) summary[metric] = total
    else others.set(metric, { kind, unit, value: total })
  }
  return {
    summary,
    others: inOrder(others),
    peakDays,
    byteDays: byteDaysOf(rows),
    days: [...days].map(([day, ofDay]) => ({ day, usage: ofDay.usage, others: inOrder(ofDay.others) })),
  }
}

/** The greater of the value of a day and that of the days before it. A new peak has its day noted. */
function greatest(
  { metric, day, value, before }: { readonly metric: string; readonly day: string; readonly value: Quantity; readonly before: Quantity },
  peakDays: Map<string, string | null>,
): Quantity {
  if ((peakDays.get(metric) ?? null) !== null && !isNewPeak(value, before)) return before
  peakDays.set(metric, day)
  return value
}
