import { requireComplete } from '../../contract/complete-export.ts'
import { EXPORT_COLUMNS, EXPORT_FORMATS, type ExportFormat, type ExportShape } from '../../contract/export-formats.ts'
import type { Lane } from '../../sql/clickhouse.ts'
import { csvHeader } from './export-csv.ts'
import { FOCUS_COLUMNS } from './focus-columns.ts'
import { type FocusCharges, streamCharges } from './focus-rows.ts'
import { type ExportSource, streamLines } from './stream-rows.ts'

export interface ExportedFile {
  readonly format: ExportFormat
  readonly source: ExportSource
  readonly charges: FocusCharges
  /** As its manifest says. */
  readonly rows: number
}

/** The file of an export, piece by piece, with the head that its format has. It throws at its end when it is not whole. */
export function exportFile(lane: Lane, { format, source, charges, rows }: ExportedFile): AsyncIterable<Uint8Array> {
  const { rows: rowsAre, container } = EXPORT_FORMATS[format]
  const pieces = rowsAre === 'charges' ? chargesFile(lane, charges, container) : linesFile(lane, source, container)
  return requireComplete(pieces, { container, rows })
}

async function* chargesFile(lane: Lane, charges: FocusCharges, container: ExportShape['container']): AsyncIterable<Uint8Array> {
  if (container !== 'csv') return yield* streamCharges(lane, charges, 'parquet')
  yield csvHeader(FOCUS_COLUMNS.map(({ name }) => name))
  yield* streamCharges(lane, charges, 'csv')
}

async function* linesFile(lane: Lane, source: ExportSource, container: ExportShape['container']): AsyncIterable<Uint8Array> {
  if (container === 'csv') yield csvHeader(EXPORT_COLUMNS)
  if (container === 'json') yield* asArray(streamLines(lane, source, 'ndjson'))
  else yield* streamLines(lane, source, container)
}

/** One JSON array, one row a line. The line feed at the end of a piece waits until it is known whether a comma belongs before it. */
async function* asArray(lines: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  yield Buffer.from('[\n')
  let waits = false
  for await (const piece of lines) {
    if (piece.length === 0) continue
    const ends = piece.at(-1) === LINE_FEED
    const body = Buffer.from(piece.buffer, piece.byteOffset, ends ? piece.length - 1 : piece.length)
    // As latin1 each byte is one character, whatever it means; a line feed within a text is escaped.
    yield Buffer.from((waits ? ',\n' : '') + body.toString('latin1').replaceAll('\n', ',\n'), 'latin1')
    waits = ends
  }
  yield Buffer.from(waits ? '\n]\n' : ']\n')
}

const LINE_FEED = 0x0a
