import type { ComponentChildren } from 'preact'
import type { Loaded } from '../calls/use-answer.ts'

interface PageHeadingProps {
  readonly title: string
  readonly lead?: ComponentChildren
  readonly isRefreshing: boolean
  readonly onRefresh: () => void
  /** What else can be chosen or done on the page. */
  readonly children?: ComponentChildren
}

/** The heading of a page. Nothing is read again automatically, so each page has a button for it. */
export function PageHeading({ title, lead, isRefreshing, onRefresh, children }: PageHeadingProps) {
  return (
    <>
      <div class="heading">
        <h1>{title}</h1>
        <div class="controls">
          {children}
          <button type="button" onClick={onRefresh} disabled={isRefreshing}>
            {isRefreshing ? 'Refreshing…' : 'Refresh'}
          </button>
        </div>
      </div>
      {lead === undefined ? null : <p class="lead">{lead}</p>}
    </>
  )
}

/** What the button for refreshing needs of what the page reads. */
export function refreshOf(...answers: readonly Loaded<unknown>[]): Pick<PageHeadingProps, 'isRefreshing' | 'onRefresh'> {
  return {
    isRefreshing: answers.some((answer) => answer.state === 'loading' || (answer.state === 'ready' && answer.isRefreshing)),
    onRefresh: () => {
      for (const { reload } of answers) reload()
    },
  }
}
