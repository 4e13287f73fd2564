import type { Logger } from '../../metering/logger.ts'
import type { Lane } from '../../sql/clickhouse.ts'
import { BackOff, type BackOffLimits } from '../log/back-off.ts'
import type { LogRecord } from '../log/detect-duplicates.ts'
import { LogLost } from '../log/owned-log.ts'
import { readRecord } from './event-record.ts'
import { Incident } from './incident.ts'
import { LeaderEpoch } from './leader-epoch.ts'
import type { PartitionLog } from './partition-log.ts'
import { PartitionProgress } from './partition-progress.ts'
import { PartitionWatermark } from './partition-watermark.ts'
import { type BatchPart, type PartLimits, splitBatch } from './split-batch.ts'
import type { BatchControl, FetchedBatch, GroupReader, PartitionExtent } from './topic.ts'
import { pause, waitForOwnerTimeout } from './wait-for-owner-timeout.ts'

export interface PartitionReaderOptions {
  readonly partitionLog: PartitionLog
  readonly groupReader: () => GroupReader
  readonly control: Lane
  readonly logger: Logger
  readonly limits: PartitionReaderLimits
}

export interface PartitionReaderLimits extends PartLimits, BackOffLimits {
  /** A partition that another process took over, although the group assigns it here, is taken back after this long without a heartbeat. */
  readonly ownerTimeoutMs: number
  /** How often the owner of a log shows that it lives. */
  readonly heartbeatEveryMs: number
}

export type ReaderState =
  | { readonly status: 'acquiring'; readonly reason: string }
  | { readonly status: 'reading' }
  | { readonly status: 'stopped'; readonly incident: Incident }
  | { readonly status: 'ended' }

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
  readonly #watermark: PartitionWatermark
  readonly #leaderEpoch: LeaderEpoch
  #observing = false
  #heartbeatTimer: NodeJS.Timeout | undefined

  constructor(options: PartitionReaderOptions) {
    this.#options = options
    this.partitionLog = options.partitionLog
    this.#leaderEpoch = new LeaderEpoch(options.partitionLog.owned.name)
    this.#watermark = new PartitionWatermark(options.partitionLog, options.limits)
  }

  get state(): ReaderState {
    return this.#state
  }

  /** The group has assigned the partition, perhaps again. Its lease is acquired in any case, because another member may have had it. */
  assign(): void {
    this.#assignment.abort()
    this.#assignment = new AbortController()
    clearInterval(this.#heartbeatTimer)
    this.#heartbeatTimer = setInterval(() => void this.#heartbeat(), this.#options.limits.heartbeatEveryMs)
    void this.#acquireUntilReading('the lease of the partition is being acquired', this.#assignment.signal)
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
    return fetchedOffset === next || (fetchedOffset > next && this.#rewoundTo === next) || this.#leaderEpoch.isReread(batch)
  }

  async #checkAndProcess(batch: FetchedBatch, control: BatchControl): Promise<void> {
    const rereadFrom = this.#leaderEpoch.check(batch)
    if (rereadFrom !== undefined) return this.#seek(rereadFrom)
    await this.#process(batch, control)
    this.#leaderEpoch.note(batch)
  }

  async #process(batch: FetchedBatch, control: BatchControl): Promise<void> {
    this.#rewoundTo = undefined
    const parts = splitBatch(batch, this.partitionLog.next, this.#options.limits)
    const name = this.partitionLog.owned.name
    const read = ({ records }: BatchPart) => records.map((record) => readRecord(record, name))
    let [part] = parts
    let records = part === undefined ? [] : read(part)
    for (let index = 0; part !== undefined; index += 1) {
      const written = this.partitionLog.process(records, part.through)
      const nextPart = parts[index + 1]
      // The next part is decoded while this one is written. Its duplicates are detected only when this one is acknowledged.
      let nextRecords: LogRecord[] = []
      try {
        if (nextPart !== undefined) nextRecords = read(nextPart)
      } finally {
        await written
      }
      control.resolve(part.through)
      await this.#watermark.advance()
      if (nextPart !== undefined && !(await isStillAssigned(control))) return
      part = nextPart
      records = nextRecords
    }
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
      return
    }
    logger.error({ err: error, log: partitionLog.owned.name }, 'a write to the log failed; acquiring its lease again')
    void this.#acquireUntilReading('its lease is being acquired again after a failed write', this.#assignment.signal)
  }

  /** Retries with back-off until the partition is read, stopped by an incident, or no longer assigned. */
  async #acquireUntilReading(reason: string, assigned: AbortSignal): Promise<void> {
    const { partitionLog } = this
    const { limits, logger, groupReader } = this.#options
    this.#state = { status: 'acquiring', reason }
    groupReader().pause(partitionLog.partition)
    const backOff = new BackOff(limits)
    while (!assigned.aborted) {
      try {
        await this.#oneAtATime(() => this.#acquire(assigned))
        return
      } catch (error) {
        if (error instanceof Incident) return this.#fail(error)
        const retryAfterMs = backOff.next()
        this.#state = { status: 'acquiring', reason: error instanceof Error ? error.message : String(error) }
        logger.warn({ err: error, log: partitionLog.owned.name, retryAfterMs }, 'the lease of the log cannot be acquired yet')
        if (error instanceof LogLost) await this.#waitForOwnerTimeout(assigned)
        else await pause(retryAfterMs, assigned)
      }
    }
  }

  async #acquire(assigned: AbortSignal): Promise<void> {
    const { partitionLog } = this
    if (assigned.aborted) return
    await partitionLog.acquire()
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

/** False when the group is about to revoke the partition: the rest of the batch is left to its next owner. */
async function isStillAssigned(control: BatchControl): Promise<boolean> {
  try {
    await control.heartbeat()
    return true
  } catch {
    return false
  }
}
