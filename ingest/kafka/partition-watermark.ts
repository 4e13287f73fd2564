import type { Copies } from './forward-misrouted.ts'
import type { PartitionLog } from './partition-log.ts'

/**
 * The watermark of one partition's log. An end of the partition is noted with the time before it was queried; once all offsets below
 * the end are settled, the log is complete up to that time. Call it only when no batch of the log is in flight.
 */
export class PartitionWatermark {
  readonly #partitionLog: PartitionLog
  #pending: { asOfMs: number; end: number; copies?: Copies } | undefined
  #publishedMs = 0

  constructor(partitionLog: PartitionLog) {
    this.#partitionLog = partitionLog
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
    } else if (Date.now() - this.#publishedMs >= REPUBLISH_AFTER_MS) await this.#publish(owned.asOfMs)
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
    this.#publishedMs = Date.now()
    await owned.repairRequested()
  }
}

/** A watermark that cannot advance is published again this often, because it is the owner's heartbeat: well within the owner time-out. */
const REPUBLISH_AFTER_MS = 5_000
