interface PageButtonsProps {
  /** What is listed, such as "partners". */
  readonly what: string
  /** The cursors of the pages up to the one that is shown; the first has none. */
  readonly cursors: readonly (string | undefined)[]
  readonly nextCursor: string | null
  readonly onChange: (cursors: readonly (string | undefined)[]) => void
}

/** Moves through a list page by page. A list with one page has no buttons. */
export function PageButtons({ what, cursors, nextCursor, onChange }: PageButtonsProps) {
  if (cursors.length === 1 && nextCursor === null) return null
  return (
    <nav class="pages" aria-label={`Pages of ${what}`}>
      <span role="status">Page {cursors.length}</span>
      <button type="button" disabled={cursors.length === 1} onClick={() => onChange(cursors.slice(0, -1))}>
        Previous page
      </button>
      <button type="button" disabled={nextCursor === null} onClick={() => onChange([...cursors, nextCursor ?? undefined])}>
        Next page
      </button>
    </nav>
  )
}
