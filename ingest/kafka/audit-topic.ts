import { TOPIC_DIFFERENCES_MAX } from '../../contract/logs.ts'
import { partitionOfProject } from '../../metering/project-partition.ts'
import { dayOf } from '../../metering/timestamp.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { shardOfPartition } from '../../sql/shards.ts'
import type { KnownMetrics } from '../event/known-metrics.ts'
import { identityOf, type ValidatedEvent } from '../event/pipeline.ts'
import type { LogRecord } from '../log/detect-duplicates.ts'
import { findStored, readStoredRecords } from '../log/find-stored.ts'
import { isIndexComplete } from '../log/identity-index.ts'
import { type InDoubtRange, type LogRange, readInDoubtRange } from '../log/in-doubt-range.ts'
import { isSameEvent } from '../log/same-event.ts'
import type { CorrectionInRange, StoredCorrection } from '../log/stored-corrections.ts'
import type { StoredEvent, StoredInRange } from '../log/stored-events.ts'
import { readRejectedRange } from '../rejected/rejected-events.ts'
import { readRecord } from './event-record.ts'
import { type Incarnation, logOf, logsOf, pinIncarnation } from './incarnation.ts'
import { type FetchedBatch, requireExtents, type Topic } from './topic.ts'

/** A record of a log without the same row in raw, or a row of raw without its record. */
export interface TopicDifference {
  readonly log: string
  readonly offset: number
  readonly project_id: string
  readonly event_id: string
  readonly problem: 'in the log and not in raw' | 'in raw and not in the log' | 'other values in raw' | 'refused and not kept'
}

export interface TopicAudit {
  /** For each log the first and the last offset that were compared. Offsets before the first have left the topic. */
  readonly ranges: readonly ({ readonly log: string; readonly firstReceivedMs: number | null } & LogRange)[]
  readonly recordsRead: number
  readonly counted: number
  readonly duplicates: number
  readonly refused: number
  readonly forwarded: number
  /** Empty is the only good result. At most TOPIC_DIFFERENCES_MAX. */
  readonly differences: readonly TopicDifference[]
}

/**
 * Reads the topic again, from the earliest event that still exists to the last settled one, and compares each record with raw and with
 * the rejected events (P3). It repairs nothing. Throws StoreError, KafkaUnavailable.
 */
export async function auditTopic(clickhouse: ClickHouse, topic: Topic, metrics?: KnownMetrics): Promise<TopicAudit> {
  // What is defined by now was defined when the settled records were read, or they were rejected.
  await metrics?.refresh()
  const incarnation = await pinIncarnation(clickhouse, topic)
  const settled = await settledRanges(clickhouse, topic, incarnation)
  const audits = settled.map((range, partition) => new PartitionAudit(clickhouse, incarnation, partition, { range, metrics }))
  await topic.readAll(async (batch) => {
    await audits[batch.partition]?.compare(batch)
  })
  const total = (count: (audit: PartitionAudit) => number) => audits.reduce((sum, audit) => sum + count(audit), 0)
  return {
    ranges: audits.map(({ log, range, firstReceivedMs }) => ({ log, first: range.first, through: range.through, firstReceivedMs })),
    recordsRead: total((audit) => audit.recordsRead),
    counted: total((audit) => audit.counted),
    duplicates: total((audit) => audit.duplicates),
    refused: total((audit) => audit.refused),
    forwarded: total((audit) => audit.forwarded),
    differences: audits.flatMap(({ differences }) => differences).slice(0, TOPIC_DIFFERENCES_MAX),
  }
}

/** For each log the range that the topic still has and this incarnation has read, without an in-doubt range. */
async function settledRanges({ control }: ClickHouse, topic: Topic, incarnation: Incarnation): Promise<LogRange[]> {
  const extents = requireExtents(await topic.extents())
  const ranges: LogRange[] = []
  for (const [partition, log] of logsOf(incarnation).entries()) {
    const range = await readInDoubtRange(control, log)
    ranges.push({ first: Math.max(extents[partition]?.begin ?? 0, incarnation.starts[partition] ?? 0), through: settledThrough(range) })
  }
  return ranges
}

function settledThrough(range: InDoubtRange | undefined): number {
  if (range === undefined) return -1
  return range.settled ? range.through : range.first - 1
}

class PartitionAudit {
  recordsRead = 0
  counted = 0
  duplicates = 0
  refused = 0
  forwarded = 0
  firstReceivedMs: number | null = null
  readonly log: string
  readonly range: LogRange
  readonly differences: TopicDifference[] = []
  /** That of the log. */
  readonly #shard: ClickHouse
  readonly #metrics: KnownMetrics | undefined
  readonly #partition: number
  readonly #partitions: number

  constructor(
    clickhouse: ClickHouse,
    incarnation: Incarnation,
    partition: number,
    { range, metrics }: { readonly range: LogRange; readonly metrics: KnownMetrics | undefined },
  ) {
    this.#shard = shardOfPartition(clickhouse, partition)
    this.#metrics = metrics
    this.#partition = partition
    this.#partitions = incarnation.partitions
    this.range = range
    this.log = logOf(incarnation, partition)
  }

  async compare(batch: FetchedBatch): Promise<void> {
    const first = Math.max(batch.fetchedOffset, this.range.first)
    const through = Math.min(batch.through, this.range.through)
    if (through < first) return
    const records = batch.records.map((record) => readRecord(record, this.log, this.#metrics)).filter(({ offset }) => offset >= first && offset <= through)
    this.recordsRead += records.length
    this.firstReceivedMs ??= records[0]?.receivedMs ?? null
    const stored = await readStoredRecords(this.#shard.reads, this.log, { first, through })
    const rejected = await readRejectedRange(this.#shard.reads, this.log, { first, through })
    const unknown: LogRecord[] = []
    for (const record of records) {
      const row = stored.get(record.offset)
      stored.delete(record.offset)
      // What is stored for the offset decides, not today's rules: a metric may have been added to the catalogue or removed from it.
      if (row !== undefined) this.#compareStored(record, row)
      else if (rejected.has(record.offset)) this.refused += 1
      else if (this.#isMisrouted(record)) this.forwarded += 1
      else unknown.push(record)
    }
    for (const { projectId, eventId, offset } of stored.values())
      this.differences.push({ log: this.log, offset, project_id: projectId, event_id: eventId, problem: 'in raw and not in the log' })
    await this.#compareDuplicates(unknown)
  }

  #compareStored(record: LogRecord, row: StoredInRange | CorrectionInRange): void {
    const { validated } = record
    const { projectId, eventId } = identityOf(validated)
    const isSame = row.projectId === projectId && row.eventId === eventId && hasSameValues(validated, row)
    if (isSame) this.counted += 1
    else this.#differ(record, 'other values in raw')
  }

  #isMisrouted({ validated }: LogRecord): boolean {
    return validated.status !== 'rejected' && partitionOfProject(identityOf(validated).projectId, this.#partitions) !== this.#partition
  }

  /** An event that is neither counted nor rejected at its own offset must have been counted at an earlier one, with the same values. */
  async #compareDuplicates(records: readonly LogRecord[]): Promise<void> {
    const identities = records.map(({ validated }) => identityOf(validated)).map(({ projectId, eventId }) => [projectId, eventId] as const)
    if (identities.length === 0) return
    const { reads } = this.#shard
    const lookUp = { lane: reads, catalogue: reads, indexed: await isIndexComplete(this.#shard), secondsMax: LOOK_UP_SECONDS_MAX }
    const stored = await findStored(lookUp, {
      identities,
      monthsExpected: [],
      corrected: [],
      amends: false,
      batches: [],
      window: undefined,
      log: this.log,
      offset: 0,
    })
    for (const record of records) {
      const { validated } = record
      const { projectId, eventId } = identityOf(validated)
      const first = stored.events.get(projectId, eventId) ?? stored.corrections.get(projectId, eventId)
      if (first === undefined) this.#differ(record, validated.status === 'rejected' ? 'refused and not kept' : 'in the log and not in raw')
      else if (isCopy(validated, first)) this.duplicates += 1
      else this.#differ(record, 'refused and not kept')
    }
  }

  #differ({ validated, offset, log }: LogRecord, problem: TopicDifference['problem']): void {
    if (this.differences.length >= TOPIC_DIFFERENCES_MAX) return
    const { projectId, eventId } = identityOf(validated)
    this.differences.push({ log, offset, project_id: projectId, event_id: eventId, problem })
  }
}

const LOOK_UP_SECONDS_MAX = 600

function hasSameValues(validated: ValidatedEvent, row: StoredInRange | CorrectionInRange): boolean {
  return isCopy(validated, row) && (validated.status !== 'valid' || ('usageDate' in row && row.usageDate === dayOf(validated.event.timestampMs)))
}

/** Of a record that would be rejected today, only the identity is compared. */
function isCopy(validated: ValidatedEvent, first: StoredEvent | StoredCorrection): boolean {
  if (validated.status === 'rejected') return true
  if (validated.status === 'window') return 'corrects' in first && first.batch === validated.window.batch
  if (validated.status === 'valid') return !('corrects' in first) && isSameEvent(validated.event, first)
  const { corrects, action, value } = validated.correction
  return 'corrects' in first && first.corrects === corrects && first.action === action && first.value === value
}
