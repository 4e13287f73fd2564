/**
 * One row of a worksheet (ECMA-376, part 1, section 18.3.1). A null is no cell. All texts are inline, because a table of shared texts
 * would have to be held in memory until the end of the file.
 */
export function rowXml(at: number, cells: readonly XlsxCell[]): string {
  let xml = `<row r="${at}">`
  for (const [index, cell] of cells.entries()) if (cell !== null) xml += cellXml(`${columnName(index)}${at}`, cell)
  return `${xml}</row>`
}

/** A text, a number as an exact decimal, or nothing. `style` is one of STYLES. */
export type XlsxCell = { readonly text: string; readonly style?: XlsxStyle } | { readonly decimal: string } | null

/**
 * The cell formats of a workbook; xlsx-parts.ts defines them in this order. Texts have the format Text, so that a spreadsheet does not
 * read a text as a number or a formula when somebody edits its cell.
 */
export const STYLES = ['plain', 'head', 'text', 'integer', 'fraction', 'digits', 'wrapped'] as const
export type XlsxStyle = (typeof STYLES)[number]

function cellXml(reference: string, cell: Exclude<XlsxCell, null>): string {
  if ('text' in cell) return textCell(reference, cell.text, cell.style ?? 'text')
  if (!fitsDouble(cell.decimal)) return textCell(reference, cell.decimal, 'digits')
  return `<c r="${reference}" s="${STYLES.indexOf(cell.decimal.includes('.') ? 'fraction' : 'integer')}"><v>${cell.decimal}</v></c>`
}

function textCell(reference: string, text: string, style: XlsxStyle): string {
  return `<c r="${reference}" s="${STYLES.indexOf(style)}" t="inlineStr"><is><t xml:space="preserve">${escapeText(text)}</t></is></c>`
}

/**
 * Whether a spreadsheet keeps all digits of a number. It computes with doubles, shows 15 digits and sets all others to zero. Every decimal
 * of at most 15 significant digits is the shortest text of its double.
 */
export function fitsDouble(decimal: string): boolean {
  const digits = decimal.replace('-', '').replace('.', '').replace(/^0+/, '').replace(/0+$/, '')
  return digits.length <= SIGNIFICANT_DIGITS_MAX
}

const SIGNIFICANT_DIGITS_MAX = 15

/**
 * A text of a cell. XML forbids most control characters and lone surrogates, and its readers turn a carriage return into a line feed.
 * Workbooks write such a character as `_x000D_` (ECMA-376, part 1, section 22.9.2.19), so a text that looks like this is escaped too:
 * its underscore becomes `_x005F_`.
 */
export function escapeText(text: string): string {
  if (!SPECIAL.test(text)) return text
  return text
    .replaceAll(UNDERSCORE_OF_ESCAPE, '_x005F_')
    .replaceAll(NOT_IN_XML, (character) => `_x${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}_`)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
}

const FORBIDDEN = '[\\u0000-\\u0008\\u000b-\\u001f\\ufffe\\uffff]|[\\ud800-\\udbff](?![\\udc00-\\udfff])|(?<![\\ud800-\\udbff])[\\udc00-\\udfff]'
const NOT_IN_XML = new RegExp(FORBIDDEN, 'g')
/** The escape of the next character begins with an underscore, which could complete another one. */
const UNDERSCORE_OF_ESCAPE = new RegExp(`_(?=x[0-9A-Fa-f]{4}(?:_|${FORBIDDEN}))`, 'g')
const SPECIAL = new RegExp(`[&<>_]|${FORBIDDEN}`)

/** A, B, … Z, AA, … of a column that is counted from 0. */
export function columnName(index: number): string {
  const letter = String.fromCharCode(65 + (index % 26))
  return index < 26 ? letter : `${columnName(Math.floor(index / 26) - 1)}${letter}`
}
