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
import { CSV_SETTINGS, CSV_WORDING } from './export-csv.ts'
import { PARQUET_SETTINGS, PARQUET_WORDING } from './export-parquet.ts'

/** Where an export's rows are read: the lines of one closed statement, or what was put together for this export. */
export type ExportSource = ({ readonly kind: 'closed' } & ClosedStatementKey) | { readonly kind: 'kept'; readonly exportId: string }

/** The rows in canonical order, without the head of the format. Throws StoreError. */
export function streamLines(lane: Lane, source: ExportSource, container: 'csv' | 'ndjson' | 'parquet'): AsyncIterable<Uint8Array> {
  if (source.kind === 'kept') return lane.bytes(KEPT[container].query, { exportId: source.exportId }, KEPT[container].format)
  if (container === 'parquet') throw new Error('One Parquet file needs its rows in one table.')
  return container === 'csv' ? streamClosedCsv(lane, source) : streamCanonicalLines(lane, source)
}

async function* streamClosedCsv(lane: Lane, { partnerId, closing }: ClosedStatementKey): AsyncIterable<Uint8Array> {
  for (const line of STATEMENT_LINES) yield* lane.bytes(closedCsvRows, { partnerId, closing, line }, 'CSV')
}

const FROM_KEPT_ROWS = `
    FROM export_rows_v1 AS rows
    WHERE rows.export = {exportId: String}
    ORDER BY rows.partner_id, rows.place, rows.for_month, rows.project_id, rows.metric, rows.entry`
const KeptRowsOf = z.object({ exportId: z.string() })

const closedCsvRows = defineQuery({
  name: 'closed_statement_csv_rows',
  sql: `${selectExportRows(CSV_WORDING)} ${FROM_CLOSED_LINES}`,
  params: ClosedLinesParams,
  row: ExportRow,
  settings: { ...EXACT_ROW_SETTINGS, ...CSV_SETTINGS },
})

const keptRows = defineQuery({
  name: 'kept_export_rows',
  sql: `${selectExportRows(AS_TEXT)} ${FROM_KEPT_ROWS}`,
  params: KeptRowsOf,
  row: ExportRow,
  settings: EXACT_ROW_SETTINGS,
})

const keptCsvRows = defineQuery({
  name: 'kept_export_csv_rows',
  sql: `${selectExportRows(CSV_WORDING)} ${FROM_KEPT_ROWS}`,
  params: KeptRowsOf,
  row: ExportRow,
  settings: { ...EXACT_ROW_SETTINGS, ...CSV_SETTINGS },
})

const keptParquetRows = defineQuery({
  name: 'kept_export_parquet_rows',
  sql: `${selectExportRows(PARQUET_WORDING)} ${FROM_KEPT_ROWS}`,
  params: KeptRowsOf,
  row: ExportRow,
  settings: { ...EXACT_ROW_SETTINGS, ...PARQUET_SETTINGS },
})

const KEPT = {
  csv: { query: keptCsvRows, format: 'CSV' },
  ndjson: { query: keptRows, format: 'JSONEachRow' },
  parquet: { query: keptParquetRows, format: 'Parquet' },
} as const
