import { BatchSize } from '../log/batch-size.ts'
import type { LogRecord } from '../log/detect-duplicates.ts'
import { type AcquireCause, LogLost } from '../log/owned-log.ts'
import { WriteFailures } from '../log/write-failures.ts'
import { SourceNotInForce } from '../source/source-in-force.ts'
import { batchReader } from './event-record.ts'
import { Incident } from './incident.ts'
import { LeaderEpoch } from './leader-epoch.ts'
import type { PartitionLog } from './partition-log.ts'
import { PartitionProgress } from './partition-progress.ts'
import type { PartitionReaderOptions, ReaderState } from './partition-reader-options.ts'
import { PartitionWatermark } from './partition-watermark.ts'
import { splitBatch } from './split-batch.ts'
import { storeIncident } from './store-incident.ts'
import { type BatchControl, type FetchedBatch, isStillAssigned, type PartitionExtent } from './topic.ts'
import { pause, waitForOwnerTimeout } from './wait-for-owner-timeout.ts'

/**
 * Consumes one assigned partition: acquires its lease, reads it, acquires the lease again after any error, and stops on an
 * incident. The partition is paused while it is not read. All work runs one at a time; only the heartbeat does not wait for it.
 */
export class PartitionReader {
  readonly partitionLog: PartitionLog
  readonly progress = new PartitionProgress()
  #state: ReaderState = { status: 'ended' }
  readonly #options: PartitionReaderOptions
  #assignment = new AbortController()
  #lastWork: Promise<unknown> = Promise.resolve()
  /** The offset to which we rewound because a batch began after it. The next batch is accepted even across a gap. */
  #rewoundTo: number | undefined
  #seeks = 0
  readonly #size = new BatchSize()
  readonly #watermark: PartitionWatermark
  readonly #failures: WriteFailures
  /** All offsets below this one have been settled. Reading the last range again after a failure is no progress. */
  #settledEnd = 0
  readonly #leaderEpoch: LeaderEpoch
  #observing = false
  #heartbeatTimer: NodeJS.Timeout | undefined

  constructor(options: PartitionReaderOptions) {
    this.#options = options
    this.#failures = new WriteFailures(options.limits)
    this.partitionLog = options.partitionLog
    this.#leaderEpoch = new LeaderEpoch(options.partitionLog.owned.name)
    this.#watermark = new PartitionWatermark(options.partitionLog, options.limits)
  }

  get state(): ReaderState {
    return this.#state
  }

  /** Why nothing is counted although events wait and the lease is acquired again and again; undefined if all is well. */
  get stalledBy(): string | undefined {
    return this.progress.lagEvents(this.partitionLog.settledEnd) === 0 ? undefined : this.#failures.stalledBy
  }

  /** The group has assigned the partition, perhaps again. Its lease is acquired in any case, because another member may have had it. */
  assign(): void {
    this.#assignment.abort()
    this.#assignment = new AbortController()
    clearInterval(this.#heartbeatTimer)
    this.#heartbeatTimer = setInterval(() => void this.#heartbeat(), this.#options.limits.heartbeatEveryMs)
    void this.#acquireUntilReading('requested', 'the lease of the partition is being acquired', this.#assignment.signal)
  }

  /** The group has revoked the partition, or the process stops. Work in flight ends first. */
  async end(): Promise<void> {
    this.#assignment.abort()
    clearInterval(this.#heartbeatTimer)
    const { partitionLog } = this
    await this.#oneAtATime(async () => {
      const wasReading = this.#state.status === 'reading'
      this.#state = { status: 'ended' }
      partitionLog.owned.close()
      if (!wasReading) return
      await this.#watermark
        .release()
        .catch((error: unknown) =>
          this.#options.logger.warn(
            { err: error, log: partitionLog.owned.name },
            'the log could not be released; it can be taken over after the owner time-out',
          ),
        )
    })
  }

  onBatch(batch: FetchedBatch, control: BatchControl): Promise<void> {
    const seeks = this.#seeks
    return this.#oneAtATime(async () => {
      // A batch that waited while the lease was acquired again or a replay began was fetched for an earlier position: drop it.
      if (seeks === this.#seeks) await this.#onBatch(batch, control)
    })
  }

  /**
   * Takes the partition's extent, undefined if it did not answer, as it was at `queriedMs` or later. Between two batches it checks that the
   * partition still has the offset that comes next, and advances the watermark. While one of these waits, further ones are left out.
   */
  async observe(extent: PartitionExtent | undefined, { queriedMs, next }: { queriedMs: number; next: number }): Promise<void> {
    if (this.#observing) return
    this.#observing = true
    await this.#whileReading(async () => {
      if (extent !== undefined) {
        this.#leaderEpoch.observeBegin(extent.begin)
        this.partitionLog.requireWithin(extent, next)
        this.#watermark.note({ asOfMs: queriedMs, end: extent.end })
      }
      await this.#watermark.advance()
    })
    this.#observing = false
  }

  /**
   * Reads the log again from an offset. Resolves with true when the position of the replay is stored, with false if it cannot
   * begin now.
   */
  async replayFrom(offset: number): Promise<boolean> {
    let begun = false
    await this.#whileReading(async () => {
      begun = await this.partitionLog.replayFrom(offset)
      this.#settledEnd = Math.min(this.#settledEnd, this.partitionLog.settledEnd)
      this.#leaderEpoch.forget()
      this.#seek()
    })
    return begun
  }

  async #onBatch(batch: FetchedBatch, control: BatchControl): Promise<void> {
    if (this.#state.status !== 'reading') return
    this.progress.beginBatch(batch.end)
    try {
      if (this.#follows(batch)) await this.#checkAndProcess(batch, control)
      else this.#rewind()
    } catch (error) {
      this.#fail(error)
    } finally {
      this.progress.endBatch()
    }
  }

  /**
   * Whether a batch continues the log. kafkajs sometimes starts elsewhere of its own accord: then it rewinds, once. If
   * the next batch begins beyond the position again, there is nothing readable between the two.
   */
  #follows(batch: FetchedBatch): boolean {
    const { next } = this.partitionLog
    const { fetchedOffset } = batch
    if (fetchedOffset > next) return this.#rewoundTo === next
    return fetchedOffset === next || this.#leaderEpoch.isReread(batch)
  }

  async #checkAndProcess(batch: FetchedBatch, control: BatchControl): Promise<void> {
    if (batch.fetchedOffset > this.partitionLog.next) await this.partitionLog.requireNotDeleted()
    const rereadFrom = this.#leaderEpoch.check(batch)
    if (rereadFrom !== undefined) return this.#seek(rereadFrom)
    await this.#process(batch, control)
    // It may have ended within the batch.
    this.#leaderEpoch.note(batch, this.partitionLog.next)
  }

  async #process(batch: FetchedBatch, control: BatchControl): Promise<void> {
    this.#rewoundTo = undefined
    const read = batchReader(this.partitionLog.owned.name, this.#options.metrics)
    const parts = splitBatch(batch, { next: this.partitionLog.next, limits: this.#options.limits, size: this.#size, read })
    for (let part = await parts.next(); !part.done; ) {
      const { records, through } = part.value
      const written = this.#write(records, through)
      // It is awaited only when the next part is decoded, and may fail before.
      written.catch(() => {})
      // The next part is decoded while this one is written. Its duplicates are detected only when this one is acknowledged.
      try {
        part = await parts.next()
      } finally {
        await written
      }
      control.resolve(through)
      this.#noteProgress()
      await this.#watermark.advance()
      if (!part.done && !(await isStillAssigned(control))) return
    }
  }

  async #write(records: readonly LogRecord[], through: number): Promise<void> {
    try {
      await this.partitionLog.process(records, through)
      this.#size.acknowledged()
    } catch (error) {
      this.#size.failed(error)
      throw error
    }
  }

  #noteProgress(): void {
    const { settledEnd } = this.partitionLog
    if (settledEnd > this.#settledEnd) this.#failures.reset()
    this.#settledEnd = Math.max(this.#settledEnd, settledEnd)
  }

  #rewind(): void {
    this.#seek()
    this.#rewoundTo = this.partitionLog.next
  }

  #seek(offset = this.partitionLog.next): void {
    this.#seeks += 1
    this.#rewoundTo = undefined
    this.#options.groupReader().seek(this.partitionLog.partition, offset)
  }

  /** Shows that the owner lives, whatever the log's work waits for. If it fails, the work finds out why. */
  async #heartbeat(): Promise<void> {
    if (this.#state.status !== 'reading') return
    const { owned, partition, settledEnd } = this.partitionLog
    const { groupReader, logger } = this.#options
    groupReader()
      .commit(partition, settledEnd)
      .catch(() => {})
    await this.#watermark.heartbeat().catch((error: unknown) => logger.warn({ err: error, log: owned.name }, 'the heartbeat of the log could not be sent'))
  }

  #fail(error: unknown): void {
    const { partitionLog } = this
    const { logger, groupReader } = this.#options
    groupReader().pause(partitionLog.partition)
    if (error instanceof Incident) {
      this.#state = { status: 'stopped', incident: error }
      logger.error({ log: partitionLog.owned.name, incident: error.kind }, error.message)
      void this.#oneAtATime(() => storeIncident({ ...this.#options, partitionLog, incident: error, assigned: this.#assignment.signal }))
      return
    }
    const retryAfterMs = this.#failures.add(error)
    logger.error({ err: error, log: partitionLog.owned.name, retryAfterMs }, 'a write to the log failed; acquiring its lease again')
    const reason = 'its lease is being acquired again after a failed write'
    this.#state = { status: 'acquiring', reason }
    const { signal } = this.#assignment
    void pause(retryAfterMs, signal).then(() => this.#acquireUntilReading('error', reason, signal))
  }

  /** Retries with back-off until the partition is read, stopped by an incident, or no longer assigned. */
  async #acquireUntilReading(cause: AcquireCause, reason: string, assigned: AbortSignal): Promise<void> {
    const { partitionLog } = this
    const { logger, groupReader } = this.#options
    this.#state = { status: 'acquiring', reason }
    groupReader().pause(partitionLog.partition)
    while (!assigned.aborted) {
      try {
        await this.#oneAtATime(() => this.#acquire(cause, assigned))
        return
      } catch (error) {
        if (error instanceof Incident) return this.#fail(error)
        // No failure: it may be switched to later.
        const retryAfterMs = error instanceof SourceNotInForce ? this.#options.limits.retryAfterMsMax : this.#failures.nextDelayMs()
        this.#state = { status: 'acquiring', reason: error instanceof Error ? error.message : String(error) }
        logger.warn({ err: error, log: partitionLog.owned.name, retryAfterMs }, 'the lease of the log cannot be acquired yet')
        if (error instanceof LogLost) await this.#waitForOwnerTimeout(assigned)
        else await pause(retryAfterMs, assigned)
      }
    }
  }

  async #acquire(cause: AcquireCause, assigned: AbortSignal): Promise<void> {
    const { partitionLog } = this
    if (assigned.aborted) return
    await partitionLog.acquire(cause)
    await this.#watermark.begin()
    if (assigned.aborted) return
    this.#leaderEpoch.forget()
    this.progress.stalledMs = 0
    this.#state = { status: 'reading' }
    this.#seek()
    this.#options.groupReader().resume(partitionLog.partition)
    this.#options.logger.info({ log: partitionLog.owned.name, next: partitionLog.next }, 'the lease of the log is acquired')
  }

  #waitForOwnerTimeout(assigned: AbortSignal): Promise<void> {
    const { control, limits, groupReader } = this.#options
    const { owned, partition, settledEnd } = this.partitionLog
    const commit = () => groupReader().commit(partition, settledEnd)
    return waitForOwnerTimeout({ control, log: owned.name, commit, ...limits, assigned })
  }

  /** Runs the work unless the log is not being read. Errors are handled here; the promise never rejects. */
  #whileReading(work: () => Promise<void>): Promise<void> {
    return this.#oneAtATime(async () => {
      if (this.#state.status !== 'reading') return
      try {
        await work()
      } catch (error) {
        this.#fail(error)
      }
    })
  }

  #oneAtATime<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#lastWork.then(work, work)
    this.#lastWork = done.catch(() => {})
    return done
  }
}
