import type { RetriedOutcome, RetryLimits } from '../../outgoing/call-with-retries.ts'
import type { Lease } from '../../sql/lease.ts'
import type { ScheduledRun } from './schedule-runs.ts'

/** `stopped`: the process stops, and the next one repeats the run. Messages never contain a value of a secret or an answer of a receiver. */
export type RunOutcome =
  | { readonly status: 'succeeded' | 'failed'; readonly statusCode: number | null; readonly message: string }
  | { readonly status: 'stopped' }

/** A claimed run, and the lease under which it was claimed. */
export interface ClaimedRun extends ScheduledRun {
  readonly runId: string
  readonly lease: Lease
  /** Aborted when the process stops. */
  readonly signal: AbortSignal
}

export function failed(message: string): RunOutcome {
  return { status: 'failed', statusCode: null, message }
}

/** What the log says of a call. */
export function outcomeOfCall(retried: RetriedOutcome, { timeoutMs }: Pick<RetryLimits, 'timeoutMs'>): RunOutcome {
  if (retried.status === 'stopped') return retried
  const { outcome, attempts } = retried
  const after = attempts === 1 ? '' : ` after ${attempts} attempts`
  switch (outcome.status) {
    case 'answered': {
      const { httpStatus } = outcome
      const isRedirect = httpStatus >= 300 && httpStatus < 400
      const message = `Answered ${httpStatus}${after}.${isRedirect ? ' Redirects are not followed.' : ''}`
      return { status: httpStatus >= 200 && httpStatus < 300 ? 'succeeded' : 'failed', statusCode: httpStatus, message }
    }
    case 'refused':
      return failed(`Not called: the URL leads to ${outcome.address ?? 'no address'}, which is neither public nor in OUTGOING_ALLOW.`)
    case 'failed':
      return failed(
        outcome.reason === 'timed_out' ? `No answer within ${timeoutMs / 1_000} s${after}.` : `No answer${after} (${outcome.code ?? 'connection closed'}).`,
      )
  }
}
