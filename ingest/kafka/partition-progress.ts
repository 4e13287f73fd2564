import type { PartitionExtent } from './topic.ts'

/** How far the reading of a partition has come, for metrics and for noticing that it stands still. All times are monotonic. */
export class PartitionProgress {
  batches = 0
  batchSeconds = 0
  /**
   * How long nothing was delivered although there was something to read and the process was free to take it. Time in which other
   * partitions are written does not count: they may come first.
   */
  stalledMs = 0
  #batchStartedMs: number | undefined
  #end = 0
  #observedMs = performance.now()
  #stableEnd = -1
  #transactionOpenSinceMs: number | undefined

  get batchInFlightSeconds(): number {
    return this.#batchStartedMs === undefined ? 0 : (performance.now() - this.#batchStartedMs) / 1000
  }

  /**
   * How long a producer's transaction has kept the stable end where it is, below the end. Nothing behind it can be read, acknowledged
   * events of other producers included, so the watermark waits for it; Kafka never ends a hanging one.
   */
  get openTransactionSeconds(): number {
    return this.#transactionOpenSinceMs === undefined ? 0 : (performance.now() - this.#transactionOpenSinceMs) / 1000
  }

  /** Events between what is settled and the last known end of the partition. */
  lagEvents(settledEnd: number): number {
    return Math.max(0, this.#end - settledEnd)
  }

  beginBatch(end: number): void {
    this.#end = Math.max(this.#end, end)
    this.#batchStartedMs = performance.now()
    this.stalledMs = 0
  }

  endBatch(): void {
    this.batches += 1
    this.batchSeconds += this.batchInFlightSeconds
    this.#batchStartedMs = undefined
  }

  /** Takes the extent that the partition had when `next` was to be read. `isBusy`: a batch of some partition is in flight. */
  observe({ end, stableEnd }: PartitionExtent, next: number, isBusy: boolean): void {
    const nowMs = performance.now()
    this.#end = Math.max(this.#end, end)
    if (next >= stableEnd) this.stalledMs = 0
    else if (!isBusy) this.stalledMs += nowMs - this.#observedMs
    if (stableEnd === end) this.#transactionOpenSinceMs = undefined
    else if (this.#transactionOpenSinceMs === undefined || stableEnd !== this.#stableEnd) this.#transactionOpenSinceMs = nowMs
    this.#stableEnd = stableEnd
    this.#observedMs = nowMs
  }
}
