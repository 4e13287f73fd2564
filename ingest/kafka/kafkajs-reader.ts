import { setTimeout as sleep } from 'node:timers/promises'
import kafkajs, { type Batch, type Consumer, type ConsumerConfig, type EachBatchPayload } from 'kafkajs'
import type { Logger } from '../../metering/logger.ts'
import { BackOff } from '../log/back-off.ts'
import { FetchedRecords } from './batch-record.ts'
import { type BatchControl, type FetchedBatch, type GroupReader, KafkaUnavailable, type ReadHandlers } from './topic.ts'

export interface ReadingLimits {
  /** The group revokes a member's partitions after this long without a heartbeat. */
  readonly sessionTimeoutMs: number
  /** How long the group waits for its members to join again. */
  readonly rebalanceTimeoutMs: number
  readonly heartbeatEveryMs: number
  /** A fetch waits until there are this many bytes, or for this long: batches by size or by age. */
  readonly fetchBytesMin: number
  readonly fetchWaitMsMax: number
  readonly fetchBytesMax: number
  /** With lag, a batch is as large as this. Larger ones take less of the store's time for each event, and keep more events in memory. */
  readonly partitionBytesMax: number
  /** While one partition waits for the store, another is decoded. More concurrency only keeps more events in memory. */
  readonly concurrentPartitions: number
}

const LIMITS: ReadingLimits = {
  sessionTimeoutMs: 6_000,
  rebalanceTimeoutMs: 60_000,
  heartbeatEveryMs: 2_000,
  fetchBytesMin: 256 * 1024,
  fetchWaitMsMax: 100,
  fetchBytesMax: 32 * 1024 * 1024,
  partitionBytesMax: 12 * 1024 * 1024,
  concurrentPartitions: 2,
}

/** A member that hangs must not hold up the shutdown: the broker removes it after its session time-out. */
const STOP_MS_MAX = 15_000
const HEALTHY_AFTER_MS = 5_000
const METADATA_MS_MAX = 30_000
const REOPEN = { retryAfterMsMin: 500, retryAfterMsMax: 10_000 }

export interface KafkajsReaderOptions {
  readonly consumer: () => Consumer
  readonly topic: string
  readonly handlers: ReadHandlers
  readonly logger: Logger
  readonly limits?: Partial<ReadingLimits> | undefined
}

export function consumerConfigOf(limits: Partial<ReadingLimits> = {}): Omit<ConsumerConfig, 'groupId'> {
  const { sessionTimeoutMs, rebalanceTimeoutMs, heartbeatEveryMs, fetchBytesMin, fetchWaitMsMax, fetchBytesMax, partitionBytesMax } = { ...LIMITS, ...limits }
  return {
    sessionTimeout: sessionTimeoutMs,
    heartbeatInterval: heartbeatEveryMs,
    rebalanceTimeout: rebalanceTimeoutMs,
    minBytes: fetchBytesMin,
    maxWaitTimeInMs: fetchWaitMsMax,
    maxBytes: fetchBytesMax,
    maxBytesPerPartition: partitionBytesMax,
    // A partition without a leader is read when the metadata names one again.
    metadataMaxAge: METADATA_MS_MAX,
    // The library would restart a member even after it was stopped; that member would be assigned partitions which are not read.
    retry: { initialRetryTime: 200, maxRetryTime: 2_000, retries: 4, restartOnFailure: async () => false },
  }
}

/**
 * Reads in the consumer group until stopped. kafkajs gives up after some retries, and immediately on an answer that it cannot read. Then
 * a new member joins after a delay, and `onReadError` reports it. Offsets are committed only on request, and kafkajs answers an offset
 * out of range with the earliest, which the batch handler detects: correctness relies on neither.
 */
export class KafkajsReader implements GroupReader {
  readonly #options: KafkajsReaderOptions
  readonly #limits: ReadingLimits
  readonly #backOff = new BackOff(REOPEN)
  #member: Consumer | undefined
  #assigned: readonly number[] = []
  /** The group was silent for a session, so the partitions were reported as revoked. */
  #revokedForSilence = false
  #lastHeardMs = performance.now()
  #joinedMs = performance.now()
  #reopenTimer: NodeJS.Timeout | undefined
  readonly #watchTimer: NodeJS.Timeout
  #stopped = false

  /** Opens the first member without waiting for it to join, which may take a while. */
  constructor(options: KafkajsReaderOptions) {
    this.#options = options
    this.#limits = { ...LIMITS, ...options.limits }
    this.#watchTimer = setInterval(() => this.#watch(), this.#limits.heartbeatEveryMs)
    void this.#open()
  }

  seek(partition: number, offset: number): void {
    const { topic } = this.#options
    ignoreWithoutMembership(() => this.#member?.seek({ topic, partition, offset: String(offset) }))
  }

  pause(partition: number): void {
    const { topic } = this.#options
    ignoreWithoutMembership(() => this.#member?.pause([{ topic, partitions: [partition] }]))
  }

  resume(partition: number): void {
    const { topic } = this.#options
    ignoreWithoutMembership(() => this.#member?.resume([{ topic, partitions: [partition] }]))
  }

  rejoin(reason: string): void {
    const member = this.#member
    if (member === undefined || this.#stopped) return
    member.disconnect().catch(() => {})
    this.#fail(new Error(reason))
  }

  async commit(partition: number, offset: number): Promise<void> {
    const { topic } = this.#options
    if (this.#member === undefined) throw new KafkaUnavailable('This process is not a member of the consumer group.')
    await this.#member.commitOffsets([{ topic, partition, offset: String(offset) }])
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#reopenTimer)
    clearInterval(this.#watchTimer)
    await Promise.race([this.#member?.disconnect(), sleep(STOP_MS_MAX, undefined, { ref: false })])
  }

  async #open(): Promise<void> {
    const { consumer, topic, handlers } = this.#options
    const member = consumer()
    this.#member = member
    this.#lastHeardMs = performance.now()
    this.#listenTo(member)
    try {
      await member.connect()
      await member.subscribe({ topic, fromBeginning: true })
      await member.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        partitionsConsumedConcurrently: this.#limits.concurrentPartitions,
        eachBatch: (payload) => {
          this.#markHealthy()
          return handleBatch(payload, handlers, this.#limits.heartbeatEveryMs)
        },
      })
      // If it was stopped while it connected, stop() has found nothing to disconnect.
      if (this.#stopped) await member.disconnect()
    } catch (error) {
      if (member === this.#member) this.#fail(error instanceof Error ? error : new Error(String(error)))
    }
  }

  #listenTo(member: Consumer): void {
    const { topic, handlers, logger } = this.#options
    const isCurrent = () => !this.#stopped && member === this.#member
    member.on(member.events.HEARTBEAT, () => {
      if (!isCurrent()) return
      this.#lastHeardMs = performance.now()
      if (this.#revokedForSilence) this.#assign(this.#assigned)
      if (this.#lastHeardMs - this.#joinedMs > HEALTHY_AFTER_MS) this.#markHealthy()
    })
    member.on(member.events.GROUP_JOIN, ({ payload }) => {
      if (!isCurrent()) return
      this.#lastHeardMs = performance.now()
      this.#joinedMs = this.#lastHeardMs
      const partitions = payload.memberAssignment[topic] ?? []
      logger.info({ partitions }, 'the consumer group assigned partitions')
      this.#assign(partitions)
    })
    member.on(member.events.CRASH, ({ payload }) => {
      if (member === this.#member) this.#fail(payload.error)
    })
    // The only sign that kafkajs gives of a fetch in which everything belongs to aborted transactions.
    member.on(member.events.START_BATCH_PROCESS, ({ payload: { batchSize, partition, firstOffset, lastOffset, highWatermark } }) => {
      if (batchSize > 0 || firstOffset === null) return
      const batch = { partition, fetchedOffset: Number(firstOffset), records: [], through: Number(lastOffset), end: Number(highWatermark) }
      handlers.onBatch(batch, NO_CONTROL).catch(() => {})
    })
  }

  #assign(partitions: readonly number[]): void {
    this.#assigned = partitions
    // This ends only the error of a silent group: an answer that cannot be read may come again.
    if (this.#revokedForSilence) this.#options.handlers.onReadError(undefined)
    this.#revokedForSilence = false
    this.#options.handlers.onAssigned(partitions)
  }

  /**
   * The member has read a batch, or has been in the group for a while. An answer that it cannot read would fail right after the join.
   */
  #markHealthy(): void {
    this.#backOff.reset()
    this.#options.handlers.onReadError(undefined)
  }

  #fail(error: Error): void {
    this.#member = undefined
    this.#options.handlers.onReadError(error)
    if (this.#stopped) return
    const reopenAfterMs = this.#backOff.next()
    this.#options.logger.warn({ err: error, reopenAfterMs }, 'reading from Kafka failed; joining the group again')
    this.#reopenTimer = setTimeout(() => void this.#open(), reopenAfterMs)
  }

  /**
   * A member that has not heard from the group for a session has lost its partitions: it gives them up before another member waits for
   * them. kafkajs waits without limit for a join whose answer was lost with its connection: such a member is replaced.
   */
  #watch(): void {
    const { sessionTimeoutMs, rebalanceTimeoutMs } = this.#limits
    const { handlers, logger } = this.#options
    const silentMs = performance.now() - this.#lastHeardMs
    const silence = `The group coordinator has not answered for ${Math.round(silentMs)} ms.`
    if (silentMs > sessionTimeoutMs && !this.#revokedForSilence) {
      this.#revokedForSilence = true
      logger.warn({ partitions: this.#assigned }, `${silence} The process gives up its partitions`)
      handlers.onAssigned([])
      // Without partitions nothing else would report that nothing is read.
      handlers.onReadError(new Error(silence))
    }
    if (silentMs > sessionTimeoutMs + rebalanceTimeoutMs) this.rejoin(silence)
  }
}

/**
 * Between two memberships kafkajs throws. That may be ignored: the next membership begins with every partition paused and its
 * lease acquired again.
 */
function ignoreWithoutMembership(act: () => void): void {
  try {
    act()
  } catch (error) {
    if (!(error instanceof kafkajs.KafkaJSNonRetriableError)) throw error
  }
}

const NO_CONTROL: BatchControl = { heartbeat: async () => {}, resolve: () => {} }

/** Sends heartbeats while the handler waits for the store, and stops them when it ends. */
async function handleBatch({ batch, heartbeat, resolveOffset }: EachBatchPayload, handlers: ReadHandlers, heartbeatEveryMs: number): Promise<void> {
  let lost: unknown
  let lastHeartbeat: Promise<void> = Promise.resolve()
  const timer = setInterval(() => {
    lastHeartbeat = heartbeat().catch((error: unknown) => {
      lost = error
    })
  }, heartbeatEveryMs)
  const control: BatchControl = {
    heartbeat: async () => {
      if (lost === undefined) await heartbeat()
      else throw lost
    },
    resolve: (offset) => resolveOffset(String(offset)),
  }
  try {
    await handlers.onBatch(fetchedOf(batch), control)
  } finally {
    clearInterval(timer)
    await lastHeartbeat
  }
  // kafkajs rejoins the group only if this error is thrown.
  if (lost !== undefined) throw lost
}

/** kafkajs gives offsets as strings. It has the requested offset of a batch too, but its types do not. */
export function fetchedOf(batch: Batch): FetchedBatch {
  const { fetchedOffset } = batch as Batch & { readonly fetchedOffset: string }
  return {
    partition: batch.partition,
    fetchedOffset: Number(fetchedOffset),
    records: recordsOf(batch.messages, Number(fetchedOffset)),
    through: Number(batch.lastOffset()),
    end: Number(batch.highWatermark),
  }
}

/** The records from an offset on: a fetch has the whole batch in which it begins. Those that are not gathered kafkajs has left out. */
function recordsOf(messages: Batch['messages'], from: number): FetchedBatch['records'] {
  const [only] = messages as readonly unknown[]
  if (!(only instanceof FetchedRecords)) return messages
  const { records } = only
  return (records[0]?.offsetNumber ?? from) >= from ? records : records.filter(({ offsetNumber }) => offsetNumber >= from)
}
