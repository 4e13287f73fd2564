const BLOCKS = '▁▂▃▄▅▆▇█'
/** More days than this are drawn together, the greatest of each group. */
const COLUMNS_MAX = 31

/** A line of block characters: the height is the share of the greatest value, and a day without usage is a space. */
export function sparkline(values: readonly number[]): string {
  const size = Math.ceil(values.length / COLUMNS_MAX)
  const groups = Array.from({ length: Math.ceil(values.length / size) }, (_, index) => Math.max(...values.slice(index * size, (index + 1) * size)))
  const greatest = Math.max(0, ...groups)
  if (greatest === 0) return ''
  return groups.map((value) => (value === 0 ? ' ' : BLOCKS[Math.min(BLOCKS.length - 1, Math.floor((value / greatest) * BLOCKS.length))])).join('')
}
