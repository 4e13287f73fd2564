import { StringDecoder } from 'node:string_decoder'
import { EXPORT_FORMATS, type ExportFormat } from '../contract/export-formats.ts'
import { addDecimals, type ExactDecimal } from '../metering/exact-decimal.ts'
import { parseExactJson } from '../metering/exact-json.ts'
import { NumberToken } from '../metering/quantity.ts'

/** What a file really holds. */
export interface RowTotals {
  rows: number
  /** By kind of line and metric. */
  readonly totals: Map<string, { readonly line: string; readonly metric: string; rows: number; value: ExactDecimal }>
}

export function noRows(): RowTotals {
  return { rows: 0, totals: new Map() }
}

/** Takes the chunks of a text file and adds its rows up. Other files: read-workbook.ts, and the aggregator's parquet-totals.ts. */
export interface RowReader {
  add(chunk: Uint8Array): void
  /** Throws RangeError when the file stops within a row. */
  end(): RowTotals
}

export type TextFormat = Exclude<ExportFormat, 'parquet' | 'focus-parquet' | 'xlsx'>

/** Reads a file's rows by what the format says, without holding more than one. Throws RangeError for what is no such row. */
export function openRowReader(format: TextFormat): RowReader {
  const counted = noRows()
  const { rows, container } = EXPORT_FORMATS[format]
  const columns = { lines: OF_LINES, charges: OF_CHARGES, months: undefined }[rows]
  const take = container === 'csv' ? csvRows(counted, columns) : jsonRows(counted, columns ?? OF_LINES)
  const decoder = new StringDecoder('utf8')
  let rest = ''
  return {
    add: (chunk) => {
      const lines = (rest + decoder.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length))).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) take(line)
    },
    end: () => {
      if (rest + decoder.end() !== '') throw new RangeError('The file stops within a row.')
      take(undefined)
      return counted
    },
  }
}

/** Adds a row. Exactly: values are decimals of up to 67 digits. */
export function countRow(counted: RowTotals, { line, metric, value, rows = 1 }: { line: string; metric: string; value: string; rows?: number }): void {
  const key = JSON.stringify([line, metric])
  const total = counted.totals.get(key)
  counted.rows += rows
  if (total === undefined) counted.totals.set(key, { line, metric, rows, value: addDecimals(value, '0') })
  else {
    total.rows += rows
    total.value = addDecimals(total.value, value)
  }
}

interface Columns {
  readonly line: string
  readonly metric: string
  readonly value: string
}

const OF_LINES: Columns = { line: 'line', metric: 'metric', value: 'value' }
/** The same in every version of FOCUS. */
const OF_CHARGES: Columns = { line: 'x_Line', metric: 'SkuMeter', value: 'ConsumedQuantity' }

/** One row a line, in the array too. */
function jsonRows(counted: RowTotals, columns: Columns) {
  return (line: string | undefined) => {
    if (line === undefined || line === '[' || line === ']') return
    const row = parseExactJson(line.endsWith(',') ? line.slice(0, -1) : line) as Record<string, unknown>
    const [kind, metric, value] = [row[columns.line], row[columns.metric], row[columns.value]]
    if (typeof kind !== 'string' || typeof metric !== 'string' || !(value instanceof NumberToken)) throw new RangeError(`"${line}" is no row of an export.`)
    countRow(counted, { line: kind, metric, value: value.text })
  }
}

/** A cell may hold a line end: a record goes on until its quotes are closed. */
function csvRows(counted: RowTotals, columns: Columns | undefined) {
  let record = ''
  let places: { line: number; metric: number; value: number } | undefined
  let isHead = true
  return (line: string | undefined) => {
    if (line === undefined) {
      if (record !== '' || isHead) throw new RangeError('The file stops within a row.')
      return
    }
    record = record === '' ? line : `${record}\n${line}`
    if (quotesIn(record) % 2 === 1) return
    const cells = cellsOf(record)
    record = ''
    if (isHead) {
      isHead = false
      places = columns && { line: cells.indexOf(columns.line), metric: cells.indexOf(columns.metric), value: cells.indexOf(columns.value) }
    } else if (places === undefined) counted.rows += 1
    else countRow(counted, { line: cells[places.line] ?? '', metric: cells[places.metric] ?? '', value: cells[places.value] ?? '' })
  }
}

function quotesIn(text: string): number {
  let quotes = 0
  for (let at = text.indexOf('"'); at !== -1; at = text.indexOf('"', at + 1)) quotes += 1
  return quotes
}

/** With a comma in front each cell has one of its own, and an empty cell is not passed over. */
function cellsOf(record: string): string[] {
  const text = record.endsWith('\r') ? record.slice(0, -1) : record
  return [...`,${text}`.matchAll(/,(?:"((?:[^"]|"")*)"|([^",]*))/g)].map(([, quoted, bare]) => quoted?.replaceAll('""', '"') ?? bare ?? '')
}
