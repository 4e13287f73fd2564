import type { ComponentChildren } from 'preact'

interface CredentialHeadingProps {
  readonly title: string
  readonly lead: string
  readonly isRefreshing: boolean
  readonly onRefresh: () => void
  readonly children?: ComponentChildren
}

/** The heading of one kind of credentials, with what can be done with it. */
export function CredentialHeading({ title, lead, isRefreshing, onRefresh, children }: CredentialHeadingProps) {
  return (
    <>
      <div class="heading">
        <h2>{title}</h2>
        <div class="controls">
          {children}
          <button type="button" onClick={onRefresh} disabled={isRefreshing}>
            {isRefreshing ? 'Refreshing…' : 'Refresh'}
          </button>
        </div>
      </div>
      <p class="lead">{lead}</p>
    </>
  )
}
