import type { Period } from '../../metering/period.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { shareRuns } from '../../sql/read-by-key.ts'
import { type CombinedDays, combineDays } from './combine-days.ts'
import { type CachedCompleteness, type Completeness, readCompleteness } from './completeness.ts'
import { readPartnershipDays } from './partnership-days.ts'
import { readUnions } from './partnership-states.ts'
import type { OtherMetric, OtherMetrics } from './usage-quantities.ts'

export interface PartnershipUsage extends CombinedDays {
  readonly asOfMs: number | null
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
  usage: CombinedDays,
): Promise<CombinedDays> {
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
