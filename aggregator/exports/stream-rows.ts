import { z } from 'zod'
import { STATEMENT_LINES } from '../../contract/fields.ts'
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
} from '../statements/canonical-lines.ts'
import { CSV_SETTINGS, CSV_VALUES } from './export-csv.ts'
import { PARQUET_SETTINGS, PARQUET_VALUES } from './export-parquet.ts'

/** Where the rows of an export are read from: the lines of one closed statement, or the rows staged for this export. */
export type ExportSource = ({ readonly kind: 'closed' } & ClosedStatementKey) | { readonly kind: 'staged'; readonly exportId: string }

/** The rows in canonical order, without the header of the format. Throws StoreError. */
export function streamRows(lane: Lane, source: ExportSource, container: 'csv' | 'ndjson' | 'parquet'): AsyncIterable<Uint8Array> {
  if (source.kind === 'staged') return lane.bytes(STAGED_ROWS[container].query, { exportId: source.exportId }, STAGED_ROWS[container].format)
  if (container === 'parquet') throw new Error('A Parquet file is written by one query, so its rows must be staged.')
  return container === 'csv' ? streamClosedCsv(lane, source) : streamCanonicalLines(lane, source)
}

async function* streamClosedCsv(lane: Lane, { partnerId, closing }: ClosedStatementKey): AsyncIterable<Uint8Array> {
  for (const line of STATEMENT_LINES) yield* lane.bytes(closedCsvRows, { partnerId, closing, line }, 'CSV')
}

const FROM_STAGED_ROWS = `
    FROM export_rows_v1 AS rows
    WHERE rows.export = {exportId: String}
    ORDER BY rows.partner_id, rows.place, rows.for_month, rows.project_id, rows.metric, rows.entry`
const StagedRowsParams = z.object({ exportId: z.string() })

const closedCsvRows = defineQuery({
  name: 'closed_statement_csv_rows',
  sql: `${selectExportRows(CSV_VALUES)} ${FROM_CLOSED_LINES}`,
  params: ClosedLinesParams,
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
  params: StagedRowsParams,
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

const STAGED_ROWS = {
  csv: { query: stagedCsvRows, format: 'CSV' },
  ndjson: { query: stagedRows, format: 'JSONEachRow' },
  parquet: { query: stagedParquetRows, format: 'Parquet' },
} as const
