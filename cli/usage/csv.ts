import type { Sheet } from './sheets.ts'

/** CSV (RFC 4180) with every column. A text that a spreadsheet would run as a formula gets an apostrophe, as in exports. */
export function csvOf({ columns, rows }: Sheet): string[] {
  const ofData = <T>(cells: readonly T[]) => cells.filter((_, index) => columns[index]?.holds !== 'chart')
  return [ofData(columns).map(({ name }) => name.replaceAll(' ', '_')), ...rows.map(({ cells }) => ofData(cells))].map((cells) => cells.map(quoted).join(','))
}

function quoted(cell: string): string {
  const guarded = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell
  return /[",\n\r]/.test(guarded) ? `"${guarded.replaceAll('"', '""')}"` : guarded
}
