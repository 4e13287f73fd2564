import { type ByteDays, byteDaysOf } from '../../metering/byte-days.ts'
import { addDecimals } from '../../metering/exact-decimal.ts'
import { isMetricName, PEAK_METRICS } from '../../metering/metrics.ts'
import type { Period } from '../../metering/period.ts'
import type { Quantity } from '../../metering/quantity.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { shareRuns } from '../../sql/read-by-key.ts'
import { type CachedCompleteness, type Completeness, readCompleteness } from './completeness.ts'
import { type PartnershipDay, readPartnershipDays } from './partnership-days.ts'
import { readUnions } from './partnership-states.ts'
import { isNewPeak } from './peak-day.ts'
import { inOrder, noUsage, type OtherMetric, type OtherMetrics, type UsageOfMetrics, type UsageQuantities, valueOrNoUsage } from './usage-quantities.ts'

export interface PartnershipUsage {
  readonly asOfMs: number | null
  readonly summary: UsageQuantities
  readonly others: OtherMetrics
  /** Days with at least one event, ascending. */
  readonly days: readonly (UsageOfMetrics & { readonly day: string })[]
  /** The day on which each peak metric reached its peak, the earliest on ties; null for a documented one without events. */
  readonly peakDays: ReadonlyMap<string, string | null>
  readonly byteDays: readonly ByteDays[]
}

/**
 * The usage of all projects of a partner, deleted ones included. A partnership's peak sums the projects per day first and then takes the
 * greatest day. It is not the sum of each project's own maximum, which may not have been reached on any day. Throws StoreError.
 */
export async function readPartnershipUsage(clickhouse: ClickHouse, partnerId: string, period: Period, known?: Completeness): Promise<PartnershipUsage> {
  const completeness = known ?? (await readCompleteness(clickhouse))
  const usage = combineDays(await readPartnershipDays(clickhouse, partnerId, period, { completeness }))
  return { asOfMs: completeness.asOfMs, ...(await withUnions(clickhouse, { partnerId, from: period.first, end: period.end }, usage)) }
}

/** The same for callers that wait: those of the same partner and period share a run, which begins after they called. Throws StoreError. */
export function readPartnershipUsageTogether(
  clickhouse: ClickHouse,
  partnerId: string,
  period: Period,
  completeness: Pick<CachedCompleteness, 'read'>,
): Promise<PartnershipUsage> {
  return shareRuns(clickhouse.reads, readPartnershipUsageTogether, { partnerId, period }, async () =>
    readPartnershipUsage(clickhouse, partnerId, period, await completeness.read()),
  )
}

/** Adds the numbers of different texts over all projects, if there is a metric that counts them. */
async function withUnions(
  { reads }: ClickHouse,
  span: { readonly partnerId: string; readonly from: string; readonly end: string },
  usage: Omit<PartnershipUsage, 'asOfMs'>,
): Promise<Omit<PartnershipUsage, 'asOfMs'>> {
  if (![...usage.others.values()].some(({ kind }) => kind === 'unique')) return usage
  const unionOf = await readUnions(reads, span)
  const extend = (others: OtherMetrics, day?: string) =>
    new Map(
      [...others].map(([metric, other]): [string, OtherMetric] => {
        const union = other.kind === 'unique' ? unionOf(metric, day) : undefined
        return [metric, union === undefined ? other : { ...other, union }]
      }),
    )
  return { ...usage, others: extend(usage.others), days: usage.days.map((each) => ({ ...each, others: extend(each.others, each.day) })) }
}

/**
 * Combines a partner's days, in ascending order, into totals of the period: the greatest day of a peak metric, the sum of any other. Days of the
 * kinds `last` and `unique` add up by what each of them adds.
 */
export function combineDays(rows: readonly PartnershipDay[]): Omit<PartnershipUsage, 'asOfMs'> {
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
