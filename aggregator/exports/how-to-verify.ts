import { type ExportColumn, exportColumnsOf, NUMBER_COLUMNS, SHEET_ROWS_MAX } from '../../contract/export-formats.ts'
import type { Manifest } from '../../contract/export-manifest.ts'
import { EXPORT_LINES, EXPORT_OWN_STATEMENT, GET_EXPORT_MANIFEST } from '../../contract/exports.ts'
import { rowXml, type XlsxCell } from './xlsx-cells.ts'
import { SHEET_TAIL, sheetHead } from './xlsx-parts.ts'

/**
 * The sheet of a workbook that says what its rows are, what they add up to, and how to check that. It has only what follows from the
 * rows, and no time of writing, so that a closed month has the same sheet whenever it is exported.
 */
export function howToVerify(manifest: Manifest, rowSheets: number): string {
  const about = [...contentOf(manifest, rowSheets), ...hashOf(manifest), ...waysToCheck(manifest), ...aboutCells(exportColumnsOf(manifest))]
  const rows: XlsxCell[][] = [
    [head('How to verify this file')],
    ...about.map(([label, text]): XlsxCell[] => [{ text: label }, { text, style: 'wrapped' }]),
    [],
    ['line', 'metric', 'rows', 'sum of value'].map(head),
    ...manifest.totals.map((total): XlsxCell[] => [{ text: total.line }, { text: total.metric }, { decimal: String(total.rows) }, { decimal: total.value }]),
  ]
  const xml = rows.map((cells, index) => rowXml(index + 1, cells)).join('')
  return `${sheetHead({ widths: [24, 110, 14, 40], rows: rows.length, isHeadFrozen: false })}${xml}${SHEET_TAIL}`
}

type Labelled = readonly [label: string, text: string]

function head(text: string): XlsxCell {
  return { text, style: 'head' }
}

function contentOf({ partner_id, partners, month, from, to, status, as_of, rows }: Manifest, rowSheets: number): Labelled[] {
  return [
    ['content', month === null ? `usage of the days ${from} to ${to}, as metered when the file was written` : `statement lines of the month ${month}`],
    ['partner', partner_id ?? `all (${partners})`],
    ['status', status === 'closed' ? 'closed: these rows never change' : 'open: later usage may be added, so a later file may have other rows'],
    ['complete up to', as_of ?? 'no time yet'],
    ['rows', `${rows}, on ${rowSheets === 1 ? 'the sheet "Rows"' : `${rowSheets} sheets, each with at most ${SHEET_ROWS_MAX - 1} and a header`}`],
  ]
}

/** Only the closed month of one partner has a hash of its own; all partners of a month have one each. */
function hashOf({ statement_sha256, partner_id, month }: Manifest): Labelled[] {
  if (statement_sha256 === null || partner_id === null || month === null) return []
  const file = `meterline export --month ${month} --partner ${partner_id} --format ndjson, or ${ownExport(partner_id, month)}?format=ndjson`
  return [
    ['statement_sha256', statement_sha256],
    ['compute it', `It is the SHA-256 of the statement as NDJSON. Write that file with ${file}, and run sha256sum on it.`],
  ]
}

function waysToCheck({ statement_sha256, partner_id, month, from, to, include }: Manifest): Labelled[] {
  const ofPartner = partner_id === null ? '' : `&partner=${partner_id}`
  const query = `${month === null ? `from=${from}&to=${to}` : `month=${month}`}${ofPartner}&format=xlsx${include === undefined ? '' : `&include=${include}`}`
  const own =
    partner_id === null || month === null
      ? ''
      : `; the partner itself with ${ownExport(partner_id, month)}?format=xlsx${include === undefined ? '' : `&include=${include}`}`
  const andHash = statement_sha256 === null ? '' : ' It also computes statement_sha256 from the rows.'
  return [
    [
      'check this file',
      `meterline verify FILE, with FILE.manifest.json beside it, adds the rows up again and compares them with the manifest and the service.${andHash}`,
    ],
    [
      'write it again',
      `meterline export ${month === null ? `--from ${from} --to ${to}` : `--month ${month}`}${partner_id === null ? '' : ` --partner ${partner_id}`} --format xlsx${include === undefined ? '' : ` --include ${include}`}, or ${EXPORT_LINES.method} ${EXPORT_LINES.path}?${query}${own}`,
    ],
    [
      'manifest',
      `${GET_EXPORT_MANIFEST.method} ${GET_EXPORT_MANIFEST.path}?${query}, or the header x-meterline-manifest of the file: number of rows, and the sums below`,
    ],
  ]
}

const aboutCells = (columns: readonly ExportColumn[]): readonly Labelled[] => [
  [
    'numbers',
    `${columns.filter((column) => NUMBER_COLUMNS.includes(column)).join(', ')} are numbers. A spreadsheet keeps 15 digits of a number, so a number with more significant digits is a text cell with all of them. Functions such as SUM leave text cells out: compare with the sums below, which are exact.`,
  ],
  [
    'texts',
    `All other columns are texts, never formulas: ${columns.filter((column) => !NUMBER_COLUMNS.includes(column)).join(', ')}. Days are YYYY-MM-DD and times ISO 8601, in UTC. An empty cell is a value that does not apply.`,
  ],
]

function ownExport(partnerId: string, month: string): string {
  return `${EXPORT_OWN_STATEMENT.method} ${EXPORT_OWN_STATEMENT.path.replace(':partnerId', partnerId).replace(':month', month)}`
}
