import { setTimeout as sleep } from 'node:timers/promises'
import kafkajs, { type Batch, type Consumer, type EachBatchPayload } from 'kafkajs'
import type { Logger } from '../../metering/logger.ts'
import { BackOff } from '../log/back-off.ts'
import { type FetchedBatch, KafkaUnavailable, type PartitionExtent, type Reader, type ReadProgress, type Turn } from './topic.ts'

export interface ReadingLimits {
  /** Without a heartbeat for this long, the group takes a member's partitions away. */
  readonly sessionTimeoutMs: number
  /** How long the group waits for its members to join again. */
  readonly rebalanceTimeoutMs: number
  readonly heartbeatEveryMs: number
  /** A fetch waits until there are this many bytes, or this long: batches by size or by age. */
  readonly fetchBytesMin: number
  readonly fetchWaitMsMax: number
  readonly fetchBytesMax: number
  readonly partitionBytesMax: number
  /** While one waits for the store, another is decoded. More of them only keep more events alive at once. */
  readonly partitionsAtOnce: number
}

const LIMITS: ReadingLimits = {
  sessionTimeoutMs: 6_000,
  rebalanceTimeoutMs: 60_000,
  heartbeatEveryMs: 2_000,
  fetchBytesMin: 256 * 1024,
  fetchWaitMsMax: 100,
  fetchBytesMax: 32 * 1024 * 1024,
  partitionBytesMax: 4 * 1024 * 1024,
  partitionsAtOnce: 4,
}

/** A member that hangs must not hold up the stop: the group gives it up after its session. */
const STOP_MS_MAX = 15_000
const SOUND_AFTER_MS = 5_000
const REOPEN = { retryAfterMsMin: 500, retryAfterMsMax: 10_000 }

/** Ours is a number where the library's is a text; and of a batch it tells what was asked for, too. */
type FetchedByKafkajs = Batch & { readonly fetchedOffset: string }

export interface OpenReaderOptions {
  readonly consumer: () => Consumer
  readonly topic: string
  readonly reading: ReadProgress
  readonly logger: Logger
}

openReader.configOf = (limits: Partial<ReadingLimits> = {}) => {
  const { sessionTimeoutMs, rebalanceTimeoutMs, heartbeatEveryMs, fetchBytesMin, fetchWaitMsMax, fetchBytesMax, partitionBytesMax } = { ...LIMITS, ...limits }
  return {
    sessionTimeout: sessionTimeoutMs,
    heartbeatInterval: heartbeatEveryMs,
    rebalanceTimeout: rebalanceTimeoutMs,
    minBytes: fetchBytesMin,
    maxWaitTimeInMs: fetchWaitMsMax,
    maxBytes: fetchBytesMax,
    maxBytesPerPartition: partitionBytesMax,
    // Started again by itself, after it was stopped too, a member would hold partitions that nobody reads.
    retry: { initialRetryTime: 200, maxRetryTime: 2_000, retries: 4, restartOnFailure: async () => false },
  }
}

/**
 * Reads in the group until stopped. The library gives up after some retries, and at once on what it cannot read (a codec, a
 * damaged batch): each time a new member is opened after a pause, and `onTrouble` says so. Nothing is committed but on
 * demand, and an offset out of range is answered by the earliest, which the handler notices: no truth hangs on either.
 */
export async function openReader({
  consumer,
  topic,
  reading,
  logger,
  limits,
}: OpenReaderOptions & { limits?: Partial<ReadingLimits> | undefined }): Promise<Reader> {
  const { partitionsAtOnce, heartbeatEveryMs, sessionTimeoutMs, rebalanceTimeoutMs } = { ...LIMITS, ...limits }
  let current: Consumer | undefined
  let stopped = false
  let reopen: NodeJS.Timeout | undefined
  const backOff = new BackOff(REOPEN)
  let heardMs = Date.now()
  let joinedMs = Date.now()
  let assigned: readonly number[] = []
  let withdrawn = false

  const assign = (partitions: readonly number[]) => {
    assigned = partitions
    // Of that trouble alone this is the end: what could not be read may be there still.
    if (withdrawn) reading.onTrouble(undefined)
    withdrawn = false
    reading.onAssigned(partitions)
  }

  /** What was joined can be read as well. A batch that cannot be, such as of an unknown codec, fails right after the join. */
  const sound = () => {
    backOff.reset()
    reading.onTrouble(undefined)
  }

  const failed = (error: Error) => {
    current = undefined
    reading.onTrouble(error)
    if (stopped) return
    const reopenAfterMs = backOff.next()
    logger.warn({ err: error, reopenAfterMs }, 'reading from Kafka failed; joining the group again')
    reopen = setTimeout(() => void open(), reopenAfterMs)
  }

  const open = async (): Promise<void> => {
    const member = consumer()
    current = member
    heardMs = Date.now()
    member.on(member.events.HEARTBEAT, () => {
      if (stopped || member !== current) return
      heardMs = Date.now()
      if (withdrawn) assign(assigned)
      if (heardMs - joinedMs > SOUND_AFTER_MS) sound()
    })
    member.on(member.events.GROUP_JOIN, ({ payload }) => {
      if (stopped || member !== current) return
      heardMs = Date.now()
      joinedMs = heardMs
      assign(payload.memberAssignment[topic] ?? [])
    })
    member.on(member.events.CRASH, ({ payload }) => {
      if (member === current) failed(payload.error)
    })
    // Of an aborted transaction the library tells in no other way.
    member.on(member.events.START_BATCH_PROCESS, ({ payload: { batchSize, partition, firstOffset, lastOffset, highWatermark } }) => {
      if (batchSize > 0 || firstOffset === null) return
      const batch = { partition, fetchedOffset: Number(firstOffset), records: [], through: Number(lastOffset), end: Number(highWatermark) }
      reading.onBatch(batch, NO_TURN).catch(() => {})
    })
    try {
      await member.connect()
      await member.subscribe({ topic, fromBeginning: true })
      await member.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        partitionsConsumedConcurrently: partitionsAtOnce,
        eachBatch: (payload) => {
          sound()
          return handle(payload, reading, heartbeatEveryMs)
        },
      })
      // Stopped while it was on its way: nobody else would end it.
      if (stopped) await member.disconnect()
    } catch (error) {
      if (member === current) failed(error instanceof Error ? error : new Error(String(error)))
    }
  }

  // A member that is not heard of for a session has lost its partitions: it lets go of them before others wait for it. A join
  // whose answer was lost with its connection is waited for by the library for ever: that member is given up.
  const watch = setInterval(() => {
    const member = current
    const silentMs = Date.now() - heardMs
    if (silentMs > sessionTimeoutMs && !withdrawn) {
      withdrawn = true
      reading.onAssigned([])
      // Nothing is assigned, and so nothing else would say that nothing is read.
      reading.onTrouble(new Error(silence(silentMs)))
    }
    if (member === undefined || silentMs <= sessionTimeoutMs + rebalanceTimeoutMs) return
    member.disconnect().catch(() => {})
    failed(new Error(silence(silentMs)))
  }, heartbeatEveryMs)

  // Not waited for: the first join may take long, and what it brings must find the reader there.
  void open()
  return {
    seek: (partition, offset) => whileAMember(() => current?.seek({ topic, partition, offset: String(offset) })),
    pause: (partition) => whileAMember(() => current?.pause([{ topic, partitions: [partition] }])),
    resume: (partition) => whileAMember(() => current?.resume([{ topic, partitions: [partition] }])),
    commit: async (partition, offset) => {
      if (current === undefined) throw new KafkaUnavailable('There is no member of the group.')
      await current.commitOffsets([{ topic, partition, offset: String(offset) }])
    },
    stop: async () => {
      stopped = true
      clearTimeout(reopen)
      clearInterval(watch)
      await Promise.race([current?.disconnect(), sleep(STOP_MS_MAX, undefined, { ref: false })])
    },
  }
}

function silence(silentMs: number): string {
  return `The group has not answered for ${silentMs} ms.`
}

/** Between two memberships the library throws; the next one begins with every partition paused and taken anew. */
function whileAMember(act: () => void): void {
  try {
    act()
  } catch (error) {
    if (!(error instanceof kafkajs.KafkaJSNonRetriableError)) throw error
  }
}

const NO_TURN: Turn = { heartbeat: async () => {}, resolve: () => {} }

/** A handler's heartbeats go on while it waits for the store, and end with it. */
async function handle({ batch, heartbeat, resolveOffset }: EachBatchPayload, reading: ReadProgress, heartbeatEveryMs: number): Promise<void> {
  let lost: unknown
  let beating: Promise<void> = Promise.resolve()
  const beat = () => {
    beating = heartbeat().catch((error: unknown) => {
      lost = error
    })
  }
  const timer = setInterval(beat, heartbeatEveryMs)
  const turn: Turn = {
    heartbeat: async () => {
      if (lost === undefined) await heartbeat()
      else throw lost
    },
    resolve: (offset) => resolveOffset(String(offset)),
  }
  try {
    await reading.onBatch(fetchedOf(batch), turn)
  } finally {
    clearInterval(timer)
    await beating
  }
  // The library rejoins on this error, and on no other sign.
  if (lost !== undefined) throw lost
}

function fetchedOf(batch: Batch): FetchedBatch {
  const { fetchedOffset } = batch as FetchedByKafkajs
  return {
    partition: batch.partition,
    fetchedOffset: Number(fetchedOffset),
    records: batch.messages,
    through: Number(batch.lastOffset()),
    end: Number(batch.highWatermark),
  }
}

export interface ReadOnceOptions {
  readonly consumer: Consumer
  readonly topic: string
  extents(): Promise<PartitionExtent[]>
  onBatch(batch: FetchedBatch): Promise<void>
}

/** Reads each partition from its begin to the end it has at the start. */
export async function readOnce({ consumer, topic, extents, onBatch }: ReadOnceOptions): Promise<void> {
  const ends = await extents()
  const open = new Set(ends.flatMap(({ begin, end }, partition) => (begin < end ? [partition] : [])))
  if (open.size === 0) return
  try {
    await new Promise<void>((resolve, reject) => {
      const passed = (partition: number, through: number) => {
        if (through + 1 >= (ends[partition]?.end ?? 0)) open.delete(partition)
        if (open.size === 0) resolve()
      }
      consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error))
      consumer.on(consumer.events.START_BATCH_PROCESS, ({ payload }) => {
        if (payload.batchSize === 0) passed(payload.partition, Number(payload.lastOffset))
      })
      const run = async () => {
        await consumer.connect()
        await consumer.subscribe({ topic, fromBeginning: true })
        await consumer.run({
          autoCommit: false,
          eachBatch: async ({ batch, heartbeat }) => {
            const fetched = fetchedOf(batch)
            const beating = setInterval(() => void heartbeat().catch(() => {}), LIMITS.heartbeatEveryMs)
            if (open.has(fetched.partition)) await onBatch(fetched).catch(reject)
            clearInterval(beating)
            passed(fetched.partition, fetched.through)
          },
        })
      }
      run().catch(reject)
    })
  } finally {
    await consumer.disconnect()
  }
}
