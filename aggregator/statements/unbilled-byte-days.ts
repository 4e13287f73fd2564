import { z } from 'zod'
import { subtractDecimals } from '../../metering/exact-decimal.ts'
import type { Month } from '../../metering/month.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { PEAK_METRIC } from '../usage/known-metrics.ts'
import { valueOrNoUsage } from '../usage/usage-quantities.ts'
import { findUnbilledMonths, readRecords } from './billed-records.ts'
import { isMissing, type MissingRecount } from './byte-day-corrections.ts'
import type { Statement } from './read-statements.ts'

/** What is metered of a closed month and was in no recount of a statement yet. Null for a metric without byte-days. */
export type UnbilledByteDays = (statement: Statement, metric: string) => string | null

export type UnbilledOutcome = { status: 'read'; byteDaysOf: UnbilledByteDays } | { status: 'byte_days_unknown'; missing: MissingRecount }

/**
 * The byte-days of closed statements that the next closing corrects: metered now, less those of the newest recount of a statement. Of a
 * month without its recount they are 0 if the partner has the same records as were billed, and otherwise not known. The statements must
 * have been read before, because then what they meter is not more than these records. Throws StoreError.
 */
export async function readUnbilledByteDays(clickhouse: ClickHouse, partnerId: string, statements: readonly Statement[]): Promise<UnbilledOutcome> {
  const withoutRecount = await findMonthsWithoutRecount(clickhouse, partnerId)
  const [unknown] = await findChanged(clickhouse, partnerId, { statements, months: withoutRecount })
  if (unknown !== undefined) return { status: 'byte_days_unknown', missing: { partnerId, month: unknown } }
  const billed = await clickhouse.reads.query(billedByteDays, { partnerId })
  return {
    status: 'read',
    byteDaysOf: ({ month, meteredByteDays }, metric) => {
      const metered = meteredByteDays.find((each) => each.metric === metric)
      const before = billed.find((each) => each.month === month && each.metric === metric)
      if (metered === undefined && before === undefined) return null
      return withoutRecount.includes(month) ? '0' : subtractDecimals(valueOrNoUsage(metered), valueOrNoUsage(before))
    },
  }
}

/** The months whose newest recount is missing. */
async function findMonthsWithoutRecount({ reads }: ClickHouse, partnerId: string): Promise<Month[]> {
  const months: Month[] = []
  for (const recount of await reads.query(newestRecountsWithoutRows, { partnerId })) if (await isMissing(reads, recount)) months.push(recount.month)
  return months
}

/** Those of the months in which something is unbilled. */
async function findChanged(
  clickhouse: ClickHouse,
  partnerId: string,
  { statements, months }: { readonly statements: readonly Statement[]; readonly months: readonly Month[] },
): Promise<Month[]> {
  if (months.length === 0) return []
  const closed = statements.flatMap(({ header }) => header ?? [])
  return findUnbilledMonths(clickhouse, partnerId, { closed, months, records: await readRecords(clickhouse, partnerId, months) })
}

/** For each month of the partner the newest recount of a statement. */
const NEWEST_RECOUNTS = `
      SELECT argMax(closing, statement_month) AS newest, for_month
      FROM (SELECT closing, month AS for_month FROM billed_events_v1 WHERE partner_id = {partnerId: String}) AS recounts
      INNER JOIN (SELECT closing, month AS statement_month FROM statements_v1 WHERE partner_id = {partnerId: String}) AS statements USING closing
      GROUP BY for_month`

const newestRecountsWithoutRows = defineQuery({
  name: 'newest_recounts_without_rows',
  sql: `
    SELECT {partnerId: String} AS partnerId, newest AS closing, for_month AS month FROM (${NEWEST_RECOUNTS})
    WHERE (newest, for_month) NOT IN (SELECT DISTINCT closing, month FROM statement_recounts_v1 WHERE partner_id = {partnerId: String})
    ORDER BY month`,
  params: z.object({ partnerId: z.string() }),
  row: z.object({ partnerId: z.string(), closing: z.string(), month: z.string() }),
})

const billedByteDays = defineQuery({
  name: 'billed_byte_days',
  sql: `
    SELECT month, metric, sum(arrayReduce('sum', values)) AS value FROM statement_recounts_v1
    WHERE partner_id = {partnerId: String} AND ${PEAK_METRIC} AND (closing, month) IN (SELECT newest, for_month FROM (${NEWEST_RECOUNTS}))
    GROUP BY month, metric`,
  params: z.object({ partnerId: z.string() }),
  row: z.object({ month: z.string(), metric: z.string(), value: z.string() }),
})
