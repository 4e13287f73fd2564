import { requireComplete } from '../../contract/complete-export.ts'
import { EXPORT_FORMATS, type ExportShape, exportColumnsOf } from '../../contract/export-formats.ts'
import type { Manifest } from '../../contract/export-manifest.ts'
import type { Lane } from '../../sql/clickhouse.ts'
import { type CsvOptions, csvHeader } from './export-csv.ts'
import { workbookFile } from './export-xlsx.ts'
import { focusColumnsOf } from './focus-columns.ts'
import { type FocusCharges, streamCharges } from './focus-rows.ts'
import { type ExportSource, streamRowLines, streamRows } from './stream-rows.ts'

export interface ExportedFile {
  readonly source: ExportSource
  readonly charges: FocusCharges
  readonly csv: CsvOptions
  readonly manifest: Manifest
}

/** The file of an export, in chunks, with the header of its format. Throws at the end if rows are missing. */
export function exportFile(lane: Lane, exported: ExportedFile): AsyncIterable<Uint8Array> {
  const { rows: rowKind, container } = EXPORT_FORMATS[exported.manifest.format]
  const chunks = rowKind === 'charges' ? chargesFile(lane, exported, container) : linesFile(lane, exported, container)
  return requireComplete(chunks, { container, rows: exported.manifest.rows })
}

async function* chargesFile(lane: Lane, { charges, csv }: ExportedFile, container: ExportShape['container']): AsyncIterable<Uint8Array> {
  const names = focusColumnsOf(charges.version).map(({ name }) => name)
  if (container === 'csv') yield csvHeader(names, csv)
  if (container === 'csv' || container === 'ndjson' || container === 'parquet') yield* streamCharges(lane, charges, container, csv)
  else throw new Error(`Charges are not written as ${container}.`)
}

async function* linesFile(lane: Lane, { source, csv, manifest }: ExportedFile, container: ExportShape['container']): AsyncIterable<Uint8Array> {
  if (container === 'xlsx') return yield* workbookFile(streamRowLines(lane, source), manifest)
  if (container === 'csv') yield csvHeader(exportColumnsOf(manifest), csv)
  if (container === 'json') yield* asJsonArray(streamRows(lane, source, 'ndjson', csv))
  else yield* streamRows(lane, source, container, csv)
}

/** One JSON array with one row per line. The line feed at the end of a chunk is held back until it is known whether another row follows. */
async function* asJsonArray(lines: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  yield Buffer.from('[\n')
  let isRowOpen = false
  for await (const chunk of lines) {
    if (chunk.length === 0) continue
    const endsRow = chunk.at(-1) === LINE_FEED
    const body = Buffer.from(chunk.buffer, chunk.byteOffset, endsRow ? chunk.length - 1 : chunk.length)
    // In latin1 each byte is one character, whatever it means. A line feed within a text is escaped, so each one here ends a row.
    yield Buffer.from((isRowOpen ? ',\n' : '') + body.toString('latin1').replaceAll('\n', ',\n'), 'latin1')
    isRowOpen = endsRow
  }
  yield Buffer.from(isRowOpen ? '\n]\n' : ']\n')
}

const LINE_FEED = 0x0a
