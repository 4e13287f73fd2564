import type { RejectReason, WireCorrection, WireEvent } from './event.ts'
import type { DropReason } from './event-store.ts'

/** What emit() or correct() has sent. A correction has `corrects`. */
export type Sent = WireEvent | WireCorrection

/** What the emitter reports. Hooks are called one after another; what a hook throws is reported to onProblem. */
export interface Hooks {
  /** Events that the service counted, now or by an earlier copy. `duplicates` is undefined if they are detected later (Kafka). */
  readonly onDelivered?: ((batch: { events: Sent[]; accepted: number; duplicates: number | undefined }) => void) | undefined
  /**
   * An event that is not counted. The service keeps it with this reason; sending it again would change nothing. `event` is undefined if what
   * was emitted could not be written as JSON.
   */
  readonly onRejected?: ((rejected: { event: Sent | undefined; reason: RejectReason | (string & {}); message: string }) => void) | undefined
  /** Events that are lost, and why. */
  readonly onDropped?: ((dropped: { events: Sent[]; reason: DropReason }) => void) | undefined
  /** Something that delays events or needs a person. */
  readonly onProblem?: ((problem: Problem) => void) | undefined
}

export interface Problem {
  /**
   * no_delivery: an attempt failed and is repeated, which is normal during an outage. refused: the service will not accept these events until
   * somebody changes the key or the address; they stay buffered. gauge_failed: a sample is missing. spool_failed: events are in memory only.
   * hook_failed: a hook threw an error.
   */
  readonly kind: 'no_delivery' | 'refused' | 'gauge_failed' | 'spool_failed' | 'hook_failed'
  readonly message: string
  readonly httpStatus?: number | undefined
  /** The error code of Meterline, for example UNAUTHENTICATED. */
  readonly code?: string | undefined
  readonly retryInMs?: number | undefined
}

export interface Totals {
  /** Acknowledged by the service: counted, now or by an earlier copy. */
  delivered: number
  rejected: number
  dropped: number
}

/** Calls the hooks and keeps the totals. An event is parsed from its text only if a hook wants it. */
export class Reports {
  readonly totals: Totals = { delivered: 0, rejected: 0, dropped: 0 }
  readonly #hooks: Hooks

  constructor(hooks: Hooks) {
    this.#hooks = hooks
  }

  delivered(texts: readonly string[], counts: { accepted: number; duplicates: number | undefined }): void {
    if (texts.length === 0) return
    this.totals.delivered += texts.length
    this.#call(this.#hooks.onDelivered, () => ({ events: texts.map(parse), ...counts }))
  }

  rejected(text: string | undefined, { reason, message }: { reason: string; message: string }): void {
    this.totals.rejected += 1
    this.#call(this.#hooks.onRejected, () => ({ event: text === undefined ? undefined : parse(text), reason, message }))
  }

  dropped(texts: readonly string[], reason: DropReason): void {
    if (texts.length === 0) return
    this.totals.dropped += texts.length
    this.#call(this.#hooks.onDropped, () => ({ events: texts.map(parse), reason }))
  }

  problem(problem: Problem): void {
    try {
      this.#hooks.onProblem?.(problem)
    } catch {
      // There is nobody else to report it to.
    }
  }

  #call<T>(hook: ((value: T) => unknown) | undefined, value: () => T): void {
    if (hook === undefined) return
    const failed = (error: unknown) => this.problem({ kind: 'hook_failed', message: String(error) })
    try {
      // A hook may be an async function.
      Promise.resolve(hook(value())).catch(failed)
    } catch (error) {
      failed(error)
    }
  }
}

function parse(text: string): Sent {
  return JSON.parse(text) as Sent
}
