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
 * the end are settled, the log is complete up to that time. Call everything but `heartbeat` only when no batch of the log is in flight.
 */
export class PartitionWatermark {
  readonly #partitionLog: PartitionLog
  readonly #repeatAfterMs: number
  #pending: PendingEnd | undefined
  /** When the end was last queried, by the clocks of host and store (noteTime). */
  #notedMs: number | undefined
  /** By the monotonic clock of the process. */
  #publishedMs = Number.NEGATIVE_INFINITY

  constructor(partitionLog: PartitionLog, { heartbeatEveryMs }: { heartbeatEveryMs: number }) {
    this.#partitionLog = partitionLog
    this.#repeatAfterMs = heartbeatEveryMs * REPEAT_AFTER_HEARTBEATS
  }

  /** Publishes the last watermark under a lease that was acquired just now. Throws StoreError. */
  async begin(): Promise<void> {
    await this.#publish(this.#knownAsOfMs())
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
    } else if (this.#isDue()) await this.#publish(this.#knownAsOfMs())
  }

  /**
   * The owner's heartbeat while `advance` has to wait for a batch: repeats the last watermark if it is due. It claims nothing new, so it
   * may run beside the log's work, on another lane. Throws StoreError.
   */
  async heartbeat(): Promise<void> {
    if (this.#isDue()) await this.#partitionLog.owned.repeatWatermark()
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

  #isDue(): boolean {
    return performance.now() - this.#publishedMs >= this.#repeatAfterMs
  }
}

/** A watermark that cannot advance is published again after this many heartbeats: well within the owner time-out. */
const REPEAT_AFTER_HEARTBEATS = 2.5
/** The hosts of two successive owners may differ by this much without either clock being wrong. */
const HOSTS_APART_MS_MAX = 5 * 60_000
