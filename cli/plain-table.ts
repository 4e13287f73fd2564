import Table from 'cli-table3'

/** A row is a line, so that more of them fit on a screen. */
const NO_LINES_BETWEEN_ROWS = { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' }
/** A space on each side of a cell. */
const PADDING = 2
/** No column gets narrower, so that what is left of a cell still says something. */
const SHORTENED_MIN = 8
const INSTANT = /^(?<toTheMinute>\d{4}-\d\d-\d\dT\d\d:\d\d):\d\d(?:\.\d+)?Z$/

export interface FlexibleColumn {
  readonly name: string
  readonly isFlexible: true
}

type Cells = readonly (string | number)[]

/** A column whose cells may be shortened, because they are read and not copied: a name or a reason, never an id or a number. */
export function flexible(name: string): FlexibleColumn {
  return { name, isFlexible: true }
}

/**
 * A table without colours: what a verb prints is also read by files and pipes. On a terminal that is too narrow for it, instants are shown to
 * the minute, and then flexible columns are shortened, the widest one first. Elsewhere every cell is whole.
 */
export function plainTable(head: readonly (string | FlexibleColumn)[], rows: readonly Cells[], rightAligned: readonly number[] = []): string {
  const names = head.map((each) => (typeof each === 'string' ? each : each.name))
  const whole = rows.map((row) => row.map(visible))
  const table = drawn(names, whole, { rightAligned })
  const { isTTY, columns } = process.stdout
  if (isTTY !== true || widthOf(table) <= columns) return table
  const brief = whole.map((row) => row.map((cell) => INSTANT.exec(cell)?.groups?.['toTheMinute']?.concat('Z') ?? cell))
  const widths = fittingWidths(columnWidths(drawn(names, brief, { rightAligned })), head, columns)
  return drawn(names, brief, { rightAligned, widths })
}

/** What an emitter sent must not move the cursor of the caller that lists it. */
function visible(cell: string | number): string {
  return String(cell).replaceAll(/(?!\n)\p{Cc}/gu, '\ufffd')
}

interface Drawing {
  readonly rightAligned: readonly number[]
  readonly widths?: readonly (number | null)[]
}

function drawn(names: readonly string[], rows: readonly (readonly string[])[], { rightAligned, widths = [] }: Drawing): string {
  const colAligns = names.map((_, column) => (rightAligned.includes(column) ? ('right' as const) : ('left' as const)))
  const table = new Table({ head: [...names], colAligns, colWidths: [...widths], style: { head: [], border: [] }, chars: NO_LINES_BETWEEN_ROWS })
  for (const row of rows) table.push([...row])
  return table.toString()
}

/** Of its first line, which has box characters only. */
function widthOf(table: string): number {
  return table.indexOf('\n')
}

function columnWidths(table: string): number[] {
  return table
    .slice(1, widthOf(table) - 1)
    .split('┬')
    .map(({ length }) => length)
}

/** Takes from the widest flexible column what is too much, one character at a time. */
function fittingWidths(natural: readonly number[], head: readonly (string | FlexibleColumn)[], columns: number): (number | null)[] {
  const widths = [...natural]
  let excess = widths.reduce((sum, width) => sum + width + 1, 1) - columns
  for (; excess > 0; excess -= 1) {
    const canGive = head.flatMap((each, index) => (typeof each !== 'string' && (widths[index] ?? 0) > minOf(each) ? [index] : []))
    const [widest] = canGive.toSorted((one, other) => (widths[other] ?? 0) - (widths[one] ?? 0))
    if (widest === undefined) break
    widths[widest] = (widths[widest] ?? 0) - 1
  }
  return widths.map((width, index) => (width === natural[index] ? null : width))
}

function minOf({ name }: FlexibleColumn): number {
  return Math.max(name.length, SHORTENED_MIN) + PADDING
}
