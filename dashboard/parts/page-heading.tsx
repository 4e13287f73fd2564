import type { ComponentChildren } from 'preact'
import type { Loaded } from '../calls/use-answer.ts'
import { RefreshButton } from './refresh-button.tsx'

interface PageHeadingProps {
  readonly title: string
  /** `h2`: of a part of a page. */
  readonly level?: 'h1' | 'h2'
  readonly lead?: ComponentChildren
  readonly isRefreshing: boolean
  readonly onRefresh: () => void
  /** What else can be chosen or done on the page. */
  readonly children?: ComponentChildren
}

/** The heading of a page, or of a part of it that is read alone. Nothing is read again automatically, so each has a button for it. */
export function PageHeading({ title, level: Level = 'h1', lead, isRefreshing, onRefresh, children }: PageHeadingProps) {
  return (
    <>
      <div class="heading">
        <Level>{title}</Level>
        <div class="controls">
          {children}
          <RefreshButton isRefreshing={isRefreshing} onRefresh={onRefresh} />
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
