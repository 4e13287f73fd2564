import { grouped } from '../../metering/grouped.ts'
import { flexible, plainTable } from '../plain-table.ts'
import type { Sheet } from './sheets.ts'

/** A table for people: no column in which everything is 0, digits in groups, and each peak marked. `charts`: with charts of days. */
export function tableOf({ columns, rows }: Sheet, { charts }: { charts: boolean }): string {
  const shown = columns.flatMap((column, index) => (column.isEmpty || (column.holds === 'chart' && !charts) ? [] : [{ ...column, index }]))
  const cells = rows.map(({ cells: all, peaks = [] }) =>
    shown.map(({ name, holds, index }) => {
      const cell = all[index] ?? ''
      return holds === 'number' ? `${grouped(cell)}${peaks.includes(name) ? ' ▲' : ''}` : cell
    }),
  )
  const numbers = shown.flatMap(({ holds }, index) => (holds === 'number' ? [index] : []))
  return plainTable(
    shown.map(({ name, isFlexible }) => (isFlexible === true ? flexible(name) : name)),
    cells,
    numbers,
  )
}
