import { type PassThrough, Readable } from 'node:stream'
import { ZipFile } from 'yazl'
import { type ExportColumn, exportColumnsOf, NUMBER_COLUMNS, SHEET_ROWS_MAX } from '../../contract/export-formats.ts'
import type { Manifest } from '../../contract/export-manifest.ts'
import { fieldsOf } from '../../sql/tab-separated.ts'
import { howToVerify } from './how-to-verify.ts'
import { LineFeed } from './line-feed.ts'
import { rowXml, type XlsxCell } from './xlsx-cells.ts'
import { SHEET_TAIL, sheetHead, sheetPath, workbookParts, type XlsxSheet } from './xlsx-parts.ts'

/**
 * A workbook with the rows of an export (groups of TabSeparated lines), and a sheet that says how to verify them. Nothing is kept until
 * the end of the file, so memory does not grow with the number of rows. The same rows give the same bytes: the times in the file are
 * fixed, and the compressor gets the same chunks, whatever the chunks of the store. Throws when the lines are not as many as the
 * manifest says.
 */
export async function* workbookFile(lines: AsyncIterable<readonly string[]>, manifest: Manifest, sheetRowsMax = SHEET_ROWS_MAX): AsyncIterable<Uint8Array> {
  // ZIP writes local times: this is the same text in every time zone.
  const entry = { mtime: new Date(1980, 0, 2), forceDosTimestamp: true }
  const [first, ...further] = sheetsOfRows(manifest.rows, sheetRowsMax - 1)
  const feed = new LineFeed(lines)
  const zip = new ZipFile()
  const output = zip.outputStream as PassThrough
  const fail = (error: Error) => output.destroy(error)
  zip.on('error', fail)
  // When nobody reads the file any more, nothing else listens to its error.
  output.on('error', () => {})
  const columns = exportColumnsOf(manifest)
  let current: Readable | undefined
  try {
    for (const [path, xml] of workbookParts([first, VERIFICATION, ...further])) zip.addBuffer(Buffer.from(xml), path, entry)
    zip.addBuffer(Buffer.from(howToVerify(manifest, 1 + further.length)), sheetPath(VERIFICATION), entry)
    for (const sheet of [first, ...further])
      zip.addReadStreamLazy(sheetPath(sheet), entry, (begin) => {
        current = Readable.from(rowsSheet(feed, sheet, columns), { objectMode: false }).on('error', fail)
        begin(null, current)
      })
    zip.end()
    yield* output
    await feed.requireEnd()
  } finally {
    current?.destroy()
    await feed.close()
  }
}

const VERIFICATION: XlsxSheet = { title: 'How to verify', part: 'how-to-verify.xml' }

interface RowsSheet extends XlsxSheet {
  readonly rows: number
}

/** Rows that do not fit on one sheet continue on further ones. */
function sheetsOfRows(rows: number, rowsMax: number): [RowsSheet, ...RowsSheet[]] {
  const ofFirst = Math.min(rows, rowsMax)
  const sheets: [RowsSheet, ...RowsSheet[]] = [{ title: 'Rows', part: 'rows-1.xml', rows: ofFirst }]
  for (let left = rows - ofFirst; left > 0; left -= rowsMax) {
    const number = sheets.length + 1
    sheets.push({ title: `Rows ${number}`, part: `rows-${number}.xml`, rows: Math.min(left, rowsMax) })
  }
  return sheets
}

async function* rowsSheet(feed: LineFeed, { rows }: RowsSheet, columns: readonly ExportColumn[]): AsyncIterable<Buffer> {
  let xml = sheetHead({ widths: columns.map((column) => WIDTHS[column]), rows: rows + 1, isHeadFrozen: true })
  xml += rowXml(
    1,
    columns.map((column) => ({ text: column, style: 'head' })),
  )
  for (let at = 0; at < rows; ) {
    for (const line of await feed.take(rows - at)) {
      at += 1
      xml += rowXml(at + 1, cellsOf(line, columns))
      if (xml.length < CHUNK_CHARACTERS) continue
      yield Buffer.from(xml)
      xml = ''
    }
  }
  yield Buffer.from(xml + SHEET_TAIL)
}

const CHUNK_CHARACTERS = 64 * 1024

function cellsOf(line: string, columns: readonly ExportColumn[]): XlsxCell[] {
  const fields = fieldsOf(line)
  if (fields.length !== columns.length) throw new Error('The store delivered a line that is not a whole row.')
  return fields.map((field, index) => (field === null ? null : isNumber(columns[index]) ? { decimal: field } : { text: field }))
}

function isNumber(column: ExportColumn | undefined): boolean {
  return NUMBER_COLUMNS.some((each) => each === column)
}

/** Characters. */
const WIDTHS: Record<ExportColumn, number> = {
  partner_id: 18,
  month: 10,
  line: 12,
  for_month: 11,
  project_id: 28,
  name: 28,
  status: 10,
  deleted_at: 26,
  metric: 22,
  kind: 12,
  unit: 10,
  value: 24,
  peak_day: 12,
  own_max: 24,
  own_max_day: 13,
  events: 14,
  reason: 40,
  byte_days: 24,
  days_with_samples: 18,
}
