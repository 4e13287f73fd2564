import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../../metering/logger.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { StoreError } from '../../sql/errors.ts'
import type { KnownMetrics } from '../event/known-metrics.ts'
import { SEND_AGAIN } from '../http/submission-queue.ts'
import { type EventLog, EventsUnavailable, type IngestStats, type Readiness } from '../log/event-log.ts'
import { SourceWatch } from '../source/watch-source.ts'
import { type AssignedPartitions, type AssignedPartitionsLimits, openAssignedPartitions } from './assigned-partitions.ts'
import { connectTopic, type TopicOptions } from './kafkajs-topic.ts'
import { openProducedLog, type ProducedLog } from './produced-log.ts'
import { KafkaUnavailable, type Topic } from './topic.ts'

export interface KafkaLogOptions {
  readonly clickhouse: ClickHouse
  readonly topic: Omit<TopicOptions, 'logger'>
  /** Whether this process produces the events that arrive over HTTP, counts the events of the topic, or does both. */
  readonly parts: { readonly produce: boolean; readonly ingest: boolean }
  /** Without it, only the documented metrics are counted. */
  readonly metrics?: KnownMetrics | undefined
  readonly limits?: Partial<AssignedPartitionsLimits>
  readonly logger: Logger
  /** Called once when retrying cannot help, as when the topic may not be created. */
  readonly onRefused: (error: Error) => void
}

export interface KafkaLog extends EventLog {
  /** The topic, once the brokers have answered. Throws EventsUnavailable before that. */
  topic(): Topic
  stop(): Promise<void>
}

/** Kafka as the log of this process. It connects in the background; until then no event is accepted and readiness says why. */
export function openKafkaLog(options: KafkaLogOptions): KafkaLog {
  const { clickhouse, parts, logger, metrics, limits } = options
  const stopping = new AbortController()
  let topic: Topic | undefined
  let produced: ProducedLog | undefined
  let ingest: AssignedPartitions | undefined
  let watch: SourceWatch | undefined

  const connect = async () => {
    topic = await connectTopic({ ...options.topic, logger }, stopping.signal)
    const connected = topic
    const watched = new SourceWatch({ clickhouse, source: connected.name, logger })
    await retry(() => watched.start())
    watch = watched
    if (parts.produce) produced = await retry(() => openProducedLog({ clickhouse, topic: connected, logger }))
    if (parts.ingest) ingest = await retry(() => openAssignedPartitions({ clickhouse, topic: connected, logger, metrics, ...(limits && { limits }) }))
  }
  /** While the store or Kafka is unavailable for a moment, opening is retried, as reads and writes are later on. */
  const retry = async <T>(open: () => Promise<T>): Promise<T> => {
    for (;;) {
      try {
        return await open()
      } catch (error) {
        if (stopping.signal.aborted || !isTemporary(error)) throw error
        logger.warn({ err: error, retryAfterMs: RETRY_MS }, 'ClickHouse or Kafka cannot be used yet; trying again')
        await sleep(RETRY_MS, undefined, { signal: stopping.signal })
      }
    }
  }
  const connected = connect().catch((error: unknown) => {
    if (!stopping.signal.aborted) options.onRefused(error instanceof Error ? error : new Error(String(error)))
  })

  const opened = () => [...(parts.produce ? [produced] : []), ...(parts.ingest ? [ingest] : [])]
  return {
    acknowledges: 'durable',
    submit: async (submission) => {
      if (produced === undefined) throw new EventsUnavailable(`${NOT_CONNECTED.reason}. ${SEND_AGAIN}`)
      // An event that is produced to a topic which is not in force would be acknowledged and never counted.
      if (watch?.notInForce !== undefined) throw new EventsUnavailable(`Events cannot be accepted: ${watch.notInForce}. ${SEND_AGAIN}`)
      return produced.submit(submission)
    },
    readiness: () => opened().reduce<Readiness>((before, part) => (before.ready ? (part?.readiness() ?? NOT_CONNECTED) : before), readinessOf(watch)),
    stats: () => opened().reduce<IngestStats>((before, part) => addStats(before, part?.stats() ?? NOT_CONNECTED_STATS), NO_STATS),
    topic: () => {
      if (topic === undefined) throw new EventsUnavailable(`${NOT_CONNECTED.reason}. Try again later.`)
      return topic
    },
    stop: async () => {
      stopping.abort()
      await connected
      await watch?.stop()
      await ingest?.stop().catch((error: unknown) => logger.warn({ err: error }, 'leaving the consumer group failed'))
      await produced?.stop()
      await topic?.close()
    },
  }
}

const RETRY_MS = 1_000

function readinessOf(watch: SourceWatch | undefined): Readiness {
  return watch?.notInForce === undefined ? { ready: true } : { ready: false, reason: watch.notInForce }
}

function isTemporary(error: unknown): boolean {
  return error instanceof KafkaUnavailable || (error instanceof StoreError && (error.fault === 'unavailable' || error.fault === 'fenced'))
}

const NOT_CONNECTED = { ready: false, reason: 'Kafka has not been reached yet' } as const
const NO_STATS: IngestStats = { queuedEvents: 0, logs: [], kafkaTrouble: false }
const NOT_CONNECTED_STATS: IngestStats = { ...NO_STATS, kafkaTrouble: true }

function addStats(one: IngestStats, other: IngestStats): IngestStats {
  return {
    queuedEvents: one.queuedEvents + other.queuedEvents,
    logs: [...one.logs, ...other.logs],
    kafkaTrouble: one.kafkaTrouble || other.kafkaTrouble,
  }
}
