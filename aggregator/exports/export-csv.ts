import type { Settings } from '../../sql/session.ts'
import { AS_TEXT, type ValueFormat } from '../statements/canonical-lines.ts'

/** How the texts of a CSV file are written. */
export interface CsvOptions {
  /** Whether texts that a spreadsheet would execute are disarmed. */
  readonly isGuarded: boolean
  /** Whether the file begins with a byte order mark, by which spreadsheets recognize UTF-8. */
  readonly hasBom: boolean
}

/**
 * A name that a person chose may begin like a formula, and a spreadsheet would run it. Where the list separator is a semicolon, it also
 * ignores the commas and quotes of this file and begins a cell after each semicolon or line end within a text. So an apostrophe goes in
 * front of whatever could begin a formula there, apostrophes and quotes before it included. Therefore the guard can be undone: one
 * apostrophe at each of these places is always the guard's. Keys and numbers are never touched: programs compare them, and their
 * alphabets make no formula that calls anything.
 */
const FORMULA_IN_TEXT = `(^|[;\\t\\r\\n])(['"]*[=+\\-@＝＋－＠])`
/** Spreadsheets strip these from the beginning of a cell and then see what follows. */
const SPACE_AT_START = `^(['"]*[\\t\\r\\n])`

/** CSV as defined by RFC 4180: one header line, CRLF, texts in quotes. SQL with the parameter isGuarded. */
export const CSV_VALUES: ValueFormat = {
  ...AS_TEXT,
  text: (sql) => `if({isGuarded: UInt64} = 1, ${guardInSql(sql)}, ${sql})`,
}

export const CSV_SETTINGS: Settings = {
  format_csv_delimiter: ',',
  format_csv_null_representation: '',
  output_format_csv_crlf_end_of_line: 1,
  output_format_csv_serialize_tuple_into_separate_columns: 1,
}

export function csvHeader(columns: readonly string[], { hasBom }: CsvOptions): Buffer {
  return Buffer.from(`${hasBom ? '\uFEFF' : ''}${columns.join(',')}\r\n`)
}

/** A key is never guarded. */
export type CsvCell = string | null | { readonly key: string }

/** One line, for the few files that are not written by the store. Every text is quoted, as the store does. */
export function csvLine(cells: readonly CsvCell[], { isGuarded }: CsvOptions): string {
  const textOf = (cell: string | { readonly key: string }) => (typeof cell !== 'string' ? cell.key : isGuarded ? guardFormulas(cell) : cell)
  return `${cells.map((cell) => (cell === null ? '' : `"${textOf(cell).replaceAll('"', '""')}"`)).join(',')}\r\n`
}

/** The guard in JavaScript; the store has the same in SQL. */
export function guardFormulas(text: string): string {
  return text.replaceAll(new RegExp(FORMULA_IN_TEXT, 'g'), "$1'$2").replace(new RegExp(SPACE_AT_START), "'$1")
}

function guardInSql(sql: string): string {
  return `replaceRegexpOne(replaceRegexpAll(${sql}, ${literal(FORMULA_IN_TEXT)}, ${literal("\\1'\\2")}), ${literal(SPACE_AT_START)}, ${literal("'\\1")})`
}

function literal(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
