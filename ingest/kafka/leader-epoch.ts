import { Incident } from './incident.ts'
import type { FetchedBatch, FetchedRecord } from './topic.ts'

/**
 * Detects that a log was overwritten below the position: an unclean election, or a broker that lost its last writes, takes records away
 * and gives their offsets to new events, which would never be read. Every record carries the epoch of the leader that appended it,
 * and two logs with a record of one epoch at one offset are equal up to it. So when a batch has another epoch than the last record
 * that was read, that record is read again: if it has another epoch as well, it was replaced.
 */
export class LeaderEpoch {
  readonly #log: string
  #last: { offset: number; epoch: number } | undefined
  #rereading = false
  /** The epoch because of which the last record was read again most recently. */
  #newEpoch: number | undefined

  constructor(log: string) {
    this.#log = log
  }

  /** Call it when the lease is acquired: reconciling compares by identities. */
  forget(): void {
    this.#last = undefined
    this.#rereading = false
    this.#newEpoch = undefined
  }

  /** Call it with every begin of the partition: a record that retention has deleted cannot be read again. */
  observeBegin(begin: number): void {
    if (this.#last !== undefined && this.#last.offset < begin) this.forget()
  }

  /** Whether the batch was fetched because `check` requested it. */
  isReread({ fetchedOffset }: FetchedBatch): boolean {
    return this.#rereading && fetchedOffset === this.#last?.offset
  }

  /**
   * Checks a batch that continues the log before it is processed. Returns the offset from which to read again if it is not certain yet.
   * Throws Incident when the log was overwritten.
   */
  check(batch: FetchedBatch): number | undefined {
    const last = this.#last
    const [first] = batch.records
    if (last === undefined) return undefined
    if (this.isReread(batch)) {
      this.#rereading = false
      if (Number(first?.offset) === last.offset && epochOf(first) === last.epoch) return undefined
      throw new Incident('log_overwritten', this.#log, `offset ${last.offset} has another record than the one that was processed`)
    }
    if (first === undefined || epochOf(first) === last.epoch || this.#isConfirmed(epochOf(first))) return undefined
    this.#rereading = true
    this.#newEpoch = epochOf(first)
    return last.offset
  }

  /** Whether the last record was read again because of this epoch, and is the same. That fetch may have ended before the records of the epoch. */
  #isConfirmed(epoch: number | undefined): boolean {
    return epoch !== undefined && epoch === this.#newEpoch && !this.#rereading
  }

  /** Call it when the records of a batch below `next` have been processed. */
  note({ records }: FetchedBatch, next: number): void {
    const last = records.findLast(({ offset }) => Number(offset) < next)
    const epoch = epochOf(last)
    if (last !== undefined && epoch !== undefined) this.#last = { offset: Number(last.offset), epoch }
  }
}

/** Undefined for a record in a format older than Kafka 0.11. */
function epochOf(record: FetchedRecord | undefined): number | undefined {
  return record?.batchContext?.partitionLeaderEpoch
}
