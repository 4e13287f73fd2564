import type { Logger } from '../../metering/logger.ts'
import type { ClickHouse, Lane } from '../../sql/clickhouse.ts'
import { shardOfPartition, shardsOf } from '../../sql/shards.ts'
import type { KnownMetrics } from '../event/known-metrics.ts'
import type { Ingesting, IngestStats, LogStats, Readiness } from '../log/event-log.ts'
import { KnownIdentities } from '../log/known-identities.ts'
import { TOUCHED_PER_BATCH_MAX } from '../log/touched-days.ts'
import { noteTime, OWNER_TIMEOUT_MS } from '../log/watermark.ts'
import { type Incarnation, logOf, pinIncarnation, readIncarnation } from './incarnation.ts'
import { PartitionLog } from './partition-log.ts'
import { PartitionReader } from './partition-reader.ts'
import type { PartitionReaderLimits } from './partition-reader-options.ts'
import { findReplays, finishReplay } from './replays.ts'
import type { BatchControl, FetchedBatch, GroupReader, PartitionExtent, Topic } from './topic.ts'
import { pause } from './wait-for-owner-timeout.ts'

export interface AssignedPartitionsOptions {
  readonly clickhouse: ClickHouse
  readonly topic: Topic
  readonly logger: Logger
  /** Without it, only the documented metrics are counted. */
  readonly metrics?: KnownMetrics | undefined
  readonly limits?: Partial<AssignedPartitionsLimits>
}

export interface AssignedPartitionsLimits extends PartitionReaderLimits {
  /** For all partitions of this process together. */
  readonly filterBytesMax: number
  /** The group is joined again when a partition delivers nothing for this long although it has something to read. */
  readonly stalledMsMax: number
}

/** The memory of the filters of identities in one process. */
export const FILTER_BYTES_MAX = 1024 ** 3

const LIMITS: AssignedPartitionsLimits = {
  batchEventsMax: 100_000,
  batchBytesMax: 32 * 1024 * 1024,
  ...TOUCHED_PER_BATCH_MAX,
  retryAfterMsMin: 100,
  retryAfterMsMax: 5_000,
  ownerTimeoutMs: OWNER_TIMEOUT_MS,
  filterBytesMax: FILTER_BYTES_MAX,
  heartbeatEveryMs: 2_000,
  stalledMsMax: 60_000,
}

/**
 * Joins the consumer group and counts the events of the partitions that are assigned to this process. Throws StoreError,
 * KafkaUnavailable.
 */
export async function openAssignedPartitions({ clickhouse, topic, logger, metrics, limits: given }: AssignedPartitionsOptions): Promise<AssignedPartitions> {
  const limits = { ...LIMITS, ...given }
  const incarnation = await pinIncarnation(clickhouse, topic)
  const partitions = new AssignedPartitions({ clickhouse, topic, logger, metrics, limits }, incarnation)
  await partitions.start()
  return partitions
}

/** The partitions that the group assigns to this process, each with a PartitionReader, and the heartbeat of all of them. */
export class AssignedPartitions implements Ingesting {
  readonly #options: Required<AssignedPartitionsOptions> & { readonly limits: AssignedPartitionsLimits }
  /** Of each shard: what is stored on one is never a duplicate of an event of another, because a project is on one shard. */
  readonly #identities: ReadonlyMap<ClickHouse, KnownIdentities>
  #incarnation: Incarnation
  /** The number of the newest incarnation that was seen; the change to it may still be running. */
  #newestIncarnation: number
  #groupReader: GroupReader | undefined
  readonly #readers = new Map<number, PartitionReader>()
  readonly #lanes = new Map<number, Lane>()
  #assigned: readonly number[] | undefined
  /** Changes of the assignment and of the incarnation run one after another. */
  #lastChange: Promise<void> = Promise.resolve()
  #trouble: Error | undefined
  readonly #stopping = new AbortController()
  #loops: Promise<void>[] = []
  /** Of partitions that were assigned here before, so that counters never decrease. */
  readonly #formerStats = new Map<string, LogStats>()

  constructor(options: Required<AssignedPartitionsOptions> & { readonly limits: AssignedPartitionsLimits }, incarnation: Incarnation) {
    this.#options = options
    this.#incarnation = incarnation
    this.#newestIncarnation = incarnation.incarnation
    const { clickhouse, logger, limits } = options
    const shards = shardsOf(clickhouse)
    const filterBytesMax = limits.filterBytesMax / shards.length
    this.#identities = new Map(shards.map((shard) => [shard, new KnownIdentities({ clickhouse: shard, store: clickhouse, logger, filterBytesMax })]))
  }

  async start(): Promise<void> {
    this.#groupReader = await this.#options.topic.read({
      onAssigned: (partitions) => this.#assign(partitions),
      onBatch: (batch, control) => this.#onBatch(batch, control),
      onReadError: (error) => {
        this.#trouble = error
      },
    })
    this.#loops = [
      ...shardsOf(this.#options.clickhouse).map((shard) => this.#repeat(() => this.#observeExtents(shard), 'the ends of the partitions could not be checked')),
      this.#repeat(() => this.#followOperators(), 'requests of operators could not be read'),
    ]
  }

  readiness(): Readiness {
    if (this.#stopping.signal.aborted) return { ready: false, reason: 'the service is stopping' }
    if (this.#trouble !== undefined) return { ready: false, reason: `Kafka cannot be read: ${this.#trouble.message}` }
    if (this.#assigned === undefined) return { ready: false, reason: 'the group has not assigned any partitions yet' }
    const unopened = this.#assigned.find((partition) => !this.#readers.has(partition))
    if (unopened !== undefined) return { ready: false, reason: `partition ${unopened} is not read yet: ClickHouse is being connected to` }
    const readers = [...this.#readers.values()]
    // First: an incident needs an operator, and the others may only take a moment.
    for (const { state } of readers) if (state.status === 'stopped') return { ready: false, reason: state.incident.message }
    for (const { state, stalledBy, partitionLog } of readers) {
      const reason = state.status === 'acquiring' ? state.reason : stalledBy
      if (reason !== undefined) return { ready: false, reason: `the log ${partitionLog.owned.name} is not read: ${reason}` }
    }
    return { ready: true }
  }

  stats(): IngestStats {
    const logs = new Map(this.#formerStats)
    for (const reader of this.#readers.values()) logs.set(logNameOf(reader), addCounters(statsOf(reader), logs.get(logNameOf(reader))))
    return { queuedEvents: 0, logs: [...logs.values()], kafkaTrouble: this.#trouble !== undefined }
  }

  /** Ends what is in flight, releases the logs and leaves the group. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await Promise.all(this.#loops)
    await this.#lastChange
    // The logs are released before the group is left, so that the next owners of the partitions need not wait.
    await Promise.all([...this.#readers.values()].map((reader) => reader.end()))
    for (const identities of this.#identities.values()) identities.close()
    await this.#groupReader?.stop()
  }

  async #onBatch(batch: FetchedBatch, control: BatchControl): Promise<void> {
    const reader = this.#readers.get(batch.partition)
    // Otherwise the batch would be fetched again and again. The reader resumes the partition when its lease is acquired.
    if (reader === undefined) this.#groupReader?.pause(batch.partition)
    else await reader.onBatch(batch, control)
  }

  #assign(partitions: readonly number[]): void {
    this.#assigned = partitions
    for (const partition of partitions) if (!this.#readers.has(partition)) this.#groupReader?.pause(partition)
    this.#lastChange = this.#lastChange
      .then(() => this.#applyAssignment(partitions))
      .catch((error: unknown) => this.#options.logger.error({ err: error }, 'the assigned partitions could not be opened'))
  }

  async #applyAssignment(partitions: readonly number[]): Promise<void> {
    if (this.#stopping.signal.aborted || partitions !== this.#assigned) return
    const revoked = [...this.#readers].filter(([partition]) => !partitions.includes(partition))
    await Promise.all(revoked.map(([partition, reader]) => this.#closeReader(partition, reader)))
    for (const partition of partitions) {
      const reader = this.#readers.get(partition) ?? (await this.#openReader(partition))
      if (partitions === this.#assigned) reader.assign()
    }
  }

  async #closeReader(partition: number, reader: PartitionReader): Promise<void> {
    await reader.end()
    this.#readers.delete(partition)
    const name = logNameOf(reader)
    this.#formerStats.set(name, { ...addCounters(statsOf(reader), this.#formerStats.get(name)), owned: false })
  }

  async #openReader(partition: number): Promise<PartitionReader> {
    const { clickhouse, topic, logger, metrics, limits } = this.#options
    const shard = shardOfPartition(clickhouse, partition)
    const identities = this.#identities.get(shard)
    if (identities === undefined) throw new Error(`The shard of partition ${partition} is not known.`)
    const lane = this.#lanes.get(partition) ?? (await this.#openLane(shard))
    this.#lanes.set(partition, lane)
    const partitionLog = new PartitionLog({ clickhouse, lane, topic, incarnation: this.#incarnation, partition, identities, logger })
    const reader = new PartitionReader({ partitionLog, groupReader: () => this.#groupReader ?? NO_GROUP, control: shard.control, metrics, logger, limits })
    this.#readers.set(partition, reader)
    return reader
  }

  async #openLane(shard: ClickHouse): Promise<Lane> {
    const { logger, limits } = this.#options
    for (;;) {
      try {
        return await shard.openLane()
      } catch (error) {
        if (this.#stopping.signal.aborted) throw error
        logger.warn({ err: error }, 'ClickHouse cannot be reached; trying again')
        await new Promise((resolve) => setTimeout(resolve, limits.retryAfterMsMax))
      }
    }
  }

  async #repeat(work: () => Promise<void>, failure: string): Promise<void> {
    const { limits, logger } = this.#options
    const { signal } = this.#stopping
    for (;;) {
      await pause(limits.heartbeatEveryMs, signal)
      if (signal.aborted) return
      await work().catch((error: unknown) => logger.warn({ err: error }, failure))
    }
  }

  /** Does not wait for the readers: one whose work takes long must not hold up the others, and neither must a shard that does not answer. */
  async #observeExtents(shard: ClickHouse): Promise<void> {
    const { clickhouse, topic, limits } = this.#options
    // Without the store no end can be noted. The readers' own writes then fail, and they acquire their leases again.
    const notedMs = await noteTime(shard.control).catch(() => undefined)
    const ofShard = [...this.#readers].filter(([partition]) => shardOfPartition(clickhouse, partition) === shard)
    const before = ofShard.map(([partition, reader]) => ({ partition, reader, next: reader.partitionLog.next }))
    const extents = notedMs === undefined ? [] : await topic.extents().catch((): (PartitionExtent | undefined)[] => [])
    const isBusy = before.some(({ reader }) => reader.progress.batchInFlightSeconds > 0)
    for (const { partition, reader, next } of before) {
      const extent = extents[partition]
      if (extent !== undefined) reader.progress.observe(extent, next, isBusy)
      void reader.observe(extent, { queriedMs: notedMs ?? 0, next })
    }
    const stalled = before.find(({ reader }) => reader.state.status === 'reading' && reader.progress.stalledMs > limits.stalledMsMax)
    if (stalled === undefined) return
    for (const { reader } of before) reader.progress.stalledMs = 0
    this.#groupReader?.rejoin(`Partition ${stalled.partition} has delivered nothing for ${limits.stalledMsMax} ms although it has unread events.`)
  }

  async #followOperators(): Promise<void> {
    const { clickhouse, topic } = this.#options
    const incarnation = await readIncarnation(clickhouse.control, topic.name)
    if (incarnation !== undefined && incarnation.incarnation !== this.#newestIncarnation) this.#changeIncarnation(incarnation)
    await this.#startReplays()
  }

  /** An operator resolved an incident by starting a new incarnation, so every log has a new name. */
  #changeIncarnation(incarnation: Incarnation): void {
    this.#newestIncarnation = incarnation.incarnation
    this.#options.logger.info({ incarnation }, 'the topic has a new incarnation')
    this.#lastChange = this.#lastChange.then(async () => {
      await Promise.all([...this.#readers].map(([partition, reader]) => this.#closeReader(partition, reader)))
      this.#incarnation = incarnation
    })
    if (this.#assigned !== undefined) this.#assign([...this.#assigned])
  }

  async #startReplays(): Promise<void> {
    const { control } = this.#options.clickhouse
    const logs = [...this.#readers.keys()].map((partition) => logOf(this.#incarnation, partition))
    for (const replay of await findReplays(control, logs)) {
      const reader = [...this.#readers.values()].find((each) => logNameOf(each) === replay.log)
      if (await reader?.replayFrom(replay.fromOffset)) await finishReplay(control, replay)
    }
  }
}

/** Used until the group reader is open. */
const NO_GROUP: GroupReader = { seek: () => {}, pause: () => {}, resume: () => {}, rejoin: () => {}, commit: async () => {}, stop: async () => {} }

function logNameOf({ partitionLog }: PartitionReader): string {
  return partitionLog.owned.name
}

function statsOf({ partitionLog, progress, state }: PartitionReader): LogStats {
  const { owned, forwarded, settledEnd } = partitionLog
  return {
    ...owned.stats(),
    owned: true,
    forwarded: forwarded.count,
    batches: progress.batches,
    batchSeconds: progress.batchSeconds,
    batchInFlightSeconds: progress.batchInFlightSeconds,
    lagEvents: progress.lagEvents(settledEnd),
    openTransactionSeconds: progress.openTransactionSeconds,
    incident: state.status === 'stopped' ? state.incident.kind : undefined,
  }
}

/** The counters of a log that was assigned here before continue from their former values. */
function addCounters(now: LogStats, before: LogStats | undefined): LogStats {
  if (before === undefined) return now
  const rejectedByReason = new Map(before.rejectedByReason)
  for (const [reason, count] of now.rejectedByReason) rejectedByReason.set(reason, (rejectedByReason.get(reason) ?? 0) + count)
  return {
    ...now,
    rejectedByReason,
    counted: now.counted + before.counted,
    duplicates: now.duplicates + before.duplicates,
    forwarded: now.forwarded + before.forwarded,
    batches: now.batches + before.batches,
    batchSeconds: now.batchSeconds + before.batchSeconds,
    reacquisitions: now.reacquisitions + before.reacquisitions,
    repairedKeys: now.repairedKeys + before.repairedKeys,
  }
}
