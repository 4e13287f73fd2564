import { compareDecimals, timesFraction } from '../../metering/exact-decimal.ts'
import { METRIC_NAMES, METRICS, type MeasuredMetric } from '../../metering/metrics.ts'
import { type Month, periodOfMonth } from '../../metering/month.ts'
import type { Quantity } from '../../metering/quantity.ts'
import { dayOf, MS_PER_DAY } from '../../metering/timestamp.ts'
import { combineDays } from './combine-days.ts'
import type { PartnershipUsage } from './partnership-usage.ts'
import { valueOfMetric } from './usage-quantities.ts'

/** What the usage of a month will be at its end, if it goes on like this. It is never billed. */
export interface Projection {
  readonly value: Quantity
  readonly method: 'mean_of_complete_days' | 'greatest_day' | 'last_value'
  /** The complete days of the month that it is computed from. */
  readonly fromDays: number
}

/**
 * Of a partner or a project, by metric: the documented ones, then those that operators have defined and that have events in the month. Null
 * before the first complete day of the month. A peak metric stays at its greatest day, and one of the kind `last` at its latest value, because
 * nothing says that it will grow. A metric that counts different texts has no projection: how many of them come again is not known. Any other
 * goes on with the mean of the complete days, and never ends below what is used already.
 */
export function projectMonth(
  { summary, others, days }: Pick<PartnershipUsage, 'summary' | 'others' | 'days'>,
  month: Month,
  asOfMs: number | null,
): ReadonlyMap<string, Projection | null> {
  const { first, last } = periodOfMonth(month)
  const incomplete = asOfMs === null ? first : dayOf(asOfMs)
  const fromDays = incomplete <= first ? 0 : incomplete > last ? daysBetween(first, last) + 1 : daysBetween(first, incomplete)
  const complete = combineDays(
    days.flatMap(({ day, usage, others: ofDay }) =>
      day < incomplete
        ? measuredIn(ofDay).map((each) => ({ day, ...each, value: valueOfMetric({ summary: usage, others: ofDay }, each.metric), events: 0 }))
        : [],
    ),
  )
  return new Map(
    measuredIn(others).map(({ metric, kind }): [string, Projection | null] => {
      if (fromDays === 0 || kind === 'unique') return [metric, null]
      const used = valueOfMetric({ summary, others }, metric)
      if (kind === 'peak') return [metric, { value: used, method: 'greatest_day', fromDays }]
      if (kind === 'last') return [metric, { value: used, method: 'last_value', fromDays }]
      const value = timesFraction(valueOfMetric(complete, metric), daysBetween(first, last) + 1, fromDays)
      return [metric, { value: compareDecimals(value, used) < 0 ? used : value, method: 'mean_of_complete_days', fromDays }]
    }),
  )
}

function measuredIn(others: PartnershipUsage['others']): MeasuredMetric[] {
  return [...METRIC_NAMES.map((metric) => ({ metric, ...METRICS[metric] })), ...[...others].map(([metric, { kind, unit }]) => ({ metric, kind, unit }))]
}

function daysBetween(from: string, to: string): number {
  return (Date.parse(`${to}T00:00:00Z`) - Date.parse(`${from}T00:00:00Z`)) / MS_PER_DAY
}
