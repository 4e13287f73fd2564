import { classifyStoreError, isOvertaken } from '../../sql/errors.ts'

/**
 * How large the next batch of a log may be, as a share of its limits. After a failed batch it is half as large: whatever made it fail,
 * such as time, memory or the number of parts, a smaller one passes more easily, and the same large one would fail again without end.
 * Acknowledged batches let it grow: quickly up to half of the size that failed first, because the failures after that one may only mean
 * that the store was busy for a while, and from there slowly, because a batch that is too large again costs a time-out and an acquired
 * lease.
 */
export class BatchSize {
  #share = 1
  /** The share up to which it grows quickly. */
  #quickUpTo = 1
  /** Since the last acknowledged batch. */
  #failures = 0
  /** Whether it was halved since then. */
  #shrinks = false

  /** At least 1. */
  of(max: number): number {
    return Math.max(1, Math.floor(max * this.#share))
  }

  /**
   * A newer owner says nothing about the size. Nor does a connection that was lost once; but a lease was acquired before the batch, so
   * the store answers, and if the connection is lost again, a time-out between the two may have ended it.
   */
  failed(error: unknown): void {
    if (isOvertaken(error)) return
    this.#failures += 1
    if (classifyStoreError(error).code === undefined && this.#failures === 1) return
    this.#share = Math.max(this.#share / 2, SHARE_MIN)
    if (!this.#shrinks) this.#quickUpTo = this.#share
    this.#shrinks = true
  }

  acknowledged(): void {
    this.#failures = 0
    this.#shrinks = false
    this.#share = this.#share < this.#quickUpTo ? Math.min(this.#share * QUICK_GROWTH, this.#quickUpTo) : Math.min(this.#share * GROWTH, 1)
  }
}

/** One event of the usual 100,000. */
const SHARE_MIN = 2 ** -16
/** Twice as large after 8 batches. */
const QUICK_GROWTH = 1.1
/** Twice as large after 35 batches. */
const GROWTH = 1.02
