import type { ComponentChildren } from 'preact'

export type Column = string | { readonly title: string; readonly isNumber: true }

export interface Row {
  readonly key: string
  readonly cells: readonly ComponentChildren[]
}

interface TableProps {
  readonly caption: string
  readonly isCaptionHidden?: boolean
  readonly columns: readonly Column[]
  readonly rows: readonly Row[]
  /** Shown instead of an empty table. */
  readonly empty?: string
  /** A row that closes the table, such as a total. */
  readonly foot?: Row
}

/** A table that becomes a list of labelled values where the page is narrow. The first cell of a row names it. */
export function Table({ caption, isCaptionHidden = false, columns, rows, empty = 'Nothing here.', foot }: TableProps) {
  if (rows.length === 0) return <p class="hint">{empty}</p>
  const titles = columns.map((column) => (typeof column === 'string' ? column : column.title))
  const cellClass = (index: number) => (typeof columns[index] === 'object' ? 'number' : undefined)
  const cellsOf = ({ cells }: Row) =>
    cells.map((cell, index) =>
      index === 0 ? (
        <th key={index} scope="row" data-title={titles[index]}>
          {cell}
        </th>
      ) : (
        <td key={index} class={cellClass(index)} data-title={titles[index]}>
          {cell}
        </td>
      ),
    )
  return (
    <div class="table">
      <table>
        <caption class={isCaptionHidden ? 'visually-hidden' : undefined}>{caption}</caption>
        <thead>
          <tr>
            {titles.map((title, index) => (
              <th key={title} scope="col" class={cellClass(index)}>
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.key}>{cellsOf(row)}</tr>
          ))}
        </tbody>
        {foot === undefined ? null : (
          <tfoot>
            <tr>{cellsOf(foot)}</tr>
          </tfoot>
        )}
      </table>
    </div>
  )
}
