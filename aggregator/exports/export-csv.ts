import type { Settings } from '../../sql/session.ts'
import { AS_TEXT, type ValueFormat } from '../statements/canonical-lines.ts'

/**
 * CSV as defined by RFC 4180: one header line, CRLF, texts in quotes. A name that a person chose may begin like a formula, and a
 * spreadsheet would run it, so such a cell gets a leading apostrophe. Numbers never do: "-5" is no formula.
 */
export const CSV_VALUES: ValueFormat = {
  ...AS_TEXT,
  text: (sql) => `if(left(${sql}, 1) IN ('=', '+', '-', '@', '\\t', '\\r'), concat('\\'', ${sql}), ${sql})`,
}

export const CSV_SETTINGS: Settings = {
  format_csv_delimiter: ',',
  format_csv_null_representation: '',
  output_format_csv_crlf_end_of_line: 1,
  output_format_csv_serialize_tuple_into_separate_columns: 1,
}

export function csvHeader(columns: readonly string[]): Buffer {
  return Buffer.from(`${columns.join(',')}\r\n`)
}

/** One line, for the few files that are not written by the store. Every text is quoted, as the store does. */
export function csvLine(cells: readonly (string | null)[]): string {
  return `${cells.map((cell) => (cell === null ? '' : `"${escapeFormula(cell).replaceAll('"', '""')}"`)).join(',')}\r\n`
}

function escapeFormula(text: string): string {
  return /^[=+\-@\t\r]/.test(text) ? `'${text}` : text
}
