import { z } from 'zod'
import { STATEMENT_LINES, type StatementLine } from '../../contract/lists.ts'
import { addDecimals } from '../../metering/exact-decimal.ts'
import type { Lane } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { VALUE_ON_PEAK_DAY } from '../statements/share-of-month.ts'
import { PARQUET_DECIMAL_END } from './export-parquet.ts'
import { STAGED_ROWS } from './stage-rows.ts'
import type { ExportSource } from './stream-rows.ts'

/** The sum of the rows of one kind of line and one metric. */
export interface ExportTotal {
  readonly line: StatementLine
  readonly metric: string
  readonly rows: number
  /** Exact decimal. */
  readonly value: string
}

export interface ExportTotals {
  readonly rows: number
  readonly totals: readonly ExportTotal[]
  /** Whether every number fits a Parquet decimal. */
  readonly fitsParquet: boolean
}

/** Adds up what an export will contain: lines, or with `charges` the FOCUS rows that they become. Throws StoreError. */
export async function readExportTotals(
  lane: Lane,
  source: ExportSource,
  { rows, withByteDays }: { readonly rows: 'lines' | 'charges'; readonly withByteDays: boolean },
): Promise<ExportTotals> {
  const found =
    source.kind === 'closed'
      ? await lane.query(closedTotals, { partnerId: source.partnerId, closing: source.closing, lines: [...STATEMENT_LINES] })
      : await lane.query(stagedTotals, {
          exportId: source.exportId,
          lines: [...STATEMENT_LINES],
          hasDaysOfPeaks: withByteDays ? 1 : 0,
          isByDays: withByteDays && rows === 'charges' ? 1 : 0,
        })
  const totals = found.map((total) => ({ line: total.line, metric: total.metric, value: total.value, rows: rows === 'lines' ? total.lines : total.charges }))
  // The days of a month and its line come from two tables: if they disagreed, the charges would bill another amount than the statement.
  const unequal = rows === 'charges' ? found.find(({ value, charged }) => addDecimals(value, '0') !== addDecimals(charged, '0')) : undefined
  if (unequal !== undefined) throw new Error(`The days of ${unequal.metric} add up to ${unequal.charged}, but its lines to ${unequal.value}.`)
  const differing = found.find(({ otherPeaks }) => otherPeaks > 0)
  if (differing !== undefined) throw new Error(`${differing.otherPeaks} lines of ${differing.metric} have another value than their days on the peak day.`)
  return { rows: totals.reduce((sum, total) => sum + total.rows, 0), totals, fitsParquet: found.every(({ isTooWide }) => isTooWide === 0) }
}

const LIMIT = `toDecimal256('${PARQUET_DECIMAL_END}', 9)`
const IS_TOO_WIDE = `max(abs(amount) >= ${LIMIT} OR abs(byte_days) >= ${LIMIT} OR ifNull(abs(own_max) >= ${LIMIT}, 0)) AS isTooWide`

const TotalRow = z.object({
  line: z.enum(STATEMENT_LINES),
  metric: z.string(),
  lines: z.coerce.number(),
  charges: z.coerce.number(),
  value: z.string(),
  charged: z.string(),
  isTooWide: z.number(),
  /** Lines of peaks whose value is not that of their staged days on the peak day: then their byte-days would be of another recount. */
  otherPeaks: z.coerce.number(),
})

const closedTotals = defineQuery({
  name: 'closed_statement_totals',
  sql: `SELECT line, metric, count() AS lines, lines AS charges, sum(amount) AS value, value AS charged, 0 AS otherPeaks, ${IS_TOO_WIDE}
        FROM (SELECT line, metric, value AS amount, own_max, value AS byte_days FROM statement_lines_v1 WHERE partner_id = {partnerId: String} AND closing = {closing: String})
        GROUP BY line, metric
        ORDER BY indexOf({lines: Array(String)}, toString(line)), metric`,
  params: z.object({ partnerId: z.string(), closing: z.string(), lines: z.array(z.string()) }),
  row: TotalRow,
  settings: { max_execution_time: 600 },
})

const stagedTotals = defineQuery({
  name: 'staged_export_totals',
  sql: `SELECT line, metric, count() AS lines, sum(if(is_daily, length(days), 1)) AS charges,
          sum(amount) AS value, sum(if(is_daily, arrayReduce('sum', values), amount)) AS charged, ${IS_TOO_WIDE},
          countIf({hasDaysOfPeaks: UInt64} = 1 AND line = 'usage' AND kind = 'peak' AND share != billed) AS otherPeaks
        FROM (SELECT line, metric, kind, own_max, days, values, value AS billed, arrayReduce('sum', values) AS byte_days,
                if({isByDays: UInt64} = 1 AND kind = 'peak' AND line != 'manual', byte_days, value) AS amount,
                line = 'usage' AND (kind IN ('cumulative', 'count') OR ({isByDays: UInt64} = 1 AND kind = 'peak')) AS is_daily,
                ${VALUE_ON_PEAK_DAY} AS share
              FROM ${STAGED_ROWS})
        GROUP BY line, metric
        ORDER BY indexOf({lines: Array(String)}, toString(line)), metric`,
  params: z.object({ exportId: z.string(), lines: z.array(z.string()), hasDaysOfPeaks: z.number(), isByDays: z.number() }),
  row: TotalRow,
  settings: { max_execution_time: 600 },
})
