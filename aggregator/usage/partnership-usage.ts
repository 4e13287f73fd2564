import { addDecimals, compareDecimals } from '../../metering/exact-decimal.ts'
import { METRICS, type MetricName, PEAK_METRICS } from '../../metering/metrics.ts'
import type { Period } from '../../metering/period.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { type Completeness, readCompleteness } from './completeness.ts'
import { type PartnershipDay, readPartnershipDays } from './partnership-days.ts'
import { noUsage, type UsageQuantities } from './usage-quantities.ts'

export interface PartnershipUsage {
  readonly asOfMs: number | null
  readonly summary: UsageQuantities
  /** Days with at least one event, ascending. */
  readonly days: readonly { readonly day: string; readonly usage: UsageQuantities }[]
  /** Of each peak metric the day it was reached on, the earliest on ties; null without events. */
  readonly peakDays: ReadonlyMap<MetricName, string | null>
}

/**
 * The usage of all projects of a partner, deleted ones included. A peak is the sum over the projects per day, then the
 * maximum over the days; not the sum of each project's own maximum, which no day ever reached. Throws StoreError.
 */
export async function readPartnershipUsage(clickhouse: ClickHouse, partnerId: string, period: Period, known?: Completeness): Promise<PartnershipUsage> {
  const horizon = known ?? (await readCompleteness(clickhouse))
  return { asOfMs: horizon.asOfMs, ...combineDays(await readPartnershipDays(clickhouse, partnerId, period, horizon)) }
}

/** How days make a period. They come in ascending order. */
export function combineDays(rows: readonly PartnershipDay[]): Omit<PartnershipUsage, 'asOfMs'> {
  const summary = noUsage()
  const days = new Map<string, ReturnType<typeof noUsage>>()
  const peakDays = new Map<MetricName, string | null>(PEAK_METRICS.map((metric) => [metric, null]))
  for (const { day, metric, value } of rows) {
    const usage = days.get(day) ?? noUsage()
    usage[metric] = value
    days.set(day, usage)
    if (METRICS[metric].kind === 'cumulative') summary[metric] = addDecimals(summary[metric], value)
    else if (peakDays.get(metric) === null || compareDecimals(value, summary[metric]) > 0) {
      summary[metric] = value
      peakDays.set(metric, day)
    }
  }
  return { summary, peakDays, days: [...days].map(([day, usage]) => ({ day, usage })) }
}
