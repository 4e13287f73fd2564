export interface BackOffLimits {
  readonly retryAfterMsMin: number
  readonly retryAfterMsMax: number
}

/**
 * The delay before each retry: twice as long after every failure, up to a maximum. Without jitter, unlike outgoing/back-off.ts:
 * a log has one owner and a process has one consumer, so there is no crowd of clients to spread.
 */
export class BackOff {
  readonly #limits: BackOffLimits
  #nextMs: number

  constructor(limits: BackOffLimits) {
    this.#limits = limits
    this.#nextMs = limits.retryAfterMsMin
  }

  /** The delay after one more failure. */
  next(): number {
    const delayMs = this.#nextMs
    this.#nextMs = Math.min(delayMs * 2, this.#limits.retryAfterMsMax)
    return delayMs
  }

  /** After a success: the next failure starts at the minimum again. */
  reset(): void {
    this.#nextMs = this.#limits.retryAfterMsMin
  }
}
