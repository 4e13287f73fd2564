import { z } from 'zod'
import { addDecimals, type ExactDecimal, subtractDecimals } from '../../metering/exact-decimal.ts'
import { isMetricName, METRIC_NAMES, METRICS, type MeasuredMetric } from '../../metering/metrics.ts'
import { type Month, monthOf } from '../../metering/month.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { combineDays } from '../usage/combine-days.ts'
import type { PartnershipDay } from '../usage/partnership-days.ts'
import { type OtherMetrics, valueOrNoUsage } from '../usage/usage-quantities.ts'
import type { StatementHeader } from './headers.ts'

/** A partner's month in one metric. */
export interface MonthTotal extends MeasuredMetric {
  /** For a closed month, as its statement bills it; for an open month, as metered so far. */
  readonly value: ExactDecimal
  /** For a peak metric, the day on which the peak was reached; null without usage. */
  readonly peakDay: string | null
  /** What is metered by now and on no statement yet. It is below 0 only after corrections, or after a fault was repaired. */
  readonly unbilled: ExactDecimal
}

/** The totals of an open month: all of it is unbilled. */
export function totalsOfOpenMonth(days: readonly PartnershipDay[], month: Month): MonthTotal[] {
  const { summary, others, peakDays } = combineDays(days.filter(({ day }) => monthOf(day) === month))
  const documented = METRIC_NAMES.map((metric) => ({ metric, kind: METRICS[metric].kind, unit: METRICS[metric].unit, value: summary[metric] }))
  const defined = [...others].map(([metric, other]) => ({ metric, ...other }))
  return [...documented, ...defined].map((total) => ({ ...total, peakDay: peakDays.get(total.metric) ?? null, unbilled: total.value }))
}

/**
 * The totals of a closed month: value and peak day as they were billed, `unbilled` by what is metered now. `known`: the metrics of `billed`
 * that are in the catalogue.
 */
export function totalsOfClosedMonth(
  days: readonly PartnershipDay[],
  header: StatementHeader,
  billed: readonly BilledTotal[],
  known: readonly MeasuredMetric[],
): MonthTotal[] {
  const { summary, others } = combineDays(days.filter(({ day }) => monthOf(day) === header.month))
  const ofThisMonth = billed.filter(({ forMonth }) => forMonth === header.month)
  const billedAndKnown = known.filter(({ metric }) => ofThisMonth.some((each) => each.metric === metric))
  const totals = [...header.metrics, ...addedSince(header, others, billedAndKnown)].map(({ metric, kind, unit }) => {
    const ofMetric = ofThisMonth.filter((each) => each.metric === metric)
    const usage = ofMetric.find((each) => each.closing === header.closing && each.line === 'usage')
    const sum = ofMetric.filter(({ line }) => line !== 'manual').reduce((total, each) => addDecimals(total, each.value), '0')
    // A metric that is not in the catalogue is not metered: what was billed of it stays billed, and nothing is added.
    const withoutUsage = known.some((each) => each.metric === metric) ? '0' : sum
    const metered = isMetricName(metric) ? summary[metric] : (others.get(metric)?.value ?? withoutUsage)
    return { metric, kind, unit, value: valueOrNoUsage(usage), peakDay: usage?.peakDay ?? null, unbilled: subtractDecimals(metered, sum) }
  })
  // The metrics of the header are part of the statement, whatever they amount to. Others appear while something of them is unbilled.
  return totals.filter(({ metric, unbilled }) => unbilled !== '0' || isInStatement(header, metric))
}

export function isInStatement({ metrics }: StatementHeader, metric: string): boolean {
  return metrics.some((each) => each.metric === metric)
}

/** Metrics of which the month had no usage when it was closed: those that have some now, and those that were billed by an adjustment. */
function addedSince({ metrics }: StatementHeader, others: OtherMetrics, billed: readonly MeasuredMetric[]): MeasuredMetric[] {
  const since = new Map<string, MeasuredMetric>()
  for (const { metric, kind, unit } of billed) since.set(metric, { metric, kind, unit })
  for (const [metric, { kind, unit }] of others) since.set(metric, { metric, kind, unit })
  for (const { metric } of metrics) since.delete(metric)
  return [...since.values()]
}

const BilledTotalRow = z.object({
  closing: z.string(),
  line: z.enum(['usage', 'adjustment', 'manual']),
  forMonth: z.string(),
  metric: z.string(),
  value: z.string(),
  peakDay: z.string().nullable(),
})
export type BilledTotal = z.output<typeof BilledTotalRow>

/**
 * What statements bill, by statement, kind of line, month and metric: everything on the statements of these closings, or only what they
 * bill for one month. A metric without usage has no line. Throws StoreError.
 */
export async function readBilledTotals(
  { reads }: ClickHouse,
  partnerId: string,
  closings: readonly string[],
  forMonth: Month | '' = '',
): Promise<BilledTotal[]> {
  return closings.length === 0 ? [] : reads.query(billedTotals, { partnerId, closings: [...closings], forMonth })
}

const billedTotals = defineQuery({
  name: 'billed_totals',
  sql: `SELECT closing, line, for_month AS forMonth, metric, sum(value) AS value, max(peak_day) AS peakDay FROM statement_lines_v1
        WHERE partner_id = {partnerId: String} AND closing IN {closings: Array(String)} AND {forMonth: String} IN ('', for_month)
        GROUP BY closing, line, for_month, metric`,
  params: z.object({ partnerId: z.string(), closings: z.array(z.string()), forMonth: z.string() }),
  row: BilledTotalRow,
})
