/**
 * What this module needs of Kafka: one topic, read and written. The only implementation is kafkajs-topic.ts; another client could
 * replace it. Offsets are below 2^53.
 */
export interface Topic extends LogTopic {
  /** For each partition the first offset at or after a time, or its end. Throws KafkaUnavailable. */
  offsetsAt(timeMs: number): Promise<number[]>
  /** Joins the consumer group and reads the assigned partitions, until stopped. */
  read(handlers: ReadHandlers): Promise<GroupReader>
  /** Reads every partition once, from its begin to its current stable end, outside the group, as fast as `onBatch` resolves. */
  readAll(onBatch: (batch: FetchedBatch) => Promise<void>): Promise<void>
  close(): Promise<void>
}

/** The part of a topic that a partition's log uses. Tests implement it and decide what fails. */
export interface LogTopic {
  /** cluster/topic: the same text in every process that reads this topic of this cluster. */
  readonly name: string
  /** The current extent of each partition, by partition; undefined for one that does not answer. Throws KafkaUnavailable. */
  extents(): Promise<(PartitionExtent | undefined)[]>
  /**
   * Appends records, acks=all and idempotent, and returns an outcome for each. Partitions do not wait for each other, and calls for one
   * partition are made one at a time. Throws KafkaUnavailable: some of the records may be stored then.
   */
  produce(records: readonly NewRecord[]): Promise<ProduceOutcome[]>
}

/** `refused`: the broker rejects the record for what it is, as too large or invalid. It is not stored, and sending it again is in vain. */
export type ProduceOutcome = { readonly status: 'appended'; readonly offset: number } | { readonly status: 'refused'; readonly error: unknown }

export interface PartitionExtent {
  readonly begin: number
  /** The offset of the next record: the high watermark. Everything acknowledged lies below it. */
  readonly end: number
  /** The last stable offset: what lies behind it cannot be read before an open transaction ends. At most `end`. */
  readonly stableEnd: number
}

/** The extents, if every partition has answered. Throws KafkaUnavailable. */
export function requireExtents(extents: readonly (PartitionExtent | undefined)[]): PartitionExtent[] {
  return extents.map((extent, partition) => {
    if (extent === undefined) throw new KafkaUnavailable(`Partition ${partition} of the topic does not answer. It may have no leader.`)
    return extent
  })
}

export interface NewRecord {
  readonly partition: number
  readonly key: string
  readonly value: Buffer | string
  readonly headers: Readonly<Record<string, string>>
}

/** The object that kafkajs makes, not copied, because there are 100,000 a second of them. */
export interface FetchedRecord {
  readonly offset: string
  /** ms since 1970. */
  readonly timestamp: string
  readonly value: Buffer | null
  readonly headers?: Readonly<Record<string, unknown>> | undefined
  /** What the record shares with those that were appended with it. Without it the format is older than Kafka 0.11. */
  readonly batchContext?: { readonly partitionLeaderEpoch: number } | undefined
  /** It stands for a whole batch that cannot be read, from the offset `first` through its own. */
  readonly unreadable?: { readonly first: number; readonly reason: string } | undefined
}

export interface FetchedBatch {
  readonly partition: number
  /** The requested offset. Records may begin later: aborted transactions and compaction leave gaps. */
  readonly fetchedOffset: number
  /** Empty if everything that was read belongs to aborted transactions. */
  readonly records: readonly FetchedRecord[]
  /** The last offset that this batch covers, control records included. */
  readonly through: number
  /** The offset of the next record that is produced to the partition. */
  readonly end: number
}

export interface ReadHandlers {
  /** The partitions that are assigned to this member from now on. All others belong to other members. */
  onAssigned(partitions: readonly number[]): void
  /** The partition is read on when the promise is resolved or rejected. */
  onBatch(batch: FetchedBatch, control: BatchControl): Promise<void>
  /** The brokers could not be reached or read, which is retried; undefined when they answer again. */
  onReadError(error: Error | undefined): void
}

/** What the handler of a batch may call while it runs. */
export interface BatchControl {
  /** Rejects when the group has revoked the partition or is about to. */
  heartbeat(): Promise<void>
  /** The next fetch of the partition begins after this offset. */
  resolve(offset: number): void
}

/** False when the group is about to revoke the partition: the rest of the batch is left to its next owner. */
export async function isStillAssigned(control: BatchControl): Promise<boolean> {
  try {
    await control.heartbeat()
    return true
  } catch {
    return false
  }
}

/** A member of the consumer group. */
export interface GroupReader {
  /** The next fetch of the partition begins here; what was fetched before is not delivered any more. */
  seek(partition: number, offset: number): void
  pause(partition: number): void
  resume(partition: number): void
  /** Leaves the group and joins it again with new connections. Every partition is assigned again. */
  rejoin(reason: string): void
  /** Commits an offset to the group so that tools can show its lag. Nothing depends on it. */
  commit(partition: number, offset: number): Promise<void>
  /** Leaves the group when the running handlers have ended. */
  stop(): Promise<void>
}

/** The brokers did not answer, or rejected the request. What was produced may be in the topic. */
export class KafkaUnavailable extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'KafkaUnavailable'
  }
}
