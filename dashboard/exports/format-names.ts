import { EXPORT_FORMATS, type ExportFormat } from '../../contract/export-formats.ts'

/** What a format is called, and for whom it is. */
export const FORMAT_NAMES: Readonly<Record<ExportFormat, string>> = {
  csv: 'CSV',
  json: 'JSON',
  ndjson: 'NDJSON',
  parquet: 'Parquet',
  xlsx: 'Excel workbook',
  'focus-csv': 'FOCUS, CSV',
  'focus-parquet': 'FOCUS, Parquet',
  'focus-ndjson': 'FOCUS, NDJSON',
  'focus-billing-period': 'FOCUS billing periods, CSV',
}

export function isCsv(format: ExportFormat): boolean {
  return EXPORT_FORMATS[format].container === 'csv'
}
