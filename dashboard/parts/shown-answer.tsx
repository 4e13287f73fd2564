import type { ComponentChildren } from 'preact'
import type { CallFailed } from '../calls/call.ts'
import type { Loaded } from '../calls/use-answer.ts'
import { Notice } from './notice.tsx'

interface ShownAnswerProps<T> {
  readonly answer: Loaded<T>
  /** What is being read, such as "usage": for people who wait. */
  readonly what: string
  readonly children: (value: T) => ComponentChildren
}

/** An answer in each of its states: being read, failed with the reason, or there; there but older than it should be says so. */
export function ShownAnswer<T>({ answer, what, children }: ShownAnswerProps<T>) {
  if (answer.state === 'loading') return <Loading what={what} />
  if (answer.state === 'failed') return <Failure failure={answer.failure} what={what} onRetry={answer.reload} />
  return (
    <div aria-busy={answer.isRefreshing}>
      {answer.staleBecause === undefined ? null : (
        <Notice tone="warn">
          This is not up to date: {answer.staleBecause.message}{' '}
          <button type="button" onClick={answer.reload}>
            Try again
          </button>
        </Notice>
      )}
      {children(answer.value)}
    </div>
  )
}

function Loading({ what }: { what: string }) {
  return (
    <div class="loading" role="status">
      <span class="visually-hidden">Reading {what}…</span>
      <div class="skeleton" />
      <div class="skeleton" />
      <div class="skeleton" />
    </div>
  )
}

interface FailureProps {
  readonly failure: CallFailed
  readonly what: string
  readonly onRetry?: () => void
}

/** Never a number in its place: says why there is none, and what helps. */
export function Failure({ failure: { status, message, requestId }, what, onRetry }: FailureProps) {
  const { heading, tone } = headingOf(status, what)
  return (
    <div class={`notice ${tone}`} role="alert">
      <strong>{heading}</strong>
      <p>{message}</p>
      {requestId === undefined ? null : (
        <p class="hint">
          Request id <code>{requestId}</code>
        </p>
      )}
      {onRetry === undefined || status === 403 || status === 404 ? null : (
        <button type="button" onClick={onRetry}>
          Try again
        </button>
      )}
    </div>
  )
}

function headingOf(status: number, what: string): { heading: string; tone: 'warn' | 'bad' } {
  if (status === 404) return { heading: 'Not found', tone: 'warn' }
  if (status === 403) return { heading: 'Not allowed', tone: 'warn' }
  if (status === 429) return { heading: 'Too many requests', tone: 'warn' }
  if (status === 0 || status === 503) return { heading: `The ${what} cannot be read right now`, tone: 'bad' }
  return { heading: `The ${what} could not be read`, tone: 'bad' }
}
