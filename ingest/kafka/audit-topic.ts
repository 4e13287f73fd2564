import { z } from 'zod'
import { dayOf } from '../../metering/timestamp.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import type { LogRecord } from '../log/detect-duplicates.ts'
import { type InDoubtRange, type LogRange, readInDoubtRange } from '../log/in-doubt-range.ts'
import { findStoredEvents, readStoredRange, type StoredInRange } from '../log/stored-events.ts'
import { readRecord } from './event-record.ts'
import { type Incarnation, logOf, logsOf, pinIncarnation } from './incarnation.ts'
import { partitionOfProject } from './project-partition.ts'
import type { FetchedBatch, Topic } from './topic.ts'

/** One record of a log, or one row of raw, for which the other is missing or different. */
export interface TopicDifference {
  readonly log: string
  readonly offset: number
  readonly project_id: string
  readonly event_id: string
  readonly problem: 'in the log and not in raw' | 'in raw and not in the log' | 'other values in raw' | 'refused and not kept'
}

export interface TopicAudit {
  /** Per log: the first offset that was compared (what is before has left the topic), and the last. */
  readonly ranges: readonly ({ readonly log: string; readonly firstReceivedMs: number | null } & LogRange)[]
  readonly recordsRead: number
  readonly counted: number
  readonly duplicates: number
  readonly refused: number
  readonly passedOn: number
  /** Empty is the only good answer. At most LOG_DIFFERENCES_MAX. */
  readonly differences: readonly TopicDifference[]
}

export const TOPIC_DIFFERENCES_MAX = 1_000

/**
 * Reads the topic again from the earliest event that still exists to what is settled now, and compares each record with
 * raw and with what was refused (P3). Reports only. Throws StoreError, KafkaUnavailable.
 */
export async function auditTopic(clickhouse: ClickHouse, topic: Topic): Promise<TopicAudit> {
  const incarnation = await pinIncarnation(clickhouse, topic)
  const settled = await settledRanges(clickhouse, topic, incarnation)
  const audits = settled.map((range, partition) => new PartitionAudit(clickhouse, incarnation, partition, range))
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
    passedOn: total((audit) => audit.passedOn),
    differences: audits.flatMap(({ differences }) => differences).slice(0, TOPIC_DIFFERENCES_MAX),
  }
}

/** Of each log what the topic still holds and this incarnation has read, without the range that may be in doubt. */
async function settledRanges({ control }: ClickHouse, topic: Topic, incarnation: Incarnation): Promise<LogRange[]> {
  const extents = await topic.extents()
  const ranges: LogRange[] = []
  for (const [partition, log] of logsOf(incarnation).entries()) {
    const last = await readInDoubtRange(control, log)
    ranges.push({ first: Math.max(extents[partition]?.begin ?? 0, incarnation.starts[partition] ?? 0), through: throughOf(last) })
  }
  return ranges
}

function throughOf(last: InDoubtRange | undefined): number {
  if (last === undefined) return -1
  return last.settled ? last.through : last.first - 1
}

class PartitionAudit {
  recordsRead = 0
  counted = 0
  duplicates = 0
  refused = 0
  passedOn = 0
  firstReceivedMs: number | null = null
  readonly log: string
  readonly range: LogRange
  readonly differences: TopicDifference[] = []
  readonly #clickhouse: ClickHouse
  readonly #partition: number
  readonly #partitions: number

  constructor(clickhouse: ClickHouse, incarnation: Incarnation, partition: number, range: LogRange) {
    this.#clickhouse = clickhouse
    this.#partition = partition
    this.#partitions = incarnation.partitions
    this.range = range
    this.log = logOf(incarnation, partition)
  }

  async compare(batch: FetchedBatch): Promise<void> {
    const first = Math.max(batch.fetchedOffset, this.range.first)
    const through = Math.min(batch.through, this.range.through)
    if (through < first) return
    const records = batch.records.map((record) => readRecord(record, this.log)).filter(({ offset }) => offset >= first && offset <= through)
    this.recordsRead += records.length
    this.firstReceivedMs ??= records[0]?.receivedMs ?? null
    const stored = await readStoredRange(this.#clickhouse.reads, this.log, { first, through })
    const kept = new Set((await this.#clickhouse.reads.query(keptOffsets, { log: this.log, first, through })).map(({ offset }) => offset))
    const others: LogRecord[] = []
    for (const record of records) {
      const { judged, offset } = record
      const row = stored.get(offset)
      stored.delete(offset)
      if (judged.status === 'rejected') this.#compareRefused(record, kept.has(offset))
      else if (partitionOfProject(judged.event.projectId, this.#partitions) !== this.#partition) this.passedOn += 1
      else if (row === undefined) others.push(record)
      else if (isSame(judged.event, row)) this.counted += 1
      else this.#differ(record, 'other values in raw')
    }
    for (const { projectId, eventId, offset } of stored.values())
      this.differences.push({ log: this.log, offset, project_id: projectId, event_id: eventId, problem: 'in raw and not in the log' })
    await this.#compareDuplicates(others, kept)
  }

  #compareRefused(record: LogRecord, isKept: boolean): void {
    this.refused += 1
    if (!isKept) this.#differ(record, 'refused and not kept')
  }

  /** What is not counted at its own place must have been counted before, or refused: as a conflict, or by the store. */
  async #compareDuplicates(records: readonly LogRecord[], kept: ReadonlySet<number>): Promise<void> {
    const identities = records.flatMap(({ judged }) => (judged.status === 'valid' ? [[judged.event.projectId, judged.event.eventId] as const] : []))
    const stored = await findStoredEvents(this.#clickhouse.reads, identities)
    for (const record of records) {
      if (record.judged.status !== 'valid') continue
      const { event } = record.judged
      const first = stored.get(event.projectId, event.eventId)
      if (kept.has(record.offset)) this.refused += 1
      else if (first === undefined) this.#differ(record, 'in the log and not in raw')
      else if (first.metric === event.metric && first.value === event.value) this.duplicates += 1
      else this.#differ(record, 'refused and not kept')
    }
  }

  #differ({ judged, offset, log }: LogRecord, problem: TopicDifference['problem']): void {
    if (this.differences.length >= TOPIC_DIFFERENCES_MAX) return
    const { projectId, eventId } = judged.status === 'valid' ? judged.event : judged
    this.differences.push({ log, offset, project_id: projectId, event_id: eventId ?? '', problem })
  }
}

type ValidEvent = Extract<LogRecord['judged'], { status: 'valid' }>['event']
function isSame(event: ValidEvent, row: StoredInRange): boolean {
  return (
    row.projectId === event.projectId &&
    row.eventId === event.eventId &&
    row.metric === event.metric &&
    row.value === event.value &&
    row.usageDate === dayOf(event.timestampMs)
  )
}

const keptOffsets = defineQuery({
  name: 'kept_offsets',
  sql: `SELECT offset FROM rejected_events_v1 FINAL WHERE log = {log: String} AND offset >= {first: UInt64} AND offset <= {through: UInt64}`,
  params: z.object({ log: z.string(), first: z.number(), through: z.number() }),
  row: z.object({ offset: z.coerce.number() }),
})
