import { setTimeout as sleep } from 'node:timers/promises'
import { type BackOff, retryMs } from './back-off.ts'
import { type CallLimits, type CallOutcome, type CallTarget, callUrl, type OutgoingRequest } from './call-url.ts'

export interface RetryLimits extends BackOff, CallLimits {
  readonly attemptsMax: number
}

export type RetriedOutcome =
  | { readonly status: 'ended'; readonly outcome: CallOutcome; readonly attempts: number }
  /** The process stops, and another one must repeat the call. */
  | { readonly status: 'stopped' }

/**
 * Calls a URL until it answers, other than with 429 or 5xx, or the attempts are used up. `request` makes the request of each attempt,
 * because a stream can be sent only once. Throws what `callUrl` and `request` throw.
 */
export async function callWithRetries(
  target: CallTarget,
  request: () => OutgoingRequest,
  { limits, signal }: { readonly limits: RetryLimits; readonly signal: AbortSignal },
): Promise<RetriedOutcome> {
  for (let attempts = 1; ; attempts += 1) {
    if (signal.aborted) return { status: 'stopped' }
    const outcome = await callUrl(target, request(), limits)
    if (signal.aborted && outcome.status === 'failed') return { status: 'stopped' }
    if (!mayRetry(outcome) || attempts >= limits.attemptsMax) return { status: 'ended', outcome, attempts }
    const retryAfterMs = outcome.status === 'answered' ? outcome.retryAfterMs : undefined
    await sleep(retryMs(limits, attempts, { retryAfterMs }), undefined, { signal }).catch(() => {})
  }
}

function mayRetry(outcome: CallOutcome): boolean {
  return outcome.status === 'failed' || (outcome.status === 'answered' && (outcome.httpStatus === 429 || outcome.httpStatus >= 500))
}
