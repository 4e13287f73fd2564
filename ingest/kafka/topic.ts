/**
 * What this room needs of Kafka: one topic, read and written. The only implementation is kafkajs-topic.ts; another client
 * could take its place. Offsets are below 2^53.
 */
export interface Topic extends LogTopic {
  /** For each partition the first offset at or after a time, or its end. Throws KafkaUnavailable. */
  offsetsAt(timeMs: number): Promise<number[]>
  /** Joins the group and reads what it assigns, until stopped. */
  read(reading: ReadProgress): Promise<Reader>
  /** Reads every partition once from its begin to the end it has now, without the group, as fast as `onBatch` resolves. */
  readAll(onBatch: (batch: FetchedBatch) => Promise<void>): Promise<void>
  close(): Promise<void>
}

/** What one partition's log sees of the topic; tests decide here what fails. */
export interface LogTopic {
  /** cluster/topic: the same text for everyone who reads this topic of this cluster. */
  readonly name: string
  /** Where each partition begins and ends now, by partition. Throws KafkaUnavailable. */
  extents(): Promise<PartitionExtent[]>
  /** Appends records, acks=all and idempotent, and returns the offset of each. Throws KafkaUnavailable: some may be in. */
  produce(records: readonly NewRecord[]): Promise<number[]>
}

export interface PartitionExtent {
  readonly begin: number
  /** The offset that comes next. */
  readonly end: number
}

export interface NewRecord {
  readonly partition: number
  readonly key: string
  readonly value: Buffer | string
  readonly headers: Readonly<Record<string, string>>
}

/** As kafkajs gives it: not copied, because there are 100,000 a second of them. */
export interface FetchedRecord {
  readonly offset: string
  /** ms since 1970. */
  readonly timestamp: string
  readonly value: Buffer | null
  readonly headers?: Readonly<Record<string, unknown>> | undefined
}

export interface FetchedBatch {
  readonly partition: number
  /** The offset that was asked for. Records may begin later: aborted transactions and compaction leave gaps. */
  readonly fetchedOffset: number
  /** Empty where all that was read is an aborted transaction. */
  readonly records: readonly FetchedRecord[]
  /** The last offset that this batch covers, control records included. */
  readonly through: number
  /** The offset that comes next in the partition. */
  readonly end: number
}

export interface ReadProgress {
  /** The partitions that the group assigns from now on. Those not among them belong to others. */
  onAssigned(partitions: readonly number[]): void
  /** Reading of this partition goes on when the promise is settled. */
  onBatch(batch: FetchedBatch, turn: Turn): Promise<void>
  /** The brokers could not be reached or read, and are tried again; undefined: they answer again. */
  onTrouble(error: Error | undefined): void
}

/** What a batch's handler may ask for while it runs. */
export interface Turn {
  /** Rejects when the group has taken the partition away or is about to. */
  heartbeat(): Promise<void>
  /** The next fetch of the partition begins behind this offset. */
  resolve(offset: number): void
}

export interface Reader {
  /** The next fetch of the partition begins here; what was fetched before is not delivered any more. */
  seek(partition: number, offset: number): void
  pause(partition: number): void
  resume(partition: number): void
  /** Tells the group how far this partition is, for those who look at its lag. Nothing depends on it. */
  commit(partition: number, offset: number): Promise<void>
  /** Leaves the group when the handlers have ended. */
  stop(): Promise<void>
}

/** The brokers did not answer, or refused. What was produced may be in the topic. */
export class KafkaUnavailable extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'KafkaUnavailable'
  }
}
