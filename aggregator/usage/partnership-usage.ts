import { addDecimals } from '../../metering/exact-decimal.ts'
import { METRICS, type MetricName, PEAK_METRICS } from '../../metering/metrics.ts'
import type { Period } from '../../metering/period.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { type Completeness, readCompleteness } from './completeness.ts'
import { type PartnershipDay, readPartnershipDays } from './partnership-days.ts'
import { isNewPeak } from './peak-day.ts'
import { noUsage, type UsageQuantities } from './usage-quantities.ts'

export interface PartnershipUsage {
  readonly asOfMs: number | null
  readonly summary: UsageQuantities
  /** Days with at least one event, ascending. */
  readonly days: readonly { readonly day: string; readonly usage: UsageQuantities }[]
  /** The day on which each peak metric reached its peak, the earliest on ties; null without events. */
  readonly peakDays: ReadonlyMap<MetricName, string | null>
}

/**
 * The usage of all projects of a partner, deleted ones included. A partnership's peak sums the projects per day first and then takes the
 * greatest day. It is not the sum of each project's own maximum, which may not have been reached on any day. Throws StoreError.
 */
export async function readPartnershipUsage(clickhouse: ClickHouse, partnerId: string, period: Period, known?: Completeness): Promise<PartnershipUsage> {
  const completeness = known ?? (await readCompleteness(clickhouse))
  return { asOfMs: completeness.asOfMs, ...combineDays(await readPartnershipDays(clickhouse, partnerId, period, completeness)) }
}

/** Combines a partner's days, in ascending order, into totals of the period: the greatest day of a peak metric, the sum of any other. */
export function combineDays(rows: readonly PartnershipDay[]): Omit<PartnershipUsage, 'asOfMs'> {
  const summary = noUsage()
  const days = new Map<string, ReturnType<typeof noUsage>>()
  const peakDays = new Map<MetricName, string | null>(PEAK_METRICS.map((metric) => [metric, null]))
  for (const { day, metric, value } of rows) {
    const usage = days.get(day) ?? noUsage()
    usage[metric] = value
    days.set(day, usage)
    if (METRICS[metric].kind === 'cumulative') summary[metric] = addDecimals(summary[metric], value)
    else if (peakDays.get(metric) === null || isNewPeak(value, summary[metric])) {
      summary[metric] = value
      peakDays.set(metric, day)
    }
  }
  return { summary, peakDays, days: [...days].map(([day, usage]) => ({ day, usage })) }
}
