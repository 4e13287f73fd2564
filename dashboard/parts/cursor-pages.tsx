import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'

/** The pages of a list up to the one that is shown. */
export interface CursorPages {
  /** Undefined for the first page. */
  readonly cursor: string | undefined
  readonly number: number
  readonly back: () => void
  readonly forward: (nextCursor: string) => void
}

export function useCursorPages(): CursorPages {
  const [cursors, setCursors] = useState<readonly (string | undefined)[]>([undefined])
  return {
    cursor: cursors.at(-1),
    number: cursors.length,
    back: () => setCursors(cursors.slice(0, -1)),
    forward: (nextCursor) => setCursors([...cursors, nextCursor]),
  }
}

interface PageButtonsProps {
  /** What the list is of, such as "rejected events". */
  readonly of: string
  readonly pages: CursorPages
  readonly nextCursor: string | null
  /** Said in place of the number of the page, and also of a list of one page. */
  readonly children?: ComponentChildren
}

/** Nothing for a list of one page that has nothing to say. */
export function PageButtons({ of, pages, nextCursor, children }: PageButtonsProps) {
  if (pages.number === 1 && nextCursor === null && children === undefined) return null
  return (
    <nav class="pages" aria-label={`Pages of ${of}`}>
      <span role="status">{children ?? `Page ${pages.number}${nextCursor === null ? ', the last one' : ''}`}</span>
      <button type="button" disabled={pages.number === 1} onClick={pages.back}>
        Previous page
      </button>
      <button type="button" disabled={nextCursor === null} onClick={() => nextCursor !== null && pages.forward(nextCursor)}>
        Next page
      </button>
    </nav>
  )
}
