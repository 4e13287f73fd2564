import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../../metering/logger.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { StoreError } from '../../sql/errors.ts'
import { type EventLog, EventsUnavailable, type IngestStats, type Readiness } from '../log/event-log.ts'
import { openTopicIngest, type TopicIngest, type TopicIngestLimits } from './assigned-partitions.ts'
import { connectTopic, type TopicOptions } from './kafkajs-topic.ts'
import { openProducedLog, type ProducedLog } from './produced-log.ts'
import { KafkaUnavailable, type Topic } from './topic.ts'

export interface KafkaLogOptions {
  readonly clickhouse: ClickHouse
  readonly topic: Omit<TopicOptions, 'logger'>
  /** What this process does with the topic: `produce` what arrives over HTTP, `ingest` what the topic brings, or both. */
  readonly parts: { readonly produce: boolean; readonly ingest: boolean }
  readonly limits?: Partial<TopicIngestLimits>
  readonly logger: Logger
  /** Called once when waiting cannot help, such as a topic that may not be created. */
  readonly onRefused: (error: Error) => void
}

export interface KafkaLog extends EventLog {
  /** The topic, as soon as the brokers answer. Throws EventsUnavailable. */
  topic(): Topic
  stop(): Promise<void>
}

/** Kafka as the log of this process. Connects in the background: until then nothing is accepted, and it says why. */
export function openKafkaLog(options: KafkaLogOptions): KafkaLog {
  const { clickhouse, parts, logger, limits } = options
  const stopping = new AbortController()
  let topic: Topic | undefined
  let produced: ProducedLog | undefined
  let ingest: TopicIngest | undefined

  const connect = async () => {
    topic = await connectTopic({ ...options.topic, logger }, stopping.signal)
    const connected = topic
    if (parts.produce) produced = await untilStored(() => openProducedLog({ clickhouse, topic: connected, logger }))
    if (parts.ingest) ingest = await untilStored(() => openTopicIngest({ clickhouse, topic: connected, logger, ...(limits && { limits }) }))
  }
  /** A store that is away for a moment is waited for, as it is later on. */
  const untilStored = async <T>(open: () => Promise<T>): Promise<T> => {
    for (;;) {
      try {
        return await open()
      } catch (error) {
        if (stopping.signal.aborted || !mayPass(error)) throw error
        logger.warn({ err: error, retryAfterMs: RETRY_MS }, 'the store or Kafka cannot be used yet; trying again')
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
      if (produced === undefined) throw new EventsUnavailable(`${NOT_CONNECTED.reason}. Send all of them again later; nothing counts twice.`)
      return produced.submit(submission)
    },
    readiness: () => opened().reduce<Readiness>((before, part) => (before.ready ? (part?.readiness() ?? NOT_CONNECTED) : before), { ready: true }),
    stats: () => opened().reduce<IngestStats>((before, part) => sumOf(before, part?.stats() ?? NOTHING_YET), NONE),
    topic: () => {
      if (topic === undefined) throw new EventsUnavailable(`${NOT_CONNECTED.reason}. Try again later.`)
      return topic
    },
    stop: async () => {
      stopping.abort()
      await connected
      await ingest?.stop().catch((error: unknown) => logger.warn({ err: error }, 'the group could not be left'))
      await produced?.stop()
      await topic?.close()
    },
  }
}

const RETRY_MS = 1_000

function mayPass(error: unknown): boolean {
  return error instanceof KafkaUnavailable || (error instanceof StoreError && (error.fault === 'unavailable' || error.fault === 'fenced'))
}

const NOT_CONNECTED = { ready: false, reason: 'Kafka has not been reached yet' } as const
const NONE: IngestStats = { queuedEvents: 0, logs: [], kafkaTrouble: false }
const NOTHING_YET: IngestStats = { ...NONE, kafkaTrouble: true }

function sumOf(one: IngestStats, other: IngestStats): IngestStats {
  return {
    queuedEvents: one.queuedEvents + other.queuedEvents,
    logs: [...one.logs, ...other.logs],
    kafkaTrouble: one.kafkaTrouble || other.kafkaTrouble,
  }
}
