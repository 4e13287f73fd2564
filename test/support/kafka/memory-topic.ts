import { readRecord } from '../../../ingest/kafka/event-record.ts'
import type { FetchedBatch, FetchedRecord, LogTopic, NewRecord, PartitionExtent, ProduceOutcome } from '../../../ingest/kafka/topic.ts'
import { DOCUMENTED_METRICS, type MetricKinds } from '../../../metering/metrics.ts'
import { partitionOfProject } from '../../../metering/project-partition.ts'
import type { TestEvent } from '../clients/client.ts'

/** Its events may have the label `model`; labels of other metrics do not count. */
export const LABELLED_METRIC = 'ai_tokens'

/**
 * A topic in memory that implements LogTopic, so that a test decides what is delivered, when, and what fails. An oracle folds its
 * records into the expected result.
 */
export class MemoryTopic implements LogTopic {
  readonly name: string
  readonly partitions: FetchedRecord[][]
  /** Offsets below are deleted, as by retention. */
  readonly begins: number[]
  /**
   * Called before and after the records of a produce request are appended. A throw before loses the request, a throw after
   * loses its answer.
   */
  beforeProduce: () => Promise<void> = async () => {}
  afterProduce: () => Promise<void> = async () => {}
  /** Which records the broker rejects for what they are. */
  refuses: (record: NewRecord) => boolean = () => false

  constructor(name: string, partitions: number) {
    this.name = name
    this.partitions = Array.from({ length: partitions }, () => [])
    this.begins = Array.from({ length: partitions }, () => 0)
  }

  async extents(): Promise<PartitionExtent[]> {
    return this.partitions.map((records, partition) => {
      const end = this.#endOf(records)
      return { begin: this.begins[partition] ?? 0, end, stableEnd: end }
    })
  }

  async produce(records: readonly NewRecord[]): Promise<ProduceOutcome[]> {
    await this.beforeProduce()
    const outcomes = records.map((record): ProduceOutcome => {
      if (this.refuses(record)) return { status: 'refused', error: new Error('injected') }
      return { status: 'appended', offset: this.append(record.partition, record.value, record.headers) }
    })
    await this.afterProduce()
    return outcomes
  }

  /** Appends to any partition, as a producer other than this service can. */
  append(partition: number, value: Buffer | string | null, headers: Readonly<Record<string, string>> = {}, timestampMs = Date.UTC(2026, 10, 1)): number {
    const records = this.partitions[partition] ?? []
    const offset = this.#endOf(records)
    records.push({ offset: String(offset), timestamp: String(timestampMs), value: value === null ? null : Buffer.from(value), headers })
    return offset
  }

  partitionOf(projectId: string): number {
    return partitionOfProject(projectId, this.partitions.length)
  }

  /** Appends an event to its project's own partition. */
  appendEvent(event: TestEvent): number {
    return this.append(this.partitionOf(event.project_id), JSON.stringify(event))
  }

  /** Fetches at most `recordsMax` records from `offset` on; undefined at the end. */
  fetch(partition: number, offset: number, recordsMax: number): FetchedBatch | undefined {
    const all = this.partitions[partition] ?? []
    const records = all.filter((record) => Number(record.offset) >= offset).slice(0, recordsMax)
    const last = records.at(-1)
    if (last === undefined) return undefined
    return { partition, fetchedOffset: offset, records, through: Number(last.offset), end: this.#endOf(all) }
  }

  /** Reads every partition once, as an audit of the topic does. */
  async readAll(onBatch: (batch: FetchedBatch) => Promise<void>): Promise<void> {
    for (const [partition, records] of this.partitions.entries()) {
      const batch = this.fetch(partition, this.begins[partition] ?? 0, records.length)
      if (batch !== undefined) await onBatch(batch)
    }
  }

  /** Reads at most `recordsMax` records and validates them, as the reader of the log does. */
  read(log: string, partition: number, first: number, recordsMax: number) {
    const batch = this.fetch(partition, first, recordsMax)
    return batch === undefined ? undefined : { records: batch.records.map((record) => readRecord(record, log, LABELLED)), through: batch.through }
  }

  #endOf(records: readonly FetchedRecord[]): number {
    return Number(records.at(-1)?.offset ?? -1) + 1
  }
}

/** The documented metrics, one of them with a label. */
const LABELLED: MetricKinds = { kindOf: (metric) => DOCUMENTED_METRICS.kindOf(metric), labelsOf: (metric) => (metric === LABELLED_METRIC ? ['model'] : []) }
