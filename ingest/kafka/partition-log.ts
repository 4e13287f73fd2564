import type { Logger } from '../../metering/logger.ts'
import type { ClickHouse, Lane } from '../../sql/clickhouse.ts'
import { classifyStoreError } from '../../sql/errors.ts'
import type { LogRecord } from '../log/detect-duplicates.ts'
import type { FilterBudget } from '../log/identity-filter.ts'
import type { InDoubtRange } from '../log/in-doubt-range.ts'
import { OwnedLog, REFUSED_BY_STORE } from '../log/owned-log.ts'
import { readStoredRange } from '../log/stored-events.ts'
import { readRefusedByStore } from '../rejected/rejected-events.ts'
import { ForwardedEvents, type MisroutedEvent } from './forward-misrouted.ts'
import { type Incarnation, logOf } from './incarnation.ts'
import { Incident } from './incident.ts'
import { partitionOfProject } from './project-partition.ts'
import type { LogTopic, PartitionExtent } from './topic.ts'

export interface PartitionLogOptions {
  readonly clickhouse: ClickHouse
  readonly lane: Lane
  readonly topic: LogTopic
  readonly incarnation: Incarnation
  readonly partition: number
  readonly filterBudget: FilterBudget
  readonly logger: Logger
}

/**
 * One partition as a log: taken, its last range settled by reading it again, then batch after batch. One call at a time.
 * After any error it must be taken anew, and is read from `next` on.
 */
export class PartitionLog {
  readonly owned: OwnedLog
  readonly partition: number
  readonly passedOn: ForwardedEvents
  readonly #options: PartitionLogOptions
  readonly #ownPartitions = new Map<string, number>()
  #next = 0
  #settling: InDoubtRange | undefined
  /** What raw holds of the range that is settled, by offset. */
  #stored: Awaited<ReturnType<typeof readStoredRange>> | undefined
  /** What the store refused of that range, once and for all: it must not be counted beside its refusal. */
  #refusedByStore: Set<number> | undefined

  constructor(options: PartitionLogOptions) {
    const { clickhouse, lane, incarnation, partition, filterBudget, logger } = options
    this.#options = options
    this.partition = partition
    const scope = { partition, partitions: incarnation.partitions }
    this.passedOn = new ForwardedEvents(options)
    this.owned = new OwnedLog({ clickhouse, lane, name: logOf(incarnation, partition), scope, filterBudget, logger })
  }

  /** The offset that must be read next. */
  get next(): number {
    return this.#next
  }

  /** All below this offset is acknowledged or settled. */
  get settledEnd(): number {
    return this.#settling?.first ?? this.#next
  }

  /** Takes the log, and says by `next` where to read on. Throws LogLost, StoreError, KafkaUnavailable, Incident. */
  async take(): Promise<void> {
    const range = await this.owned.take()
    await this.passedOn.load(this.owned.name)
    const extents = await this.#options.topic.extents()
    const extent = this.#requireExtent(extents)
    this.#forgetRange()
    if (range === undefined) this.#next = this.#options.incarnation.starts[this.partition] ?? 0
    // Read again also when it is settled: that all of it is found tells that this is still the same topic.
    else if (extent.begin <= range.first) {
      this.#settling = range
      this.#next = range.first
    } else this.#next = range.settled ? range.through + 1 : range.first
    this.#requireWithin(extent, Math.max(this.#next, (range?.through ?? -1) + 1))
  }

  /**
   * Goes back to an offset under a new ownership, so that its positions outrank those of before; the first is written here,
   * so that a crash does not forget it. Nothing counts twice. False while a range is settled: its doubt would be forgotten.
   */
  async replayFrom(offset: number): Promise<boolean> {
    if (this.#settling !== undefined) return false
    const { begin } = this.#requireExtent(await this.#options.topic.extents())
    const first = Math.max(begin, offset)
    if (first >= this.#next) return true
    const taken = await this.owned.take()
    await this.owned.write({ first, through: first }, [], { verdicts: [], newHashes: [] }, 'always')
    this.#forgetRange()
    this.#settling = { first, through: first, settled: false, asOfMs: taken?.asOfMs ?? 0 }
    this.#next = first
    return true
  }

  /** Whether the log still holds what had to be read next before its extent was asked for. Throws Incident. */
  requireWithin(extent: PartitionExtent, nextBefore: number): void {
    this.#requireWithin(extent, Math.min(nextBefore, this.#next))
  }

  /** Settles or writes what was read from `next` through `through`. Throws StoreError, KafkaUnavailable, Incident. */
  async process(records: readonly LogRecord[], through: number): Promise<void> {
    const range = this.#settling
    if (range === undefined) return this.#write(records, through)
    await this.#settle(
      range,
      records.filter(({ offset }) => offset <= range.through),
    )
    this.#next = Math.min(through, range.through) + 1
    if (through < range.through) return
    await this.#endSettling(range)
    if (through > range.through)
      await this.#write(
        records.filter(({ offset }) => offset > range.through),
        through,
      )
  }

  async #write(records: readonly LogRecord[], through: number): Promise<void> {
    const first = this.#next
    const { own, strays } = this.#sort(records)
    if (strays.length > 0) await this.passedOn.passOn(strays, this.owned.ownership)
    // Where nothing was readable there is nothing to settle either.
    if (records.length > 0) await this.owned.write({ first, through }, own, await this.owned.tell(own), 'always')
    this.#next = through + 1
  }

  /** In log order, each told by exact look-up; what was passed on stands in its own log before the position did. */
  async #settle(range: InDoubtRange, records: readonly LogRecord[]): Promise<void> {
    this.#stored ??= await readStoredRange(this.#options.lane, this.owned.name, range)
    this.#refusedByStore ??= await readRefusedByStore(this.#options.lane, this.owned.name, range)
    const { own } = this.#sort(records)
    const missing = own.filter((record) => !this.#isStored(record) && this.#refusedByStore?.has(record.offset) !== true)
    if (missing.length === 0) return
    if (!range.settled) return this.#writeOrHalve(range, missing)
    const { verdicts } = await this.owned.tell(missing, 'exact')
    const lost = verdicts.findIndex(({ status }) => status === 'counted')
    if (lost !== -1)
      throw new Incident('topic_created_anew', this.owned.name, `offset ${missing[lost]?.offset} was settled, and holds an event that was never counted`)
  }

  #isStored({ offset, judged }: LogRecord): boolean {
    const stored = this.#stored?.get(offset)
    if (stored === undefined) return false
    if (judged.status !== 'valid' || stored.projectId !== judged.event.projectId || stored.eventId !== judged.event.eventId)
      throw new Incident('topic_created_anew', this.owned.name, `offset ${offset} was counted with another identity`)
    return true
  }

  async #writeOrHalve(range: InDoubtRange, records: readonly LogRecord[]): Promise<void> {
    try {
      await this.owned.write(range, records, await this.owned.tell(records, 'exact'), 'never')
    } catch (thrown) {
      const error = classifyStoreError(thrown)
      if (error.fault !== 'refused') throw error
      this.#options.logger.warn({ err: error, log: this.owned.name, events: records.length }, 'the store refused events for their data; looking for the one')
      await this.owned.take()
      if (records.length === 1) return this.owned.write(range, records, { verdicts: [REFUSED_BY_STORE], newHashes: [] }, 'never')
      const middle = Math.ceil(records.length / 2)
      await this.#writeOrHalve(range, records.slice(0, middle))
      await this.#writeOrHalve(range, records.slice(middle))
    }
  }

  async #endSettling(range: InDoubtRange): Promise<void> {
    await this.owned.settleRollup(range)
    this.#forgetRange()
  }

  #forgetRange(): void {
    this.#settling = undefined
    this.#stored = undefined
    this.#refusedByStore = undefined
  }

  #sort(records: readonly LogRecord[]): { own: readonly LogRecord[]; strays: MisroutedEvent[] } {
    const strays: MisroutedEvent[] = []
    for (const record of records) {
      if (record.judged.status !== 'valid') continue
      const { projectId } = record.judged.event
      const partition = this.#partitionOf(projectId)
      if (partition !== this.partition) strays.push({ record, projectId, partition })
    }
    if (strays.length === 0) return { own: records, strays }
    const foreign = new Set(strays.map(({ record }) => record))
    return { own: records.filter((record) => !foreign.has(record)), strays }
  }

  #partitionOf(projectId: string): number {
    const known = this.#ownPartitions.get(projectId)
    if (known !== undefined) return known
    if (this.#ownPartitions.size >= REMEMBERED_PROJECTS_MAX) this.#ownPartitions.clear()
    const partition = partitionOfProject(projectId, this.#options.incarnation.partitions)
    this.#ownPartitions.set(projectId, partition)
    return partition
  }

  #requireExtent(extents: readonly PartitionExtent[]): PartitionExtent {
    const { partitions } = this.#options.incarnation
    const extent = extents[this.partition]
    if (extents.length === partitions && extent !== undefined) return extent
    throw new Incident('partition_count_changed', this.owned.name, `${partitions} are pinned, the topic has ${extents.length}`)
  }

  #requireWithin({ begin, end }: PartitionExtent, endExpected: number): void {
    const details = `next is offset ${this.#next}, the log holds [${begin}, ${end})`
    if (end < endExpected) throw new Incident('log_end_below_position', this.owned.name, details)
    if (begin > this.#next) throw new Incident('log_begin_above_position', this.owned.name, details)
  }
}

const REMEMBERED_PROJECTS_MAX = 100_000
