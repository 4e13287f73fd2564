import { columnName, escapeText, STYLES, type XlsxStyle } from './xlsx-cells.ts'

/** A sheet of a workbook: what its tab says, and the name of its file. */
export interface XlsxSheet {
  readonly title: string
  readonly part: string
}

/** The files of a workbook beside its sheets, by path (ECMA-376, parts 1 and 2). The first sheet is shown when it is opened. */
export function workbookParts(sheets: readonly XlsxSheet[]): readonly (readonly [path: string, xml: string])[] {
  return [
    ['[Content_Types].xml', contentTypes(sheets)],
    ['_rels/.rels', relationships([['officeDocument', `${FOLDER}/workbook.xml`]])],
    [`${FOLDER}/workbook.xml`, workbook(sheets)],
    [`${FOLDER}/_rels/workbook.xml.rels`, relationships([...sheets.map(({ part }) => ['worksheet', `worksheets/${part}`] as const), ['styles', 'styles.xml']])],
    [`${FOLDER}/styles.xml`, STYLE_SHEET],
  ]
}

export function sheetPath({ part }: XlsxSheet): string {
  return `${FOLDER}/worksheets/${part}`
}

/** What is before the rows of a sheet. `widths` are in characters, one per column. */
export function sheetHead({ widths, rows, isHeadFrozen }: { widths: readonly number[]; rows: number; isHeadFrozen: boolean }): string {
  const view = isHeadFrozen
    ? '<sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/><selection pane="bottomLeft"/></sheetView>'
    : '<sheetView workbookViewId="0"/>'
  const columns = widths.map((width, index) => `<col min="${index + 1}" max="${index + 1}" width="${width}" customWidth="1"/>`).join('')
  return `${XML}<worksheet xmlns="${MAIN}"><dimension ref="A1:${columnName(widths.length - 1)}${rows}"/><sheetViews>${view}</sheetViews><cols>${columns}</cols><sheetData>`
}

export const SHEET_TAIL = '</sheetData></worksheet>'

/** The folder that spreadsheets use within a workbook. */
const FOLDER = 'xl'
const XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
const MAIN = 'http://schemas.openxmlformats.org/spreadsheetml/2006/main'
const RELATIONSHIPS = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships'
const PACKAGE = 'http://schemas.openxmlformats.org/package/2006'
const CONTENT_TYPE = 'application/vnd.openxmlformats-officedocument.spreadsheetml'

function contentTypes(sheets: readonly XlsxSheet[]): string {
  const parts = [
    [`/${FOLDER}/workbook.xml`, 'sheet.main'],
    [`/${FOLDER}/styles.xml`, 'styles'],
    ...sheets.map((sheet) => [`/${sheetPath(sheet)}`, 'worksheet']),
  ]
  const defaults = `<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/>`
  const overrides = parts.map(([name, type]) => `<Override PartName="${name}" ContentType="${CONTENT_TYPE}.${type}+xml"/>`).join('')
  return `${XML}<Types xmlns="${PACKAGE}/content-types">${defaults}${overrides}</Types>`
}

function relationships(targets: readonly (readonly [type: string, target: string])[]): string {
  const each = targets.map(([type, target], index) => `<Relationship Id="rId${index + 1}" Type="${RELATIONSHIPS}/${type}" Target="${target}"/>`).join('')
  return `${XML}<Relationships xmlns="${PACKAGE}/relationships">${each}</Relationships>`
}

function workbook(sheets: readonly XlsxSheet[]): string {
  const each = sheets.map(({ title }, index) => `<sheet name="${escapeText(title)}" sheetId="${index + 1}" r:id="rId${index + 1}"/>`).join('')
  return `${XML}<workbook xmlns="${MAIN}" xmlns:r="${RELATIONSHIPS}"><bookViews><workbookView/></bookViews><sheets>${each}</sheets></workbook>`
}

const FRACTION_FORMAT = 164
/** 0, 1 and 49 are built in: General, integers, and Text. */
const FORMATS: Record<XlsxStyle, string> = {
  plain: '<xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>',
  head: '<xf numFmtId="49" fontId="1" fillId="0" borderId="0" xfId="0" applyNumberFormat="1" applyFont="1"/>',
  text: '<xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>',
  integer: '<xf numFmtId="1" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>',
  fraction: `<xf numFmtId="${FRACTION_FORMAT}" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>`,
  digits: '<xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1" applyAlignment="1"><alignment horizontal="right"/></xf>',
  wrapped:
    '<xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1" applyAlignment="1"><alignment vertical="top" wrapText="1"/></xf>',
}
const STYLE_SHEET =
  `${XML}<styleSheet xmlns="${MAIN}"><numFmts count="1"><numFmt numFmtId="${FRACTION_FORMAT}" formatCode="0.0########"/></numFmts>` +
  '<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font><font><b/><sz val="11"/><name val="Calibri"/></font></fonts>' +
  '<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills>' +
  '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>' +
  '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>' +
  `<cellXfs count="${STYLES.length}">${STYLES.map((style) => FORMATS[style]).join('')}</cellXfs>` +
  '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
