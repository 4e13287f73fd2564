import { EXPORT_COLUMNS, NUMBER_COLUMNS, SHEET_ROWS_MAX } from '../../contract/export-formats.ts'
import type { Manifest } from '../../contract/export-manifest.ts'
import { EXPORT_LINES, EXPORT_OWN_STATEMENT, GET_EXPORT_MANIFEST } from '../../contract/exports.ts'
import { rowXml, type XlsxCell } from './xlsx-cells.ts'
import { SHEET_TAIL, sheetHead } from './xlsx-parts.ts'

/**
 * The sheet of a workbook that says what its rows are, what they add up to, and how to check that. It has only what follows from the
 * rows, and no time of writing, so that a closed month has the same sheet whenever it is exported.
 */
export function howToVerify(manifest: Manifest, rowSheets: number): string {
  const rows: XlsxCell[][] = [
    [head('How to verify this file')],
    ...aboutFile(manifest, rowSheets).map(([label, text]): XlsxCell[] => [{ text: label }, { text, style: 'wrapped' }]),
    [],
    ['line', 'metric', 'rows', 'sum of value'].map(head),
    ...manifest.totals.map(({ line, metric, rows: count, value }): XlsxCell[] => [
      { text: line },
      { text: metric },
      { decimal: String(count) },
      { decimal: value },
    ]),
  ]
  const xml = rows.map((cells, index) => rowXml(index + 1, cells)).join('')
  return `${sheetHead({ widths: [24, 110, 14, 40], rows: rows.length, isHeadFrozen: false })}${xml}${SHEET_TAIL}`
}

function head(text: string): XlsxCell {
  return { text, style: 'head' }
}

function aboutFile(
  { partner_id, partners, month, from, to, status, as_of, rows, statement_sha256 }: Manifest,
  rowSheets: number,
): [label: string, text: string][] {
  const partnerArgument = partner_id === null ? '' : ` --partner ${partner_id}`
  const spanArgument = month === null ? `--from ${from} --to ${to}` : `--month ${month}`
  const spanQuery = month === null ? `from=${from}&to=${to}` : `month=${month}`
  const query = `${spanQuery}${partner_id === null ? '' : `&partner=${partner_id}`}`
  return [
    ['content', month === null ? `usage of the days ${from} to ${to}, as metered when the file was written` : `statement lines of the month ${month}`],
    ['partner', partner_id ?? `all (${partners})`],
    ['status', status === 'closed' ? 'closed: these rows never change' : 'open: later usage may be added, so a later file may have other rows'],
    ['complete up to', as_of ?? 'no time yet'],
    ['rows', `${rows}, on ${rowSheets === 1 ? 'the sheet "Rows"' : `${rowSheets} sheets, each with at most ${SHEET_ROWS_MAX - 1}`}`],
    ...(statement_sha256 === null ? [] : ofStatement({ statement_sha256, partner_id: partner_id ?? '', month: month ?? '' })),
    [
      'check this file',
      `meterline verify FILE (with FILE.manifest.json beside it) adds the rows up again, compares them with the manifest and with the service${statement_sha256 === null ? '' : ', and computes statement_sha256 from the rows'}.`,
    ],
    ['write it again', `meterline export ${spanArgument}${partnerArgument} --format xlsx, or ${EXPORT_LINES.method} ${EXPORT_LINES.path}?${query}&format=xlsx`],
    ['manifest', `${GET_EXPORT_MANIFEST.method} ${GET_EXPORT_MANIFEST.path}?${query}&format=xlsx: the number of rows and the sums below`],
    [
      'numbers',
      `${NUMBER_COLUMNS.join(', ')} are numbers. A spreadsheet keeps 15 digits of a number, so a number with more significant digits is a text cell with all of them. Functions such as SUM leave text cells out: compare with the sums below, which are exact.`,
    ],
    [
      'texts',
      `All other columns are texts, never formulas: ${EXPORT_COLUMNS.filter((column) => !NUMBER_COLUMNS.includes(column)).join(', ')}. Days are YYYY-MM-DD and times ISO 8601, in UTC. An empty cell is a value that does not apply.`,
    ],
  ]
}

function ofStatement({
  statement_sha256,
  partner_id,
  month,
}: {
  statement_sha256: string
  partner_id: string
  month: string
}): [label: string, text: string][] {
  const path = EXPORT_OWN_STATEMENT.path.replace(':partnerId', partner_id).replace(':month', month)
  return [
    ['statement_sha256', statement_sha256],
    [
      'compute it',
      `It is the SHA-256 of the statement as NDJSON. Write that file with meterline export --month ${month} --partner ${partner_id} --format ndjson, or ${EXPORT_OWN_STATEMENT.method} ${path}?format=ndjson, and run sha256sum on it.`,
    ],
  ]
}
