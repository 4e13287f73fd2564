import Table from 'cli-table3'
import { columnsOf } from '../colours.ts'
import { type RenderOptions, styledWords, wrapWords } from './styled-words.ts'

/** The border and the padding of each column, and the border at the end. */
const BORDER_OF_COLUMN = 3
const CELL_COLUMNS_MIN = 5

/** A table of Markdown as one of the terminal; wide columns share what is left by the narrow ones, and their cells are wrapped. */
export function renderTable(lines: readonly string[], { columns, paint, describeLink }: RenderOptions): string {
  const [head = [], , ...rows] = lines.map(cellsOf)
  const words = [head, ...rows].map((row) => head.map((_, column) => styledWords(row[column] ?? '', paint, describeLink)))
  const natural = head.map((_, column) => Math.max(1, ...words.map((row) => columnsOf((row[column] ?? []).join(' ')))))
  const widths = shareColumns(natural, columns - BORDER_OF_COLUMN * head.length - 1)
  const [heads = [], ...bodies] = words.map((row) => row.map((cell, column) => wrapWords(cell, widths[column] ?? 1).join('\n')))
  const table = new Table({ head: heads, style: { head: [], border: [] } })
  for (const body of bodies) table.push(body)
  return table.toString()
}

/** A bar within code or after a backslash separates no cells. */
function cellsOf(line: string): string[] {
  const inner = line.trim().replace(/^\|/, '').replace(/\|$/, '')
  return inner.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll('\\|', '|'))
}

/** The narrowest column first: each gets what it needs, or its equal share of what is left. */
function shareColumns(natural: readonly number[], columns: number): number[] {
  const widths = natural.map(() => 0)
  let left = columns
  const order = natural.map((need, column) => ({ need, column })).sort((one, other) => one.need - other.need)
  for (const [done, { need, column }] of order.entries()) {
    const width = Math.max(CELL_COLUMNS_MIN, Math.min(need, Math.floor(left / (order.length - done))))
    widths[column] = Math.min(width, Math.max(need, 1))
    left -= widths[column] ?? 0
  }
  return widths
}
