import { setTimeout as sleep } from 'node:timers/promises'
import pLimit, { type LimitFunction } from 'p-limit'
import type { Logger } from '../metering/logger.ts'
import { type BackOff, retryMs } from './back-off.ts'
import { DeliveryState } from './delivery-state.ts'

/** A key whose newest state the receiver has not acknowledged. */
export interface PendingDelivery {
  readonly key: string
  /** Grows with every change of the state. */
  readonly revision: number
}

export type AttemptOutcome =
  | { readonly status: 'acknowledged' }
  /** The receiver knows the newest state, or the key no longer exists. */
  | { readonly status: 'nothing_pending' }
  /** `retryAfterMs` is what the receiver asked for; `details` are logged. */
  | { readonly status: 'failed'; readonly retryAfterMs: number | undefined; readonly details: object }

export interface DeliveryLimits extends BackOff {
  readonly concurrentDeliveriesMax: number
  /** How often the store is read for deliveries that are pending and that this process does not work on. */
  readonly sweepEveryMs: number
  /** A delivery that another process has not completed within this time is taken over. */
  readonly takeOverAfterMs: number
}

export interface DeliveryOptions {
  /** Begins every log message. */
  readonly name: string
  /** The field of log entries that holds the key. */
  readonly keyName: string
  readonly limits: DeliveryLimits
  readonly logger: Logger
  /** Reads from the store what is pending, in any order and not necessarily all of it. */
  readonly readPending: () => Promise<PendingDelivery[]>
  /** Reads the newest state of a key, sends it, and stores the acknowledgement. Throwing counts as a failed attempt. */
  readonly attempt: (key: string) => Promise<AttemptOutcome>
}

export interface DeliveryStats {
  /** How many were pending at the last sweep; undefined before the first one. */
  readonly pending: number | undefined
  readonly acknowledged: number
  readonly failed: number
}

/**
 * Delivers the newest state of each key until the receiver acknowledges it. The state is the queue: what is pending is read
 * from the store, never from a list of messages. So a crash loses nothing, and a state that was replaced before it could be
 * delivered is not sent.
 * - Each key has one attempt at a time. Other processes may deliver the same state, so delivery is at least once: the message
 *   needs an id that is the same at every attempt, and a revision.
 * - A failed attempt is retried without end, with a growing pause; a newer revision is attempted immediately.
 * - A sweep finds what a crash, a stop or another process has left.
 */
export class DeliveryLoop {
  readonly #options: DeliveryOptions
  readonly #active = new Map<string, { readonly state: DeliveryState; readonly finished: Promise<void> }>()
  readonly #limit: LimitFunction
  readonly #stopping = new AbortController()
  readonly #sweeping: Promise<void>
  /** What the last sweep found, and since when by this process's clock: the clocks of other processes may differ. */
  #found: ReadonlyMap<string, { readonly revision: number; readonly sinceMs: number }> = new Map()
  #pending: number | undefined
  #acknowledged = 0
  #failed = 0

  /** Begins to deliver what is pending in the store. */
  constructor(options: DeliveryOptions) {
    this.#options = options
    this.#limit = pLimit(options.limits.concurrentDeliveriesMax)
    this.#sweeping = this.#sweepUntilStopped()
  }

  /** Delivers a state that was just changed, without waiting for the next sweep. Does nothing more once the loop is stopped. */
  deliver({ key, revision }: PendingDelivery): void {
    if (this.#stopping.signal.aborted) return
    const active = this.#active.get(key)
    if (active !== undefined) {
      active.state.want(revision)
      return
    }
    const state = new DeliveryState(revision)
    this.#active.set(key, { state, finished: this.#deliverUntilAcknowledged(key, state) })
  }

  stats(): DeliveryStats {
    return { pending: this.#pending, acknowledged: this.#acknowledged, failed: this.#failed }
  }

  /** Waits for the attempts in progress. What is still pending is found in the store by the next start. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    const active = [...this.#active.values()]
    for (const { state } of active) state.wake()
    await Promise.all([this.#sweeping, ...active.map(({ finished }) => finished)])
  }

  async #deliverUntilAcknowledged(key: string, state: DeliveryState): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      const outcome = await this.#limit(() => this.#attempt(key, state))
      if (outcome.status === 'nothing_pending' && !state.needsAttempt) break
      if (outcome.status === 'failed' && !this.#stopping.signal.aborted) {
        // A newer revision may have reset the count while the attempt ran.
        const failures = Math.max(1, state.failures)
        await state.waitForRetry(retryMs(this.#options.limits, failures, { retryAfterMs: outcome.retryAfterMs }))
      }
    }
    this.#active.delete(key)
  }

  async #attempt(key: string, state: DeliveryState): Promise<AttemptOutcome> {
    if (this.#stopping.signal.aborted) return { status: 'nothing_pending' }
    const { attempt, logger, keyName, name } = this.#options
    state.beginAttempt()
    try {
      const outcome = await attempt(key)
      if (outcome.status === 'nothing_pending') return outcome
      state.endAttempt(outcome.status)
      if (outcome.status === 'acknowledged') this.#acknowledged += 1
      else {
        this.#failed += 1
        logger.warn({ [keyName]: key, failures: state.failures, ...outcome.details }, `${name}: the delivery failed; it is retried`)
      }
      return outcome
    } catch (error) {
      state.endAttempt('failed')
      this.#failed += 1
      logger.error({ err: error, [keyName]: key }, `${name}: the delivery failed because of an internal error; it is retried`)
      return { status: 'failed', retryAfterMs: undefined, details: {} }
    }
  }

  async #sweepUntilStopped(): Promise<void> {
    const { limits, logger, name } = this.#options
    const { signal } = this.#stopping
    for (let isFirst = true; !signal.aborted; ) {
      try {
        // The first sweep takes over everything: what this process worked on before a restart has no other owner.
        await this.#sweep(isFirst ? 0 : limits.takeOverAfterMs)
        isFirst = false
      } catch (error) {
        logger.error({ err: error }, `${name}: pending deliveries could not be read; the next sweep reads them again`)
      }
      await sleep(limits.sweepEveryMs, undefined, { signal }).catch(() => {})
    }
  }

  async #sweep(takeOverAfterMs: number): Promise<void> {
    const pending = await this.#options.readPending()
    const nowMs = performance.now()
    const found = new Map<string, { revision: number; sinceMs: number }>()
    for (const { key, revision } of pending) {
      const before = this.#found.get(key)
      const sinceMs = before?.revision === revision ? before.sinceMs : nowMs
      found.set(key, { revision, sinceMs })
      if (this.#active.has(key) || nowMs - sinceMs >= takeOverAfterMs) this.deliver({ key, revision })
    }
    this.#found = found
    this.#pending = pending.length
  }
}
