import { BackOff, type BackOffLimits } from './back-off.ts'

/**
 * The failures of a log since its last acknowledged batch. An acquired lease does not reset them: it proves that the store answers,
 * not that events can be stored, and a batch that always fails would be tried again without a pause.
 */
export class WriteFailures {
  readonly #backOff: BackOff
  #count = 0
  #last = { message: '', atMs: 0 }

  constructor(limits: BackOffLimits) {
    this.#backOff = new BackOff(limits)
  }

  /** A batch failed. Returns the delay before the lease is acquired again, in ms. */
  add(error: unknown): number {
    this.#count += 1
    this.#last = { message: error instanceof Error ? error.message : String(error), atMs: performance.now() }
    return this.nextDelayMs()
  }

  /** The delay after an acquisition that failed, in ms. It is no failed batch: once the store answers again, events may be stored. */
  nextDelayMs(): number {
    return this.#backOff.next()
  }

  /** A batch was acknowledged. */
  reset(): void {
    this.#count = 0
    this.#backOff.reset()
  }

  /** Why the log is not ready, although its lease is acquired after each failure; undefined if it is. */
  get stalledBy(): string | undefined {
    return this.#count < FAILURES_TILL_NOT_READY ? undefined : `nothing was stored after ${this.#count} failures in a row; the last one: ${this.#last.message}`
  }

  /** Since the last failure. */
  get silenceMs(): number {
    return performance.now() - this.#last.atMs
  }
}

const FAILURES_TILL_NOT_READY = 3
