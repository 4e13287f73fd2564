import { setTimeout as sleep } from 'node:timers/promises'

/** The delivery of one key: which revision is wanted, and how its attempts ended. */
export class DeliveryState {
  #wantedRevision: number
  #failures = 0
  #needsAttempt = true
  #retryWait: AbortController | undefined

  /** `wantedRevision` is the newest revision that is known to be wanted. */
  constructor(wantedRevision: number) {
    this.#wantedRevision = wantedRevision
  }

  /** Attempts that failed in a row. */
  get failures(): number {
    return this.#failures
  }

  /** Whether a revision is wanted that the latest attempt may not have read. */
  get needsAttempt(): boolean {
    return this.#needsAttempt
  }

  /** A newer revision is attempted immediately, whatever became of the older one. The same or an older one changes nothing. */
  want(revision: number): void {
    if (revision <= this.#wantedRevision) return
    this.#wantedRevision = revision
    this.#failures = 0
    this.#needsAttempt = true
    this.wake()
  }

  /** Call it before the state of the key is read: the attempt may miss a revision that is wanted later. */
  beginAttempt(): void {
    this.#needsAttempt = false
  }

  endAttempt(outcome: 'acknowledged' | 'failed'): void {
    this.#failures = outcome === 'acknowledged' ? 0 : this.#failures + 1
  }

  /** Waits until the next attempt is due; a newer revision and `wake` end the wait. */
  async waitForRetry(ms: number): Promise<void> {
    if (this.#needsAttempt) return
    this.#retryWait = new AbortController()
    await sleep(ms, undefined, { signal: this.#retryWait.signal }).catch(() => {})
  }

  wake(): void {
    this.#retryWait?.abort()
  }
}
