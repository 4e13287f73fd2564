import { z } from 'zod'
import { STATEMENT_LINES } from '../../contract/lists.ts'
import type { Lane } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import {
  AS_TEXT,
  ClosedLinesParams,
  type ClosedStatementKey,
  EXACT_ROW_SETTINGS,
  ExportRow,
  FROM_CLOSED_LINES,
  selectExportRows,
  streamCanonicalLines,
  streamClosedLines,
  type ValueFormat,
} from '../statements/canonical-lines.ts'
import { CSV_SETTINGS, CSV_VALUES, type CsvOptions } from './export-csv.ts'
import { PARQUET_SETTINGS, PARQUET_VALUES } from './export-parquet.ts'

/** Where the rows of an export are read from: the lines of one closed statement, or the rows staged for this export. */
export type ExportSource =
  | ({ readonly kind: 'closed' } & ClosedStatementKey)
  | { readonly kind: 'staged'; readonly exportId: string; readonly withByteDays: boolean }

/** The rows in canonical order, without the header of the format. Throws StoreError. */
export function streamRows(lane: Lane, source: ExportSource, container: 'csv' | 'ndjson' | 'parquet', csv: CsvOptions): AsyncIterable<Uint8Array> {
  const isGuarded = csv.isGuarded ? 1 : 0
  if (source.kind === 'staged') {
    const { exportId } = source
    const { csv: csvRows, text, parquet } = STAGED[source.withByteDays ? 'with byte-days' : 'as billed']
    if (container === 'csv') return lane.bytes(csvRows, { exportId, isGuarded }, 'CSV')
    return container === 'ndjson' ? lane.bytes(text, { exportId }, 'JSONEachRow') : lane.bytes(parquet, { exportId }, 'Parquet')
  }
  if (container === 'parquet') throw new Error('A Parquet file is written by one query, so its rows must be staged.')
  return container === 'csv' ? streamClosedCsv(lane, source, isGuarded) : streamCanonicalLines(lane, source)
}

/** The same rows as groups of TabSeparated lines. Throws StoreError. */
export function streamRowLines(lane: Lane, source: ExportSource): AsyncIterable<string[]> {
  return source.kind === 'staged'
    ? lane.lines(STAGED[source.withByteDays ? 'with byte-days' : 'as billed'].text, { exportId: source.exportId })
    : streamClosedLines(lane, source)
}

async function* streamClosedCsv(lane: Lane, { partnerId, closing }: ClosedStatementKey, isGuarded: number): AsyncIterable<Uint8Array> {
  for (const line of STATEMENT_LINES) yield* lane.bytes(closedCsvRows, { partnerId, closing, line, isGuarded }, 'CSV')
}

const FROM_STAGED_ROWS = `
    FROM export_rows_v1 AS rows
    WHERE rows.export = {exportId: String} AND rows.place > 0
    ORDER BY rows.partner_id, rows.place, rows.for_month, rows.project_id, rows.metric, rows.entry`
const StagedRowsParams = z.object({ exportId: z.string() })

const closedCsvRows = defineQuery({
  name: 'closed_statement_csv_rows',
  sql: `${selectExportRows(CSV_VALUES)} ${FROM_CLOSED_LINES}`,
  params: ClosedLinesParams.extend({ isGuarded: z.number() }),
  row: ExportRow,
  settings: { ...EXACT_ROW_SETTINGS, ...CSV_SETTINGS },
})

/** Of peaks only, and of no manual line: it is in the unit of the metric. A correction has by how much the byte-days changed. */
const byteDayColumns = ({ decimal }: ValueFormat) => `,
      ${decimal("if(rows.kind = 'peak' AND rows.line != 'manual', arrayReduce('sum', rows.values), NULL)")} AS byte_days,
      if(rows.kind = 'peak' AND rows.line = 'usage', toUInt32(length(rows.days)), NULL) AS days_with_samples`

function stagedQueries(suffix: string, more: (values: ValueFormat) => string) {
  return {
    text: defineQuery({
      name: `staged_export_rows${suffix}`,
      sql: `${selectExportRows(AS_TEXT)}${more(AS_TEXT)} ${FROM_STAGED_ROWS}`,
      params: StagedRowsParams,
      row: ExportRow,
      settings: EXACT_ROW_SETTINGS,
    }),
    csv: defineQuery({
      name: `staged_export_csv_rows${suffix}`,
      sql: `${selectExportRows(CSV_VALUES)}${more(CSV_VALUES)} ${FROM_STAGED_ROWS}`,
      params: StagedRowsParams.extend({ isGuarded: z.number() }),
      row: ExportRow,
      settings: { ...EXACT_ROW_SETTINGS, ...CSV_SETTINGS },
    }),
    parquet: defineQuery({
      name: `staged_export_parquet_rows${suffix}`,
      sql: `${selectExportRows(PARQUET_VALUES)}${more(PARQUET_VALUES)} ${FROM_STAGED_ROWS}`,
      params: StagedRowsParams,
      row: ExportRow,
      settings: { ...EXACT_ROW_SETTINGS, ...PARQUET_SETTINGS },
    }),
  }
}

const STAGED = { 'as billed': stagedQueries('', () => ''), 'with byte-days': stagedQueries('_with_byte_days', byteDayColumns) }
