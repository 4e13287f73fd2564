import type { Logger } from '../../metering/logger.ts'
import { partitionOfProject } from '../../metering/project-partition.ts'
import type { ClickHouse, Lane } from '../../sql/clickhouse.ts'
import { shardOfPartition } from '../../sql/shards.ts'
import { identityOf } from '../event/pipeline.ts'
import type { LogRecord, Verdict } from '../log/detect-duplicates.ts'
import { readStoredRecords } from '../log/find-stored.ts'
import type { InDoubtRange, LogRange } from '../log/in-doubt-range.ts'
import { isolateRefused } from '../log/isolate-refused.ts'
import type { KnownIdentities } from '../log/known-identities.ts'
import { type AcquireCause, OwnedLog } from '../log/owned-log.ts'
import { traceBatch } from '../log/trace-batch.ts'
import { readRejectedRange } from '../rejected/rejected-events.ts'
import { ForwardedEvents, type MisroutedEvent } from './forward-misrouted.ts'
import { type Incarnation, logOf } from './incarnation.ts'
import { Incident } from './incident.ts'
import { KafkaUnavailable, type LogTopic, type PartitionExtent } from './topic.ts'

export interface PartitionLogOptions {
  readonly clickhouse: ClickHouse
  /** Of the shard of the partition (sql/shards.ts). */
  readonly lane: Lane
  readonly topic: LogTopic
  readonly incarnation: Incarnation
  readonly partition: number
  readonly identities: KnownIdentities
  readonly logger: Logger
}

/**
 * One partition as a log. Its lease is acquired, its in-doubt range is reconciled by reading it again, and then batch after batch is
 * written. One call at a time. After any error the lease must be acquired again, and the partition is read from `next` on.
 */
export class PartitionLog {
  readonly owned: OwnedLog
  readonly partition: number
  readonly forwarded: ForwardedEvents
  readonly #options: PartitionLogOptions
  #next = 0
  /** The range that is being reconciled; undefined when the log is beyond it. */
  #reconciling: InDoubtRange | undefined
  /** The events and corrections of that range that are stored, by offset. */
  #stored: Awaited<ReturnType<typeof readStoredRecords>> | undefined
  /** The events of that range that are kept as rejected, by offset. */
  #rejected: Awaited<ReturnType<typeof readRejectedRange>> | undefined

  constructor(options: PartitionLogOptions) {
    const { clickhouse, lane, incarnation, partition, identities, logger } = options
    const shard = shardOfPartition(clickhouse, partition)
    this.#options = options
    this.partition = partition
    const scope = { partition, partitions: incarnation.partitions }
    this.forwarded = new ForwardedEvents({ ...options, shard })
    this.owned = new OwnedLog({ clickhouse, shard, lane, name: logOf(incarnation, partition), source: incarnation.topic, scope, identities, logger })
  }

  /** The offset that must be read next. */
  get next(): number {
    return this.#next
  }

  /** All offsets below this one are settled. */
  get settledEnd(): number {
    return this.#reconciling?.first ?? this.#next
  }

  /** Acquires the lease and sets `next`, from where to read on. Throws LogLost, StoreError, KafkaUnavailable, Incident. */
  async acquire(cause?: AcquireCause): Promise<void> {
    const range = await this.owned.acquire(cause)
    await this.forwarded.load(this.owned.name)
    const extents = await this.#options.topic.extents()
    const extent = this.#requireExtent(extents)
    this.#forgetRange()
    if (range === undefined) this.#next = this.#options.incarnation.starts[this.partition] ?? 0
    // A settled range is read again too: finding all of it in raw shows that this is still the same topic.
    else if (extent.begin <= range.first) {
      this.#reconciling = range
      this.#next = range.first
    } else this.#next = range.settled ? range.through + 1 : range.first
    this.#requireWithin(extent, Math.max(this.#next, (range?.through ?? -1) + 1))
  }

  /**
   * Goes back to an offset under a new lease, so that its positions outrank those of before. The first one is written here, so that
   * a crash does not forget the replay. Nothing counts twice. Returns false while a range is reconciled, whose doubt would be lost.
   */
  async replayFrom(offset: number): Promise<boolean> {
    if (this.#reconciling !== undefined) return false
    const { begin } = this.#requireExtent(await this.#options.topic.extents())
    const first = Math.max(begin, offset)
    if (first >= this.#next) return true
    const range = await this.owned.acquire('requested')
    await this.owned.write({ first, through: first, records: [], verdicts: [], newHashes: [], position: 'always' })
    this.#forgetRange()
    this.#reconciling = { first, through: first, settled: false, asOfMs: range?.asOfMs ?? 0 }
    this.#next = first
    return true
  }

  /** Checks that the partition still has the offset that was to be read next when the extent was queried. Throws Incident. */
  requireWithin(extent: PartitionExtent, nextBefore: number): void {
    this.#requireWithin(extent, Math.min(nextBefore, this.#next))
  }

  /**
   * Checks that the partition still has what comes next, although the consumer goes on behind it: aborted transactions cannot be read. A
   * consumer does the same when retention has deleted unread events. Throws KafkaUnavailable, Incident.
   */
  async requireNotDeleted(): Promise<void> {
    this.#requireWithin(this.#requireExtent(await this.#options.topic.extents()), this.#next)
  }

  /** Reconciles or writes what was read from `next` through `through`. Throws StoreError, KafkaUnavailable, Incident. */
  process(records: readonly LogRecord[], through: number): Promise<void> {
    const traceparents = () => records.flatMap(({ traceparent }) => traceparent ?? [])
    return traceBatch({ log: this.owned.name, source: 'records', events: records.length, traceparents }, () => this.#process(records, through))
  }

  async #process(records: readonly LogRecord[], through: number): Promise<void> {
    const range = this.#reconciling
    if (range === undefined) return this.#write(records, through)
    await this.#reconcile(
      range,
      records.filter(({ offset }) => offset <= range.through),
    )
    this.#next = Math.min(through, range.through) + 1
    if (through < range.through) return
    await this.#endReconciling(range)
    if (through > range.through)
      await this.#write(
        records.filter(({ offset }) => offset > range.through),
        through,
      )
  }

  async #write(records: readonly LogRecord[], through: number): Promise<void> {
    const first = this.#next
    const { own, misrouted } = this.#separate(records)
    if (misrouted.length > 0) await this.#forward(misrouted, { first, through })
    // Without a readable record there is nothing to reconcile either, so no position is needed.
    if (records.length > 0) await this.owned.write({ first, through, records: own, ...(await this.owned.detectDuplicates(own)), position: 'always' })
    this.#next = through + 1
  }

  /**
   * Events whose copies the broker rejects are kept as rejected, before the position moves: reconciling takes all misrouted events of a
   * range for forwarded ones. After a crash in between they are forwarded again, and what the broker rejects again is kept in the same rows.
   */
  async #forward(misrouted: readonly MisroutedEvent[], range: LogRange): Promise<void> {
    const refused = await this.forwarded.forward(misrouted, this.owned.lease)
    if (refused.length === 0) return
    this.#options.logger.error({ log: this.owned.name, events: refused.length, ...range }, 'the broker rejected misrouted events; they are kept as rejected')
    await this.owned.write({ ...range, records: refused, verdicts: refused.map(() => REFUSED_BY_BROKER), newHashes: [], position: 'never' })
  }

  /**
   * Writes the events of the range that are not stored yet, in log order, each after an exact look-up. Misrouted events need nothing:
   * their copies were in their own logs, or they were kept as rejected, before the position of this range was written.
   */
  async #reconcile(range: InDoubtRange, records: readonly LogRecord[]): Promise<void> {
    this.#stored ??= await readStoredRecords(this.#options.lane, this.owned.name, range)
    this.#rejected ??= await readRejectedRange(this.#options.lane, this.owned.name, range)
    // Before misrouted events are separated: under other rules an event may have been rejected where it was.
    const notStored = records.filter((record) => !this.#isStored(record) && !this.#isRejected(record))
    const { own: missing } = this.#separate(notStored)
    if (missing.length === 0) return
    if (!range.settled) return this.#writeMissing(range, missing)
    const { verdicts } = await this.owned.detectDuplicates(missing, 'all')
    const lost = verdicts.findIndex(({ status }) => status === 'counted')
    if (lost !== -1)
      throw new Incident(
        'topic_created_anew',
        this.owned.name,
        `offset ${missing[lost]?.offset} was processed before, and now has an event that was never counted`,
      )
  }

  #isStored({ offset, validated }: LogRecord): boolean {
    const stored = this.#stored?.get(offset)
    if (stored === undefined) return false
    // Only the identity matters: what counted under the rules of its time may be rejected by those of today.
    const { projectId, eventId } = identityOf(validated)
    if (stored.projectId !== projectId || stored.eventId !== eventId) this.#stopForOther(offset)
    return true
  }

  /**
   * Whether an event that would be valid today was rejected by the rules of its time, or by the store. A conflict is left out, because it is
   * found again, and so is what is rejected today as well: writing it again completes the list of its emitter.
   */
  #isRejected({ offset, validated }: LogRecord): boolean {
    const rejected = this.#rejected?.get(offset)
    if (rejected === undefined || rejected.reason === 'conflict' || validated.status === 'rejected') return false
    // Only the beginning of an id is kept, and nothing of one that was no text.
    const { projectId, eventId } = identityOf(validated)
    if (!projectId.startsWith(rejected.projectId) || !eventId.startsWith(rejected.eventId)) this.#stopForOther(offset)
    return true
  }

  #stopForOther(offset: number): never {
    throw new Incident('topic_created_anew', this.owned.name, `offset ${offset} was processed with another identity`)
  }

  async #writeMissing(range: InDoubtRange, missing: readonly LogRecord[]): Promise<void> {
    const write = async (records: readonly LogRecord[], verdict?: Verdict) => {
      const classified = verdict === undefined ? await this.owned.detectDuplicates(records, 'all') : { verdicts: records.map(() => verdict), newHashes: [] }
      await this.owned.write({ ...range, records, ...classified, position: 'never' })
      return classified.verdicts
    }
    const reacquire = async () => {
      await this.owned.acquire()
    }
    await isolateRefused(missing, { log: this.owned.name, logger: this.#options.logger, write, reacquire })
  }

  async #endReconciling(range: InDoubtRange): Promise<void> {
    await this.owned.reconcileRollup(range)
    this.#forgetRange()
  }

  #forgetRange(): void {
    this.#reconciling = undefined
    this.#stored = undefined
    this.#rejected = undefined
  }

  /** Separates the events of this partition's own projects, and rejected ones, from misrouted events. */
  #separate(records: readonly LogRecord[]): { own: readonly LogRecord[]; misrouted: MisroutedEvent[] } {
    const misrouted: MisroutedEvent[] = []
    for (const record of records) {
      if (record.validated.status === 'rejected') continue
      const { projectId } = identityOf(record.validated)
      const partition = partitionOfProject(projectId, this.#options.incarnation.partitions)
      if (partition !== this.partition) misrouted.push({ record, projectId, partition })
    }
    if (misrouted.length === 0) return { own: records, misrouted }
    const elsewhere = new Set(misrouted.map(({ record }) => record))
    return { own: records.filter((record) => !elsewhere.has(record)), misrouted }
  }

  #requireExtent(extents: readonly (PartitionExtent | undefined)[]): PartitionExtent {
    const { partitions } = this.#options.incarnation
    const extent = extents[this.partition]
    if (extents.length !== partitions)
      throw new Incident('partition_count_changed', this.owned.name, `${partitions} are pinned, the topic has ${extents.length}`)
    if (extent === undefined) throw new KafkaUnavailable(`The partition ${this.partition} does not answer. It may have no leader.`)
    return extent
  }

  #requireWithin({ begin, end }: PartitionExtent, endExpected: number): void {
    const details = `the next offset is ${this.#next}, the partition has [${begin}, ${end})`
    if (end < endExpected) throw new Incident('log_end_below_position', this.owned.name, details)
    if (begin > this.#next) throw new Incident('log_begin_above_position', this.owned.name, details)
  }
}

/** The verdict on a misrouted event whose copy the broker rejects. */
const REFUSED_BY_BROKER: Verdict = {
  status: 'rejected',
  rejection: {
    reason: 'refused_by_store',
    message: 'Kafka rejected the copy of this event for the partition of its project. The event is kept; contact the operator.',
  },
}
