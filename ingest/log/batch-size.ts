import { classifyStoreError, QUERY_WAS_CANCELLED_CODE } from '../../sql/errors.ts'

/**
 * How large the next batch of a log may be, as a share of its limits. After a failed batch it is half as large: whatever made it fail,
 * such as time, memory or the number of parts, a smaller one passes more easily, and the same large one would fail again without end.
 * Acknowledged batches let it grow: each doubles it up to half of the size that failed first, because the failures after that one may
 * only mean that the store was busy for a while, and from there it grows slowly, because a batch that is too large again costs a time-out
 * and an acquired lease. A store that is down makes it no smaller: no batch is tried before the lease is acquired.
 */
export class BatchSize {
  #share = 1
  /** The share up to which each acknowledged batch doubles it. */
  #doublesUpTo = 1
  #lastFailed = false

  /** At least 1. */
  of(max: number): number {
    return Math.max(1, Math.floor(max * this.#share))
  }

  /** Only an answer of the store can mean that the batch was too large: neither a lost connection nor a newer owner says so. */
  failed(error: unknown): void {
    const { code, fault } = classifyStoreError(error)
    if (code === undefined || fault === 'fenced' || code === QUERY_WAS_CANCELLED_CODE) return
    this.#share = Math.max(this.#share / 2, SHARE_MIN)
    if (!this.#lastFailed) this.#doublesUpTo = this.#share
    this.#lastFailed = true
  }

  acknowledged(): void {
    this.#lastFailed = false
    this.#share = this.#share < this.#doublesUpTo ? Math.min(this.#share * 2, this.#doublesUpTo) : Math.min(this.#share * GROWTH, 1)
  }
}

/** One event of the usual 50,000. */
const SHARE_MIN = 2 ** -16
/** Twice as large after 35 batches. */
const GROWTH = 1.02
