import { setImmediate as turnOfOthers } from 'node:timers/promises'
import type { BatchSize } from '../log/batch-size.ts'
import type { LogRecord } from '../log/detect-duplicates.ts'
import { TouchedDays, type TouchedLimits } from '../log/touched-days.ts'
import { valueBytesOf } from './batch-record.ts'
import type { FetchedBatch, FetchedRecord } from './topic.ts'

/** A decoded part of a fetched batch, which is written in one step. */
export interface BatchPart {
  readonly records: readonly LogRecord[]
  readonly through: number
}

/** A fetched batch is decoded and written in parts of at most this many events and bytes, months and days. */
export interface PartLimits extends TouchedLimits {
  readonly batchEventsMax: number
  readonly batchBytesMax: number
}

export interface SplitOptions {
  /** Earlier records have been processed. */
  readonly next: number
  readonly limits: PartLimits
  /** The size of each part is decided when it is decoded. */
  readonly size: BatchSize
  /** The reader of this batch (event-record.ts). */
  read(record: FetchedRecord): LogRecord | Promise<LogRecord>
}

/** Decoding goes on for this long. Then what else waits in this process has its turn, such as the heartbeats of the consumer group. */
const TURN_MS_MAX = 50

/** Decodes a batch part by part, each when it is asked for. A part ends at the offset where a limit is reached; it has at least one event. */
export async function* splitBatch({ records, through }: FetchedBatch, { next, limits, size, read }: SplitOptions): AsyncGenerator<BatchPart> {
  const due = records.length > 0 && Number(records[0]?.offset) < next ? records.filter(({ offset }) => Number(offset) >= next) : records
  if (due.length === 0 && through >= next) yield { records: [], through }
  /** The record at `at`, if it was decoded for the part before and is beyond its limits. */
  let decoded: LogRecord | undefined
  let turnEndsMs = performance.now() + TURN_MS_MAX
  for (let at = 0; at < due.length; ) {
    const part: LogRecord[] = []
    const touched = new TouchedDays({ batchMonthsMax: size.of(limits.batchMonthsMax), batchDaysMax: size.of(limits.batchDaysMax) })
    const [eventsMax, bytesMax] = [size.of(limits.batchEventsMax), size.of(limits.batchBytesMax)]
    for (let bytes = 0; part.length < eventsMax && (part.length === 0 || bytes < bytesMax); at += 1) {
      const record = due[at]
      if (record === undefined) break
      if (performance.now() > turnEndsMs) {
        await turnOfOthers()
        turnEndsMs = performance.now() + TURN_MS_MAX
      }
      if (decoded === undefined) {
        const reading = read(record)
        // Only what has to wait is awaited: nearly all records are decoded without it.
        decoded = reading instanceof Promise ? await reading : reading
      }
      if (!touched.add(decoded.validated)) break
      part.push(decoded)
      decoded = undefined
      bytes += valueBytesOf(record)
    }
    yield { records: part, through: at === due.length ? through : (part.at(-1)?.offset ?? through) }
  }
}
