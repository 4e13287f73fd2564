interface RefreshButtonProps {
  readonly isRefreshing: boolean
  readonly onRefresh: () => void
  /** While the page is read for the first time there is nothing to refresh. */
  readonly isDisabled?: boolean
  /** Beside badges and links, where a button with a border would be too much. */
  readonly isQuiet?: boolean
}

export function RefreshButton({ isRefreshing, onRefresh, isDisabled = isRefreshing, isQuiet = false }: RefreshButtonProps) {
  return (
    <button type="button" class={isQuiet ? 'quiet' : undefined} onClick={onRefresh} disabled={isDisabled}>
      {isRefreshing ? 'Refreshing…' : 'Refresh'}
    </button>
  )
}
