import Table from 'cli-table3'

/** A row is a line, so that more of them fit on a screen. */
const NO_LINES_BETWEEN_ROWS = { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' }

/** A table without colours: what a verb prints is also read by files and pipes. */
export function plainTable(head: readonly string[], rows: readonly (readonly (string | number)[])[], rightAligned: readonly number[] = []): string {
  const colAligns = head.map((_, column) => (rightAligned.includes(column) ? ('right' as const) : ('left' as const)))
  const table = new Table({ head: [...head], colAligns, style: { head: [], border: [] }, chars: NO_LINES_BETWEEN_ROWS })
  for (const row of rows) table.push([...row])
  return table.toString()
}
