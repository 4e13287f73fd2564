import type { Copies } from './forward-misrouted.ts'
import type { PartitionLog } from './partition-log.ts'

/** An end of the partition and the time before it was queried. */
interface PendingEnd {
  readonly asOfMs: number
  readonly end: number
  copies?: Copies
}

/**
 * The watermark of one partition's log. An end of the partition is noted with the time before it was queried; once all offsets below
 * the end are settled, the log is complete up to that time. Call it only when no batch of the log is in flight.
 */
export class PartitionWatermark {
  readonly #partitionLog: PartitionLog
  #pending: PendingEnd | undefined
  /** When the end was last queried, by the clocks of host and store (noteTime). */
  #notedMs: number | undefined
  #publishedMs = Number.NEGATIVE_INFINITY

  constructor(partitionLog: PartitionLog) {
    this.#partitionLog = partitionLog
  }

  /**
   * Notes the end of the partition, queried after `asOfMs`. An end that is noted already stays until it is reached, unless its time is now
   * in the future because a clock was set back: events are acknowledged before that time which are not below that end.
   */
  note({ asOfMs, end }: { asOfMs: number; end: number }): void {
    this.#notedMs = asOfMs
    if (this.#pending === undefined || this.#pending.asOfMs > asOfMs) this.#pending = { asOfMs, end }
  }

  /** Publishes the noted time if its end is reached; otherwise, from time to time, the last watermark again. Throws StoreError. */
  async advance(): Promise<void> {
    const pending = this.#pending
    if (pending !== undefined && (await this.#isReached(pending))) {
      await this.#publish(pending.asOfMs)
      this.#pending = undefined
    } else if (performance.now() - this.#publishedMs >= REPUBLISH_AFTER_MS) await this.#publish(this.#knownAsOfMs())
  }

  /** The last watermark. If it is now far in the future, a clock was ahead when it was noted, and nothing is known instead: 0. */
  #knownAsOfMs(): number {
    const { asOfMs } = this.#partitionLog.owned
    if (this.#notedMs === undefined || asOfMs <= this.#notedMs) return asOfMs
    return asOfMs - this.#notedMs > HOSTS_APART_MS_MAX ? 0 : this.#notedMs
  }

  /** Publishes that the owner leaves, so that the next one need not wait for the owner time-out. Throws StoreError. */
  async release(): Promise<void> {
    const { owned, settledEnd } = this.#partitionLog
    await owned.publishWatermark({ asOfMs: this.#knownAsOfMs(), settledThrough: settledEnd - 1, released: true })
  }

  /** Whether all offsets below the noted end are settled, by any owner, and so are the copies that were forwarded from there. */
  async #isReached(pending: PendingEnd): Promise<boolean> {
    const { forwarded, settledEnd } = this.#partitionLog
    if (settledEnd < pending.end) return false
    pending.copies ??= forwarded.copies
    return forwarded.areSettled(pending.copies)
  }

  async #publish(asOfMs: number): Promise<void> {
    const { owned, settledEnd } = this.#partitionLog
    await owned.publishWatermark({ asOfMs, settledThrough: settledEnd - 1, released: false })
    this.#publishedMs = performance.now()
    await owned.repairRequested()
  }
}

/** A watermark that cannot advance is published again this often, because it is the owner's heartbeat: well within the owner time-out. */
const REPUBLISH_AFTER_MS = 5_000
/** The hosts of two successive owners may differ by this much without either clock being wrong. */
const HOSTS_APART_MS_MAX = 5 * 60_000
