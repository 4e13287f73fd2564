import { compareDecimals, timesFraction } from '../../metering/exact-decimal.ts'
import { METRIC_NAMES, METRICS, type MetricName } from '../../metering/metrics.ts'
import { type Month, periodOfMonth } from '../../metering/month.ts'
import type { Quantity } from '../../metering/quantity.ts'
import { dayOf, MS_PER_DAY } from '../../metering/timestamp.ts'
import { combineDays, type PartnershipUsage } from './partnership-usage.ts'

/** What the usage of a month will be at its end, if it goes on like this. It is never billed. */
export interface Projection {
  readonly value: Quantity
  readonly method: 'mean_of_complete_days' | 'greatest_day'
  /** The complete days of the month that it is computed from. */
  readonly fromDays: number
}

/**
 * Of a partner or a project, by documented metric; null before the first complete day of the month. A cumulative metric goes on with the mean of the complete days, and never
 * ends below what is used already; a peak metric stays at its greatest day, because nothing says that it will grow.
 */
export function projectMonth(
  { summary, days }: Pick<PartnershipUsage, 'summary' | 'days'>,
  month: Month,
  asOfMs: number | null,
): ReadonlyMap<MetricName, Projection | null> {
  const { first, last } = periodOfMonth(month)
  const incomplete = asOfMs === null ? first : dayOf(asOfMs)
  const fromDays = incomplete <= first ? 0 : incomplete > last ? daysBetween(first, last) + 1 : daysBetween(first, incomplete)
  const complete = combineDays(
    days.flatMap(({ day, usage }) =>
      day < incomplete ? METRIC_NAMES.map((metric) => ({ day, metric, ...METRICS[metric], value: usage[metric], events: 0 })) : [],
    ),
  ).summary
  return new Map(
    METRIC_NAMES.map((metric): [MetricName, Projection | null] => {
      if (fromDays === 0) return [metric, null]
      if (METRICS[metric].kind === 'peak') return [metric, { value: summary[metric], method: 'greatest_day', fromDays }]
      const value = timesFraction(complete[metric], daysBetween(first, last) + 1, fromDays)
      return [metric, { value: compareDecimals(value, summary[metric]) < 0 ? summary[metric] : value, method: 'mean_of_complete_days', fromDays }]
    }),
  )
}

function daysBetween(from: string, to: string): number {
  return (Date.parse(`${to}T00:00:00Z`) - Date.parse(`${from}T00:00:00Z`)) / MS_PER_DAY
}
