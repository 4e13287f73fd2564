import { z } from 'zod'
import { STATEMENT_LINES, type StatementLine } from '../../contract/fields.ts'
import { addDecimals } from '../../metering/exact-decimal.ts'
import type { Lane } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { PARQUET_DECIMAL_END } from './export-parquet.ts'
import type { ExportSource } from './stream-rows.ts'

/** What the rows of one kind of line and one metric add up to. */
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
  /** Whether each number fits a Parquet decimal. */
  readonly fitsParquet: boolean
}

/** Adds up what an export will hold: lines, or with `charges` the FOCUS rows that they become. Throws StoreError. */
export async function readExportTotals(lane: Lane, source: ExportSource, rows: 'lines' | 'charges'): Promise<ExportTotals> {
  const found =
    source.kind === 'closed'
      ? await lane.query(closedTotals, { partnerId: source.partnerId, closing: source.closing, lines: [...STATEMENT_LINES] })
      : await lane.query(keptTotals, { exportId: source.exportId, lines: [...STATEMENT_LINES] })
  const totals = found.map((total) => ({ line: total.line, metric: total.metric, value: total.value, rows: rows === 'lines' ? total.lines : total.charges }))
  // The days of a month and its line come from two tables: a charge that fell between them would be a wrong bill.
  const astray = rows === 'charges' ? found.find(({ value, charged }) => addDecimals(value, '0') !== addDecimals(charged, '0')) : undefined
  if (astray !== undefined) throw new Error(`The days of ${astray.metric} add up to ${astray.charged}, its lines to ${astray.value}.`)
  return { rows: totals.reduce((sum, total) => sum + total.rows, 0), totals, fitsParquet: found.every(({ too_wide }) => too_wide === 0) }
}

const WIDE = `toDecimal256('${PARQUET_DECIMAL_END}', 9)`
const TOO_WIDE = `max(abs(amount) >= ${WIDE} OR ifNull(abs(own_max) >= ${WIDE}, 0)) AS too_wide`

const TotalRow = z.object({
  line: z.enum(STATEMENT_LINES),
  metric: z.string(),
  lines: z.coerce.number(),
  charges: z.coerce.number(),
  value: z.string(),
  charged: z.string(),
  too_wide: z.number(),
})

const closedTotals = defineQuery({
  name: 'closed_statement_totals',
  sql: `SELECT line, metric, count() AS lines, lines AS charges, sum(amount) AS value, value AS charged, ${TOO_WIDE}
        FROM (SELECT line, metric, value AS amount, own_max FROM statement_lines_v1 WHERE partner_id = {partnerId: String} AND closing = {closing: String})
        GROUP BY line, metric
        ORDER BY indexOf({lines: Array(String)}, toString(line)), metric`,
  params: z.object({ partnerId: z.string(), closing: z.string(), lines: z.array(z.string()) }),
  row: TotalRow,
  settings: { max_execution_time: 600 },
})

const keptTotals = defineQuery({
  name: 'kept_export_totals',
  sql: `SELECT line, metric, count() AS lines, sum(if(is_daily, length(days), 1)) AS charges,
          sum(amount) AS value, sum(if(is_daily, arrayReduce('sum', values), amount)) AS charged, ${TOO_WIDE}
        FROM (SELECT line, metric, value AS amount, own_max, days, values, line = 'usage' AND kind = 'cumulative' AS is_daily
              FROM export_rows_v1 WHERE export = {exportId: String})
        GROUP BY line, metric
        ORDER BY indexOf({lines: Array(String)}, toString(line)), metric`,
  params: z.object({ exportId: z.string(), lines: z.array(z.string()) }),
  row: TotalRow,
  settings: { max_execution_time: 600 },
})
