/** The formats of an export. `rows` says what one row is: a line of a statement, a FOCUS charge, or a month of a partner. */
export const EXPORT_FORMATS = {
  csv: { rows: 'lines', container: 'csv', extension: 'csv', contentType: 'text/csv; charset=utf-8; header=present' },
  json: { rows: 'lines', container: 'json', extension: 'json', contentType: 'application/json; charset=utf-8' },
  ndjson: { rows: 'lines', container: 'ndjson', extension: 'ndjson', contentType: 'application/x-ndjson' },
  parquet: { rows: 'lines', container: 'parquet', extension: 'parquet', contentType: 'application/vnd.apache.parquet' },
  xlsx: { rows: 'lines', container: 'xlsx', extension: 'xlsx', contentType: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet' },
  'focus-csv': { rows: 'charges', container: 'csv', extension: 'focus.csv', contentType: 'text/csv; charset=utf-8; header=present' },
  'focus-parquet': { rows: 'charges', container: 'parquet', extension: 'focus.parquet', contentType: 'application/vnd.apache.parquet' },
  'focus-ndjson': { rows: 'charges', container: 'ndjson', extension: 'focus.ndjson', contentType: 'application/x-ndjson' },
  'focus-billing-period': { rows: 'months', container: 'csv', extension: 'billing-period.csv', contentType: 'text/csv; charset=utf-8; header=present' },
} as const satisfies Record<string, ExportShape>

export interface ExportShape {
  readonly rows: 'lines' | 'charges' | 'months'
  readonly container: 'csv' | 'json' | 'ndjson' | 'parquet' | 'xlsx'
  readonly extension: string
  readonly contentType: string
}

export type ExportFormat = keyof typeof EXPORT_FORMATS
export const EXPORT_FORMAT_NAMES = Object.keys(EXPORT_FORMATS) as ExportFormat[]

/** The versions of FOCUS that are written, oldest first. */
export const FOCUS_VERSIONS = ['1.2', '1.3'] as const
export type FocusVersion = (typeof FOCUS_VERSIONS)[number]
export const FOCUS_VERSION_DEFAULT: FocusVersion = '1.3'

export function isFocus(format: ExportFormat): boolean {
  return EXPORT_FORMATS[format].rows !== 'lines'
}

/** The columns of a format whose rows are lines, in their order. */
export const EXPORT_COLUMNS = [
  'partner_id',
  'month',
  'line',
  'for_month',
  'project_id',
  'name',
  'status',
  'deleted_at',
  'metric',
  'kind',
  'unit',
  'value',
  'peak_day',
  'own_max',
  'own_max_day',
  'events',
  'reason',
] as const
/** Added behind them with `include=byte_days`. */
export const BYTE_DAY_COLUMNS = ['byte_days', 'days_with_samples'] as const
export type ExportColumn = (typeof EXPORT_COLUMNS)[number] | (typeof BYTE_DAY_COLUMNS)[number]

/** Whether a file has byte-days: its lines as further columns (`include`), its charges as what they are by (`quantity`). */
export function hasByteDays({
  include,
  quantity,
}: {
  readonly include?: 'byte_days' | undefined
  readonly quantity?: 'peak' | 'byte_days' | undefined
}): boolean {
  return (include ?? quantity) === 'byte_days'
}

/** The columns of a file whose rows are lines, by what was included. */
export function exportColumnsOf({ include }: { readonly include?: 'byte_days' | undefined }): readonly ExportColumn[] {
  return include === undefined ? EXPORT_COLUMNS : [...EXPORT_COLUMNS, ...BYTE_DAY_COLUMNS]
}

/** The columns that hold decimals; all others hold texts. */
export const NUMBER_COLUMNS: readonly ExportColumn[] = ['value', 'own_max', 'events', ...BYTE_DAY_COLUMNS]

/** Of a sheet of a workbook, its header included: what Excel and LibreOffice can open. */
export const SHEET_ROWS_MAX = 1_048_576
