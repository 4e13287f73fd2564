import type { Lane } from '../sql/clickhouse.ts'
import { StoreError } from '../sql/errors.ts'
import { RowCounter } from './count-rows.ts'
import { csvHeader } from './export-csv.ts'
import { EXPORT_FORMATS, type ExportFormat } from './export-formats.ts'
import { type ExportSource, streamLines } from './export-lines.ts'
import { FOCUS_COLUMNS } from './focus-columns.ts'
import { type FocusCharges, streamCharges } from './focus-rows.ts'
import { EXPORT_COLUMNS } from './statement-rows.ts'

export interface ExportedFile {
  readonly format: ExportFormat
  readonly source: ExportSource
  readonly charges: FocusCharges
  /** As its manifest says. */
  readonly rows: number
}

/**
 * The file of an export, piece by piece, with the head that its format has. A file with another number of rows than its
 * manifest says is an error at its end, so that what a store cut short is never taken for whole. Throws StoreError.
 */
export async function* exportFile(lane: Lane, { format, source, charges, rows }: ExportedFile): AsyncIterable<Uint8Array> {
  const { rows: rowsAre, container } = EXPORT_FORMATS[format]
  if (container === 'parquet') {
    yield* wholeParquet(rowsAre === 'charges' ? streamCharges(lane, charges, 'parquet') : streamLines(lane, source, 'parquet'))
    return
  }
  if (container === 'csv') {
    yield csvHeader(rowsAre === 'charges' ? FOCUS_COLUMNS.map(({ name }) => name) : EXPORT_COLUMNS)
    yield* counted(rowsAre === 'charges' ? streamCharges(lane, charges, 'csv') : streamLines(lane, source, 'csv'), rows, { quotes: true })
    return
  }
  const lines = counted(streamLines(lane, source, 'ndjson'), rows, { quotes: false })
  yield* container === 'json' ? asArray(lines) : lines
}

async function* counted(pieces: AsyncIterable<Uint8Array>, rows: number, how: { quotes: boolean }): AsyncIterable<Uint8Array> {
  const counter = new RowCounter(how)
  for await (const piece of pieces) {
    counter.add(piece)
    yield piece
  }
  if (counter.rows !== rows) throw new StoreError('fault', `The store gave ${counter.rows} rows of an export that has ${rows}.`)
}

/** One JSON array, one row a line. The last line feed of a piece waits until it is known whether a comma belongs before it. */
async function* asArray(lines: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  yield Buffer.from('[\n')
  let waits = false
  for await (const piece of lines) {
    if (piece.length === 0) continue
    const body = piece.at(-1) === LINE_FEED ? piece.subarray(0, -1) : piece
    yield Buffer.from((waits ? ',\n' : '') + Buffer.from(body.buffer, body.byteOffset, body.length).toString('latin1').replaceAll('\n', ',\n'), 'latin1')
    waits = piece.at(-1) === LINE_FEED
  }
  yield Buffer.from(waits ? '\n]\n' : ']\n')
}

/** A Parquet file ends with its own mark, which is written last. */
async function* wholeParquet(pieces: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  let tail = Buffer.alloc(0)
  for await (const piece of pieces) {
    tail = Buffer.concat([tail, piece.subarray(-MARK.length)]).subarray(-MARK.length)
    yield piece
  }
  if (!tail.equals(MARK)) throw new StoreError('fault', 'The store broke off a Parquet file.')
}

const LINE_FEED = 0x0a
const MARK = Buffer.from('PAR1')
