import { createHash } from 'node:crypto'
import { StringDecoder } from 'node:string_decoder'
import { type Entry, openPromise } from 'yauzl'
import { EXPORT_COLUMNS, type ExportColumn, exportColumnsOf, NUMBER_COLUMNS } from '../contract/export-formats.ts'
import { countRow, noRows, type RowTotals } from './read-exported-rows.ts'

/** What a workbook holds, and the SHA-256 of its rows in the canonical form of a statement. */
export interface ReadWorkbook {
  readonly counted: RowTotals
  readonly canonicalSha256: string
}

/**
 * Reads the rows of a workbook as the service writes it, without holding more than one. A workbook that a spreadsheet has saved again
 * has another form. Throws RangeError for what is no such row, and Error for what is no ZIP file.
 */
export async function readWorkbook(file: string): Promise<ReadWorkbook> {
  const counted = noRows()
  const hash = createHash('sha256')
  const zip = await openPromise(file, { lazyEntries: true })
  for await (const entry of zip.eachEntry()) {
    if (!ROWS_SHEET.test(entry.fileName)) continue
    let isHead = true
    for await (const cells of rowsOf(await zip.openReadStreamPromise(entry), entry)) {
      if (isHead && EXPORT_COLUMNS.some((column) => cells[column] !== column))
        throw new RangeError(`${entry.fileName} does not begin with the columns of an export.`)
      if (!isHead) {
        const { line, metric, value } = cells
        if (line === undefined || metric === undefined || value === undefined)
          throw new RangeError(`${entry.fileName} has a row without line, metric or value.`)
        countRow(counted, { line, metric, value })
        if (isOfStatement(line, value)) hash.update(canonicalLine(cells))
      }
      isHead = false
    }
  }
  return { counted, canonicalSha256: hash.digest('hex') }
}

/** No adjustment line of a statement is 0: such a row is in the file for a correction of byte-days alone. */
function isOfStatement(line: string, value: string): boolean {
  return line !== 'adjustment' || value !== '0'
}

type Cells = Partial<Record<ExportColumn, string>>

/** A file without the last ones has no cells there. */
const COLUMNS = exportColumnsOf({ include: 'byte_days' })

const ROWS_SHEET = /^xl\/worksheets\/rows-\d+\.xml$/
const ROW_END = '</row>'
/** A row has at most a few texts of a few hundred characters. */
const ROW_CHARACTERS_MAX = 1_000_000

async function* rowsOf(bytes: AsyncIterable<Uint8Array>, { fileName }: Entry): AsyncIterable<Cells> {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  for await (const chunk of bytes) {
    const rows = (rest + decoder.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length))).split(ROW_END)
    rest = rows.pop() ?? ''
    if (rest.length > ROW_CHARACTERS_MAX) throw new RangeError(`${fileName} is not a sheet that Meterline wrote.`)
    for (const row of rows) yield cellsOf(row)
  }
  if (!rest.startsWith('</sheetData>')) throw new RangeError(`${fileName} stops within a row.`)
}

function cellsOf(row: string): Cells {
  const cells: Cells = {}
  for (const [, letters = '', number, text] of row.matchAll(CELL)) {
    const column = COLUMNS[letters.charCodeAt(0) - LETTER_A]
    if (column === undefined || letters.length > 1) throw new RangeError(`Column ${letters} is not one of an export.`)
    cells[column] = number ?? unescapeText(text ?? '')
  }
  return cells
}

const CELL = /<c r="([A-Z]+)\d+"[^>]*>(?:<v>([^<]*)<\/v>|<is><t[^>]*>([^<]*)<\/t><\/is>)<\/c>/g
const LETTER_A = 65
const ENTITIES: Record<string, string> = { '&amp;': '&', '&lt;': '<', '&gt;': '>' }

function unescapeText(text: string): string {
  return text
    .replaceAll(/&(?:amp|lt|gt);/g, (entity) => ENTITIES[entity] ?? entity)
    .replaceAll(/_x([0-9A-Fa-f]{4})_/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
}

/** A line of the NDJSON whose hash is that of the statement: as the service writes it, byte for byte. */
function canonicalLine(cells: Cells): string {
  const fields = EXPORT_COLUMNS.map((column) => {
    const cell = cells[column]
    return `"${column}":${cell === undefined ? 'null' : NUMBER_COLUMNS.includes(column) ? cell : jsonText(cell)}`
  })
  return `{${fields.join(',')}}\n`
}

/** The service writes the code of a control character in capitals, and escapes the two line separators of JavaScript, too. */
function jsonText(text: string): string {
  return JSON.stringify(text)
    .replaceAll(/\\(?:u(\w{4})|.)/g, (sequence, code: string | undefined) => (code === undefined ? sequence : `\\u${code.toUpperCase()}`))
    .replaceAll('\u2028', '\\u2028')
    .replaceAll('\u2029', '\\u2029')
}
