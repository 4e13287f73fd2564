import type { Logger } from '../../metering/logger.ts'
import type { ClickHouse, Lane } from '../../sql/clickhouse.ts'
import type { Ingesting, IngestStats, LogStats, Readiness } from '../log/event-log.ts'
import { FilterBudget } from '../log/identity-filter.ts'
import { type Incarnation, logOf, pinIncarnation, readIncarnation } from './incarnation.ts'
import { PartitionLog } from './partition-log.ts'
import { PartitionReader, type PartitionReaderLimits } from './partition-reader.ts'
import { releaseHttpLog } from './release-http-log.ts'
import { findReplays, finishReplay } from './replays.ts'
import type { FetchedBatch, PartitionExtent, Reader, Topic, Turn } from './topic.ts'

export interface TopicIngestOptions {
  readonly clickhouse: ClickHouse
  readonly topic: Topic
  readonly logger: Logger
  readonly limits?: Partial<TopicIngestLimits>
}

export interface TopicIngestLimits extends PartitionReaderLimits {
  /** For all partitions of this process together. */
  readonly filterBytesMax: number
  readonly beatEveryMs: number
}

const LIMITS: TopicIngestLimits = {
  batchEventsMax: 50_000,
  batchBytesMax: 32 * 1024 * 1024,
  retryAfterMsMin: 100,
  retryAfterMsMax: 5_000,
  ownerSilenceMsMax: 15_000,
  filterBytesMax: 1024 ** 3,
  beatEveryMs: 2_000,
}

export interface TopicIngest extends Ingesting {
  /** Ends what is in flight, releases the logs and leaves the group. */
  stop(): Promise<void>
}

/** Counts what the topic brings to this process, as one of any number in its group. */
export async function openTopicIngest({ clickhouse, topic, logger, limits }: TopicIngestOptions): Promise<TopicIngest> {
  const all = { ...LIMITS, ...limits }
  await releaseHttpLog(clickhouse, { logger, ownerSilenceMsMax: all.ownerSilenceMsMax })
  const incarnation = await pinIncarnation(clickhouse, topic)
  const ingest = new AssignedPartitions({ clickhouse, topic, logger, limits: all, incarnation })
  await ingest.start()
  return {
    readiness: () => ingest.readiness(),
    stats: () => ingest.stats(),
    stop: () => ingest.stop(),
  }
}

interface AssignedOptions {
  readonly clickhouse: ClickHouse
  readonly topic: Topic
  readonly logger: Logger
  readonly limits: TopicIngestLimits
  readonly incarnation: Incarnation
}

class AssignedPartitions {
  readonly #options: AssignedOptions
  readonly #filterBudget: FilterBudget
  #incarnation: Incarnation
  #changingTo: number
  #reader: Reader | undefined
  #readers = new Map<number, PartitionReader>()
  #lanes = new Map<number, Lane>()
  #assigned: readonly number[] | undefined
  /** Changes of the assignment happen one after another. */
  #changing: Promise<void> = Promise.resolve()
  #trouble: Error | undefined
  #beat: NodeJS.Timeout | undefined
  #beating: Promise<void> = Promise.resolve()
  #stopped = false
  /** Of partitions that were here before, so that counters never go back. */
  readonly #past = new Map<string, LogStats>()

  constructor(options: AssignedOptions) {
    this.#options = options
    this.#incarnation = options.incarnation
    this.#changingTo = options.incarnation.incarnation
    this.#filterBudget = new FilterBudget(options.limits.filterBytesMax)
  }

  async start(): Promise<void> {
    this.#reader = await this.#options.topic.read({
      onAssigned: (partitions) => this.#assign(partitions),
      onBatch: (batch, turn) => this.#onBatch(batch, turn),
      onTrouble: (error) => {
        this.#trouble = error
      },
    })
    this.#scheduleBeat()
  }

  readiness(): Readiness {
    if (this.#stopped) return { ready: false, reason: 'the service is stopping' }
    if (this.#trouble !== undefined) return { ready: false, reason: `Kafka cannot be read: ${this.#trouble.message}` }
    if (this.#assigned === undefined) return { ready: false, reason: 'the group has not assigned any partitions yet' }
    for (const { state, partitionLog } of this.#readers.values()) {
      if (state.status === 'stopped') return { ready: false, reason: state.incident.message }
      if (state.status === 'taking') return { ready: false, reason: `the log ${partitionLog.owned.name} is not read: ${state.reason}` }
    }
    return { ready: true }
  }

  stats(): IngestStats {
    const logs = new Map(this.#past)
    for (const reader of this.#readers.values()) logs.set(reader.partitionLog.owned.name, added(statsOf(reader), logs.get(reader.partitionLog.owned.name)))
    return { queuedEvents: 0, logs: [...logs.values()], kafkaTrouble: this.#trouble !== undefined }
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#beat)
    await this.#beating
    await this.#changing
    // First what is in flight, then the group: whoever gets the partitions finds them released.
    await Promise.all([...this.#readers.values()].map((reader) => reader.end()))
    await this.#reader?.stop()
  }

  async #onBatch(batch: FetchedBatch, turn: Turn): Promise<void> {
    const reader = this.#readers.get(batch.partition)
    // It would be fetched over and over: whoever takes it resumes it.
    if (reader === undefined) this.#reader?.pause(batch.partition)
    else await reader.onBatch(batch, turn)
  }

  #assign(partitions: readonly number[]): void {
    this.#assigned = partitions
    for (const partition of partitions) if (!this.#readers.has(partition)) this.#reader?.pause(partition)
    this.#changing = this.#changing
      .then(() => this.#apply(partitions))
      .catch((error: unknown) => this.#options.logger.error({ err: error }, 'a partition could not be set up'))
  }

  async #apply(partitions: readonly number[]): Promise<void> {
    if (this.#stopped || partitions !== this.#assigned) return
    const gone = [...this.#readers].filter(([partition]) => !partitions.includes(partition))
    await Promise.all(gone.map(([partition, reader]) => this.#drop(partition, reader)))
    for (const partition of partitions) {
      const reader = this.#readers.get(partition) ?? (await this.#open(partition))
      if (partitions === this.#assigned) reader.assign()
    }
  }

  async #drop(partition: number, reader: PartitionReader): Promise<void> {
    await reader.end()
    this.#readers.delete(partition)
    const name = reader.partitionLog.owned.name
    this.#past.set(name, { ...added(statsOf(reader), this.#past.get(name)), owned: false })
  }

  async #open(partition: number): Promise<PartitionReader> {
    const { clickhouse, topic, logger, limits } = this.#options
    const lane = this.#lanes.get(partition) ?? (await this.#untilOpened())
    this.#lanes.set(partition, lane)
    const partitionLog = new PartitionLog({ clickhouse, lane, topic, incarnation: this.#incarnation, partition, filterBudget: this.#filterBudget, logger })
    const reader = new PartitionReader({ partitionLog, reader: () => this.#group(), control: clickhouse.control, logger, limits })
    this.#readers.set(partition, reader)
    return reader
  }

  async #untilOpened(): Promise<Lane> {
    const { clickhouse, logger, limits } = this.#options
    for (;;) {
      try {
        return await clickhouse.openLane()
      } catch (error) {
        if (this.#stopped) throw error
        logger.warn({ err: error }, 'ClickHouse cannot be reached; trying again')
        await new Promise((resolve) => setTimeout(resolve, limits.retryAfterMsMax))
      }
    }
  }

  #group(): Reader {
    return this.#reader ?? NOBODY
  }

  #scheduleBeat(): void {
    this.#beat = setTimeout(() => {
      this.#beating = this.#beatOnce()
        .catch((error: unknown) => this.#options.logger.warn({ err: error }, 'the watermarks could not be moved'))
        .finally(() => {
          if (!this.#stopped) this.#scheduleBeat()
        })
    }, this.#options.limits.beatEveryMs)
  }

  async #beatOnce(): Promise<void> {
    const { clickhouse, topic } = this.#options
    const askedMs = Date.now()
    const before = [...this.#readers].map(([partition, reader]) => ({ partition, reader, next: reader.partitionLog.next }))
    const extents = await topic.extents().catch((): PartitionExtent[] => [])
    await Promise.all(before.map(({ partition, reader, next }) => reader.beat(extents[partition], { askedMs, next })))
    const incarnation = await readIncarnation(clickhouse.control, topic.name)
    if (incarnation !== undefined && incarnation.incarnation !== this.#changingTo) this.#changeIncarnation(incarnation)
    await this.#replay()
  }

  /** An operator has settled an incident: the logs are others now. */
  #changeIncarnation(incarnation: Incarnation): void {
    this.#changingTo = incarnation.incarnation
    this.#options.logger.info({ incarnation }, 'the topic has a new incarnation')
    this.#changing = this.#changing.then(async () => {
      await Promise.all([...this.#readers].map(([partition, reader]) => this.#drop(partition, reader)))
      this.#incarnation = incarnation
    })
    if (this.#assigned !== undefined) this.#assign([...this.#assigned])
  }

  async #replay(): Promise<void> {
    const { clickhouse } = this.#options
    for (const replay of await findReplays(
      clickhouse.control,
      [...this.#readers.keys()].map((partition) => logOf(this.#incarnation, partition)),
    )) {
      const reader = [...this.#readers.values()].find(({ partitionLog }) => partitionLog.owned.name === replay.log)
      if (await reader?.replayFrom(replay.fromOffset)) await finishReplay(clickhouse.control, replay)
    }
  }
}

const NOBODY: Reader = { seek: () => {}, pause: () => {}, resume: () => {}, commit: async () => {}, stop: async () => {} }

function statsOf({ partitionLog, batches, state, lagEvents }: PartitionReader): LogStats {
  const { owned, passedOn } = partitionLog
  return {
    ...owned.stats(),
    owned: true,
    passedOn: passedOn.count,
    batches: batches.count,
    batchSeconds: batches.seconds,
    batchInFlightSeconds: batches.startedMs === undefined ? 0 : (performance.now() - batches.startedMs) / 1000,
    lagEvents,
    incident: state.status === 'stopped' ? state.incident.kind : undefined,
  }
}

/** Counters of a partition that was here before go on where they were. */
function added(now: LogStats, before: LogStats | undefined): LogStats {
  if (before === undefined) return now
  const rejectedByReason = new Map(before.rejectedByReason)
  for (const [reason, count] of now.rejectedByReason) rejectedByReason.set(reason, (rejectedByReason.get(reason) ?? 0) + count)
  return {
    ...now,
    rejectedByReason,
    counted: now.counted + before.counted,
    duplicates: now.duplicates + before.duplicates,
    passedOn: now.passedOn + before.passedOn,
    batches: now.batches + before.batches,
    batchSeconds: now.batchSeconds + before.batchSeconds,
    retakes: now.retakes + before.retakes,
    repairedKeys: now.repairedKeys + before.repairedKeys,
  }
}
