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
} from '../statements/canonical-lines.ts'
import { CSV_SETTINGS, CSV_VALUES, type CsvOptions } from './export-csv.ts'
import { PARQUET_SETTINGS, PARQUET_VALUES } from './export-parquet.ts'

/** Where the rows of an export are read from: the lines of one closed statement, or the rows staged for this export. */
export type ExportSource = ({ readonly kind: 'closed' } & ClosedStatementKey) | { readonly kind: 'staged'; readonly exportId: string }

/** The rows in canonical order, without the header of the format. Throws StoreError. */
export function streamRows(lane: Lane, source: ExportSource, container: 'csv' | 'ndjson' | 'parquet', csv: CsvOptions): AsyncIterable<Uint8Array> {
  const isGuarded = csv.isGuarded ? 1 : 0
  if (source.kind === 'staged') {
    const { exportId } = source
    if (container === 'csv') return lane.bytes(stagedCsvRows, { exportId, isGuarded }, 'CSV')
    return container === 'ndjson' ? lane.bytes(stagedRows, { exportId }, 'JSONEachRow') : lane.bytes(stagedParquetRows, { exportId }, 'Parquet')
  }
  if (container === 'parquet') throw new Error('A Parquet file is written by one query, so its rows must be staged.')
  return container === 'csv' ? streamClosedCsv(lane, source, isGuarded) : streamCanonicalLines(lane, source)
}

/** The same rows as groups of TabSeparated lines. Throws StoreError. */
export function streamRowLines(lane: Lane, source: ExportSource): AsyncIterable<string[]> {
  return source.kind === 'staged' ? lane.lines(stagedRows, { exportId: source.exportId }) : streamClosedLines(lane, source)
}

async function* streamClosedCsv(lane: Lane, { partnerId, closing }: ClosedStatementKey, isGuarded: number): AsyncIterable<Uint8Array> {
  for (const line of STATEMENT_LINES) yield* lane.bytes(closedCsvRows, { partnerId, closing, line, isGuarded }, 'CSV')
}

const FROM_STAGED_ROWS = `
    FROM export_rows_v1 AS rows
    WHERE rows.export = {exportId: String}
    ORDER BY rows.partner_id, rows.place, rows.for_month, rows.project_id, rows.metric, rows.entry`
const StagedRowsParams = z.object({ exportId: z.string() })

const closedCsvRows = defineQuery({
  name: 'closed_statement_csv_rows',
  sql: `${selectExportRows(CSV_VALUES)} ${FROM_CLOSED_LINES}`,
  params: ClosedLinesParams.extend({ isGuarded: z.number() }),
  row: ExportRow,
  settings: { ...EXACT_ROW_SETTINGS, ...CSV_SETTINGS },
})

const stagedRows = defineQuery({
  name: 'staged_export_rows',
  sql: `${selectExportRows(AS_TEXT)} ${FROM_STAGED_ROWS}`,
  params: StagedRowsParams,
  row: ExportRow,
  settings: EXACT_ROW_SETTINGS,
})

const stagedCsvRows = defineQuery({
  name: 'staged_export_csv_rows',
  sql: `${selectExportRows(CSV_VALUES)} ${FROM_STAGED_ROWS}`,
  params: StagedRowsParams.extend({ isGuarded: z.number() }),
  row: ExportRow,
  settings: { ...EXACT_ROW_SETTINGS, ...CSV_SETTINGS },
})

const stagedParquetRows = defineQuery({
  name: 'staged_export_parquet_rows',
  sql: `${selectExportRows(PARQUET_VALUES)} ${FROM_STAGED_ROWS}`,
  params: StagedRowsParams,
  row: ExportRow,
  settings: { ...EXACT_ROW_SETTINGS, ...PARQUET_SETTINGS },
})
