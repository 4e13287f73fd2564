import type { Logger } from '../../metering/logger.ts'
import type { Lane } from '../../sql/clickhouse.ts'
import { BackOff } from '../log/back-off.ts'
import type { LogRecord } from '../log/detect-duplicates.ts'
import { LogLost } from '../log/owned-log.ts'
import { readRecord } from './event-record.ts'
import type { Copies } from './forward-misrouted.ts'
import { Incident } from './incident.ts'
import type { PartitionLog } from './partition-log.ts'
import { type BatchPart, splitBatch } from './split-batch.ts'
import type { FetchedBatch, PartitionExtent, Reader, Turn } from './topic.ts'
import { pause, waitForOwnerTimeout } from './wait-for-owner-timeout.ts'

export interface PartitionReaderOptions {
  readonly partitionLog: PartitionLog
  readonly reader: () => Reader
  readonly control: Lane
  readonly logger: Logger
  readonly limits: PartitionReaderLimits
}

export interface PartitionReaderLimits {
  /** A fetched batch is decoded and written in parts of this many events. */
  readonly batchEventsMax: number
  readonly batchBytesMax: number
  readonly retryAfterMsMin: number
  readonly retryAfterMsMax: number
  /** A partition that another took, though the group assigns it here, is taken back when that one is silent this long. */
  readonly ownerSilenceMsMax: number
}

export type ReaderState =
  | { readonly status: 'taking'; readonly reason: string }
  | { readonly status: 'reading' }
  | { readonly status: 'stopped'; readonly incident: Incident }
  | { readonly status: 'ended' }

/**
 * Keeps one assigned partition going: takes it, reads it, and after any error takes it anew; stops on an incident. The
 * partition is paused while it is not being read. Everything happens one after another, whoever asks for it.
 */
export class PartitionReader {
  readonly partitionLog: PartitionLog
  readonly batches = { count: 0, seconds: 0, startedMs: undefined as number | undefined }
  #state: ReaderState = { status: 'ended' }
  readonly #options: PartitionReaderOptions
  #assignment = new AbortController()
  #last: Promise<unknown> = Promise.resolve()
  /** Where a batch that began elsewhere was sent back to: what is delivered then follows, though there may be a gap. */
  #sentBackTo: number | undefined
  #seeks = 0
  /** A time that was noted before the end of the log was asked for: complete up to it once all below `end` is settled, by whomever. */
  #asked: { asOfMs: number; end: number; copies?: Copies } | undefined
  #end = 0
  #publishedMs = 0

  constructor(options: PartitionReaderOptions) {
    this.#options = options
    this.partitionLog = options.partitionLog
  }

  get state(): ReaderState {
    return this.#state
  }

  /** Events between what is settled and the end of the partition, as far as it is known. */
  get lagEvents(): number {
    return Math.max(0, this.#end - this.partitionLog.settledEnd)
  }

  /** The group has assigned the partition, for the first time or anew: it is taken, because others may have had it. */
  assign(): void {
    this.#assignment.abort()
    this.#assignment = new AbortController()
    void this.#takeUntilRead('the partition is being taken', this.#assignment.signal)
  }

  /** The group has taken the partition away, or the process leaves. What is in flight ends first. */
  async end(): Promise<void> {
    this.#assignment.abort()
    const { partitionLog } = this
    await this.#inTurn(async () => {
      const wasReading = this.#state.status === 'reading'
      this.#state = { status: 'ended' }
      partitionLog.owned.close()
      if (!wasReading) return
      // A log that is left without this word is taken over all the same.
      await this.#publish(partitionLog.owned.asOfMs, true).catch((error: unknown) =>
        this.#options.logger.warn({ err: error, log: partitionLog.owned.name }, 'the log could not be released'),
      )
    })
  }

  onBatch(batch: FetchedBatch, turn: Turn): Promise<void> {
    const seeks = this.#seeks
    // Fetched before a take or a replay that it waited for, it is of another place.
    return this.#inTurn(async () => {
      if (seeks === this.#seeks) await this.#onBatch(batch, turn)
    })
  }

  /** The heartbeat between two batches: how far the log is complete, and whether it still holds what comes next. */
  async beat(extent: PartitionExtent | undefined, { askedMs, next }: { askedMs: number; next: number }): Promise<void> {
    await this.#guarded(async () => {
      if (extent !== undefined) {
        this.#end = Math.max(this.#end, extent.end)
        this.partitionLog.requireWithin(extent, next)
        this.#asked ??= { asOfMs: askedMs, end: extent.end }
      }
      await this.#publishAsked()
    })
    const { partition, settledEnd } = this.partitionLog
    if (this.#state.status === 'reading')
      void this.#options
        .reader()
        .commit(partition, settledEnd)
        .catch(() => {})
  }

  /** Reads the log again from an offset. Resolves when its first position stands; false when it cannot be done now. */
  async replayFrom(offset: number): Promise<boolean> {
    let begun = false
    await this.#guarded(async () => {
      begun = await this.partitionLog.replayFrom(offset)
      this.#seek()
    })
    return begun
  }

  async #onBatch(batch: FetchedBatch, turn: Turn): Promise<void> {
    if (this.#state.status !== 'reading') return
    const startedMs = performance.now()
    this.batches.startedMs = startedMs
    try {
      this.#end = Math.max(this.#end, batch.end)
      if (this.#follows(batch)) await this.#process(batch, turn)
      else this.#sendBack()
    } catch (error) {
      this.#fail(error)
    } finally {
      this.batches.startedMs = undefined
      this.batches.count += 1
      this.batches.seconds += (performance.now() - startedMs) / 1000
    }
  }

  /**
   * Whether a batch begins where the log goes on. The library may begin elsewhere by itself: then it is sent back, once.
   * What it delivers after that follows, and between is nothing that can be read.
   */
  #follows({ fetchedOffset }: FetchedBatch): boolean {
    const { next } = this.partitionLog
    return fetchedOffset === next || (fetchedOffset > next && this.#sentBackTo === next)
  }

  async #process(batch: FetchedBatch, turn: Turn): Promise<void> {
    this.#sentBackTo = undefined
    const parts = splitBatch(batch, this.partitionLog.next, this.#options.limits)
    const name = this.partitionLog.owned.name
    const read = ({ records }: BatchPart) => records.map((record) => readRecord(record, name))
    let [part] = parts
    let records = part === undefined ? [] : read(part)
    for (let index = 0; part !== undefined; index += 1) {
      const written = this.partitionLog.process(records, part.through)
      const nextPart = parts[index + 1]
      // The next part is decoded while this one is written, and told apart only when it is acknowledged.
      let nextRecords: LogRecord[] = []
      try {
        if (nextPart !== undefined) nextRecords = read(nextPart)
      } finally {
        await written
      }
      turn.resolve(part.through)
      await this.#publishAsked()
      if (nextPart !== undefined && !(await goesOn(turn))) return
      part = nextPart
      records = nextRecords
    }
  }

  async #publishAsked(): Promise<void> {
    const { partitionLog } = this
    if (await this.#isReached()) {
      const asOfMs = Math.max(this.#asked?.asOfMs ?? 0, partitionLog.owned.asOfMs)
      await this.#publish(asOfMs)
      this.#asked = undefined
    } else if (Date.now() - this.#publishedMs >= HEARTBEAT_MS) await this.#publish(partitionLog.owned.asOfMs)
  }

  /** All below the end that was asked for is settled, and so is what was passed on from there. */
  async #isReached(): Promise<boolean> {
    const { partitionLog } = this
    const asked = this.#asked
    if (asked === undefined || partitionLog.settledEnd < asked.end) return false
    asked.copies ??= partitionLog.passedOn.copies
    return partitionLog.passedOn.areSettled(asked.copies)
  }

  /** Also when the log is not complete beyond what was said before: it says that this owner lives. */
  async #publish(asOfMs: number, released = false): Promise<void> {
    const { owned, settledEnd } = this.partitionLog
    await owned.publishWatermark({ asOfMs, settledThrough: settledEnd - 1, released })
    this.#publishedMs = Date.now()
    if (!released) await owned.repairAsAsked()
  }

  #sendBack(): void {
    this.#seek()
    this.#sentBackTo = this.partitionLog.next
  }

  #seek(): void {
    this.#seeks += 1
    this.#sentBackTo = undefined
    this.#options.reader().seek(this.partitionLog.partition, this.partitionLog.next)
  }

  #fail(error: unknown): void {
    const { partitionLog } = this
    const { logger, reader } = this.#options
    reader().pause(partitionLog.partition)
    if (error instanceof Incident) {
      this.#state = { status: 'stopped', incident: error }
      logger.error({ log: partitionLog.owned.name, incident: error.kind }, error.message)
      return
    }
    logger.error({ err: error, log: partitionLog.owned.name }, 'the log is in doubt; taking it anew')
    void this.#takeUntilRead('a write failed and the log is taken anew', this.#assignment.signal)
  }

  /** For ever, with back-off: until it is read, stopped by an incident, or no longer assigned. */
  async #takeUntilRead(reason: string, assigned: AbortSignal): Promise<void> {
    const { partitionLog } = this
    const { limits, logger, reader } = this.#options
    this.#state = { status: 'taking', reason }
    reader().pause(partitionLog.partition)
    const backOff = new BackOff(limits)
    while (!assigned.aborted) {
      try {
        await this.#inTurn(async () => {
          if (assigned.aborted) return
          await partitionLog.take()
          if (assigned.aborted) return
          this.#state = { status: 'reading' }
          this.#seek()
          reader().resume(partitionLog.partition)
          logger.info({ log: partitionLog.owned.name, next: partitionLog.next }, 'the log is taken')
        })
        return
      } catch (error) {
        if (error instanceof Incident) return this.#fail(error)
        const retryAfterMs = backOff.next()
        this.#state = { status: 'taking', reason: error instanceof Error ? error.message : String(error) }
        logger.warn({ err: error, log: partitionLog.owned.name, retryAfterMs }, 'the log cannot be taken yet')
        if (error instanceof LogLost) await this.#untilOwnerIsSilent(assigned)
        else await pause(retryAfterMs, assigned)
      }
    }
  }

  #untilOwnerIsSilent(assigned: AbortSignal): Promise<void> {
    const { control, limits, reader } = this.#options
    const { owned, partition, settledEnd } = this.partitionLog
    const commit = () => reader().commit(partition, settledEnd)
    return waitForOwnerTimeout({ control, log: owned.name, commit, ...limits, assigned })
  }

  /** Work on a log that is being read; not done when it is not. An error is dealt with here. */
  #guarded(work: () => Promise<void>): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#state.status !== 'reading') return
      try {
        await work()
      } catch (error) {
        this.#fail(error)
      }
    })
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work, work)
    this.#last = done.catch(() => {})
    return done
  }
}

const HEARTBEAT_MS = 5_000

/** False when the group is about to take the partition away: the rest is left for whoever gets it. */
async function goesOn(turn: Turn): Promise<boolean> {
  try {
    await turn.heartbeat()
    return true
  } catch {
    return false
  }
}
