import { type Clock, sleep, systemClock } from './clock.ts'
import type { RejectReason, WireEvent } from './event.ts'
import type { Post } from './post.ts'
import { type HttpOptions, postOverHttp } from './post-over-http.ts'
import { retryDelayMs } from './retry-delay.ts'

export interface RetryOptions {
  /** Ends the delivery; what had no outcome until then is `undelivered`, and may be sent again with the same ids. */
  readonly signal?: AbortSignal | undefined
  /** No further attempt starts when this much time has passed since the first. Without it, the only end is the signal. */
  readonly giveUpAfterMs?: number | undefined
  /** Called before each wait for the next attempt. */
  readonly onRetry?: ((problem: RetryProblem) => void) | undefined
  readonly clock?: Clock | undefined
  /** From 0 to 1, for the jitter of delays. */
  readonly random?: (() => number) | undefined
}

export interface DeliverOptions extends RetryOptions, HttpOptions {}

export interface RetryProblem {
  /** Undefined if there was no answer. */
  readonly httpStatus: number | undefined
  readonly message: string
  /** The attempt that failed; the first is 1. */
  readonly attempt: number
  readonly retryInMs: number
}

export type EventOutcome =
  /** Counted, now or by an earlier copy: the service reports only how many of a request were duplicates. */
  | { readonly status: 'delivered' }
  | { readonly status: 'rejected'; readonly reason: RejectReason | (string & {}); readonly message: string }
  /** Without an outcome, because of `failure`. */
  | { readonly status: 'undelivered' }

export interface Delivery {
  /** One per event, in the order of the events. */
  readonly outcomes: readonly EventOutcome[]
  /** How many events the service counted. */
  readonly accepted: number
  /** How many events had been counted before, also by a request whose answer was lost. Undefined if the service detects them later (Kafka). */
  readonly duplicates: number | undefined
  /** Why there are undelivered events; undefined if there are none. */
  readonly failure: DeliveryFailure | undefined
}

export interface DeliveryFailure {
  /** refused: repeating does not help until a person changes the key or the address. gave_up: giveUpAfterMs has passed. aborted: by the signal. */
  readonly kind: 'refused' | 'gave_up' | 'aborted'
  readonly httpStatus: number | undefined
  /** The error code of Meterline, for example UNAUTHENTICATED. */
  readonly code: string | undefined
  readonly message: string
}

/**
 * Sends events in one request and repeats it, with the same ids, until each has an outcome: after no answer, 408, 429 and 5xx, with Retry-After
 * or growing delays. After 413 it sends two halves. Never rejects. At most EVENTS_PER_REQUEST_MAX events and BODY_BYTES_MAX bytes at a time
 * (emitter/event.ts), else the first request is for nothing.
 */
export function deliverEvents(events: readonly WireEvent[], options: DeliverOptions): Promise<Delivery> {
  return deliverTexts(
    events.map((event) => JSON.stringify(event)),
    postOverHttp(options),
    options,
  )
}

/** Like deliverEvents, for events that are JSON texts already, and for any way of sending them. */
export async function deliverTexts(texts: readonly string[], post: Post, options: RetryOptions): Promise<Delivery> {
  const outcomes: EventOutcome[] = texts.map(() => UNDELIVERED)
  let accepted = 0
  let duplicates: number | undefined = 0
  const postUntilAnswered = repeating(post, options)
  // Ranges of events, the next one last.
  const waiting: Range[] = texts.length === 0 ? [] : [{ from: 0, to: texts.length }]
  for (let range = waiting.pop(); range !== undefined; range = waiting.pop()) {
    const { from, to } = range
    const result = await postUntilAnswered(texts.slice(from, to))
    if (result.status === 'failed') return { outcomes, accepted, duplicates, failure: result.failure }
    if (result.status === 'too_large' && to - from > 1) {
      const middle = from + Math.ceil((to - from) / 2)
      waiting.push({ from: middle, to }, { from, to: middle })
    } else if (result.status === 'too_large') {
      outcomes[from] = { status: 'rejected', reason: 'too_large', message: result.message }
    } else {
      outcomes.fill(DELIVERED, from, to)
      for (const { index, reason, message } of result.rejected) outcomes[from + index] = { status: 'rejected', reason, message }
      accepted += result.accepted
      duplicates = duplicates === undefined || result.duplicates === undefined ? undefined : duplicates + result.duplicates
    }
  }
  return { outcomes, accepted, duplicates, failure: undefined }
}

interface Range {
  readonly from: number
  readonly to: number
}

const UNDELIVERED: EventOutcome = { status: 'undelivered' }
const DELIVERED: EventOutcome = { status: 'delivered' }

/** Repeats a request until it has an answer that is not "try again". */
function repeating(post: Post, { clock = systemClock, random = Math.random, signal, giveUpAfterMs = Number.POSITIVE_INFINITY, onRetry }: RetryOptions) {
  const endMs = clock.now() + giveUpAfterMs
  return async (texts: readonly string[]) => {
    for (let attempt = 1; ; attempt += 1) {
      if (isAborted(signal)) return failed({ kind: 'aborted', httpStatus: undefined, code: undefined, message: 'The delivery was aborted.' })
      const result = await post(texts, signal)
      if (result.status === 'answered' || result.status === 'too_large') return result
      if (result.status === 'refused') return failed({ kind: 'refused', httpStatus: result.httpStatus, code: result.code, message: result.message })
      if (isAborted(signal)) continue
      const { httpStatus, message, retryAfterMs } = result
      const retryInMs = retryDelayMs({ attempt, retryAfterMs, random: random() })
      if (clock.now() + retryInMs > endMs) return failed({ kind: 'gave_up', httpStatus, code: undefined, message })
      onRetry?.({ httpStatus, message, attempt, retryInMs })
      await sleep(clock, retryInMs, signal)
    }
  }
}

/** A function, because the compiler takes a property that it has checked for unchanged after an await. */
function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true
}

function failed(failure: DeliveryFailure) {
  return { status: 'failed', failure } as const
}
