import type { Copies } from './forward-misrouted.ts'
import type { PartitionLog } from './partition-log.ts'

/**
 * The watermark of one partition's log. An end of the partition is noted with the time before it was queried; once all offsets below
 * the end are settled, the log is complete up to that time. Call everything but `heartbeat` only when no batch of the log is in flight.
 */
export class PartitionWatermark {
  readonly #partitionLog: PartitionLog
  readonly #repeatAfterMs: number
  #pending: { asOfMs: number; end: number; copies?: Copies } | undefined
  /** By the monotonic clock of the process. */
  #publishedMs = Number.NEGATIVE_INFINITY

  constructor(partitionLog: PartitionLog, { heartbeatEveryMs }: { heartbeatEveryMs: number }) {
    this.#partitionLog = partitionLog
    this.#repeatAfterMs = heartbeatEveryMs * REPEAT_AFTER_HEARTBEATS
  }

  /** Publishes the last watermark under a lease that was acquired just now. Throws StoreError. */
  async begin(): Promise<void> {
    await this.#publish(this.#partitionLog.owned.asOfMs)
  }

  /** Notes the end of the partition, queried after `asOfMs`. An end that is noted already stays until it is reached. */
  note({ asOfMs, end }: { asOfMs: number; end: number }): void {
    this.#pending ??= { asOfMs, end }
  }

  /** Publishes the noted time if its end is reached; otherwise, from time to time, the last watermark again. Throws StoreError. */
  async advance(): Promise<void> {
    const { owned } = this.#partitionLog
    if (await this.#isReached()) {
      await this.#publish(Math.max(this.#pending?.asOfMs ?? 0, owned.asOfMs))
      this.#pending = undefined
    } else if (this.#isDue()) await this.#publish(owned.asOfMs)
  }

  /**
   * The owner's heartbeat while `advance` has to wait for a batch: repeats the last watermark if it is due. It claims nothing new, so it
   * may run beside the log's work, on another lane. Throws StoreError.
   */
  async heartbeat(): Promise<void> {
    if (this.#isDue()) await this.#partitionLog.owned.repeatWatermark()
  }

  /** Publishes that the owner leaves, so that the next one need not wait for the owner time-out. Throws StoreError. */
  async release(): Promise<void> {
    const { owned, settledEnd } = this.#partitionLog
    await owned.publishWatermark({ asOfMs: owned.asOfMs, settledThrough: settledEnd - 1, released: true })
  }

  /** Whether all offsets below the noted end are settled, by any owner, and so are the copies that were forwarded from there. */
  async #isReached(): Promise<boolean> {
    const { forwarded, settledEnd } = this.#partitionLog
    const pending = this.#pending
    if (pending === undefined || settledEnd < pending.end) return false
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
