import { setTimeout as sleep } from 'node:timers/promises'

/** One project in hand: what is wanted of it, and what came of trying. */
export class DeliveryState {
  #revision: number
  #failures = 0
  /** Whether something newer is wanted than the attempt that began last may have seen. */
  #isAsked = true
  #resting: AbortController | undefined

  /** `revision` is the newest that is known to be wanted. */
  constructor(revision: number) {
    this.#revision = revision
  }

  /** Attempts that failed one after another. */
  get failures(): number {
    return this.#failures
  }

  get isAsked(): boolean {
    return this.#isAsked
  }

  /** Something newer is tried at once, whatever came of the older. To ask for the same again changes nothing. */
  ask(revision: number): void {
    if (revision <= this.#revision) return
    this.#revision = revision
    this.#failures = 0
    this.#isAsked = true
    this.wake()
  }

  /** Before the project is read: what is asked from now on, the attempt may not see. */
  begin(): void {
    this.#isAsked = false
  }

  end(outcome: 'delivered' | 'failed'): void {
    this.#failures = outcome === 'delivered' ? 0 : this.#failures + 1
  }

  /** Until it is time to try again, or somebody wakes it. */
  async rest(ms: number): Promise<void> {
    if (this.#isAsked) return
    this.#resting = new AbortController()
    await sleep(ms, undefined, { signal: this.#resting.signal }).catch(() => {})
  }

  wake(): void {
    this.#resting?.abort()
  }
}
