import { setTimeout as sleep } from 'node:timers/promises'
import kafkajs, { type Admin, type Consumer, type KafkaConfig, type Producer } from 'kafkajs'
import type { Logger } from '../../metering/logger.ts'
import { BackOff } from '../log/back-off.ts'
import { registerCodecs } from './codecs.ts'
import { openReader, type ReadingLimits, readOnce } from './kafkajs-reader.ts'
import { KafkaUnavailable, type NewRecord, type PartitionExtent, type Topic } from './topic.ts'

export interface TopicOptions {
  readonly brokers: readonly string[]
  readonly topic: string
  readonly group: string
  readonly ssl: boolean
  readonly sasl: { mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'; username: string; password: string } | undefined
  /** A topic that is missing is created with this many partitions. */
  readonly partitions: number
  readonly logger: Logger
  readonly limits?: Partial<ReadingLimits>
}

/**
 * Connects to the topic, creating it when it is missing, and warns of settings under which events could be lost.
 * Retries for ever while the brokers cannot be reached, saying so; ends when `signal` is aborted.
 */
export async function connectTopic(options: TopicOptions, signal: AbortSignal): Promise<Topic> {
  registerCodecs()
  const config = configOf(options)
  // The tries to reach the brokers are counted here, so that a stop need not wait for the library's.
  const probing = new kafkajs.Kafka({ ...config, retry: { retries: 0 } })
  const backOff = new BackOff(RETRY)
  for (;;) {
    const admin = probing.admin()
    try {
      await admin.connect()
      await ensureTopic(admin, options)
      await warnOfSettings(admin, options)
      const { clusterId } = await admin.describeCluster()
      return await topicOf(new kafkajs.Kafka(config), options, clusterId)
    } catch (error) {
      if (signal.aborted || error instanceof TopicRefused) throw error
      const retryAfterMs = backOff.next()
      options.logger.warn({ err: error, brokers: options.brokers, retryAfterMs }, `Kafka cannot be used yet: ${describe(error)}. Trying again`)
      await sleep(retryAfterMs, undefined, { signal })
    } finally {
      await admin.disconnect().catch(() => {})
    }
  }
}

const RETRY = { retryAfterMsMin: 500, retryAfterMsMax: 10_000 }
const RETENTION_MS_MIN = 7 * 24 * 3_600_000
const CONNECT_MS_MAX = 5_000
const REQUEST_MS_MAX = 30_000

/** What no waiting will change. */
class TopicRefused extends Error {}

function configOf({ brokers, ssl, sasl, logger }: TopicOptions): KafkaConfig {
  return {
    clientId: 'meterline',
    brokers: [...brokers],
    connectionTimeout: CONNECT_MS_MAX,
    requestTimeout: REQUEST_MS_MAX,
    ssl,
    ...(sasl && { sasl: sasl as KafkaConfig['sasl'] & object }),
    retry: { initialRetryTime: 200, maxRetryTime: 5_000, retries: 6 },
    logLevel: kafkajs.logLevel.ERROR,
    // What its library calls an error is mostly a rebalance or a broker that is away for a moment; what matters is told by us.
    logCreator:
      () =>
      ({ namespace, log: { message, error, broker } }) =>
        logger.info({ kafka: namespace, broker, error: typeof error === 'string' ? error : undefined }, message),
  }
}

async function ensureTopic(admin: Admin, { topic, partitions, logger }: TopicOptions): Promise<void> {
  if ((await admin.listTopics()).includes(topic)) return
  try {
    const made = await admin.createTopics({ topics: [{ topic, numPartitions: partitions, replicationFactor: -1 }], waitForLeaders: true })
    if (made) logger.info({ topic, partitions }, `the topic ${topic} was missing and is created with ${partitions} partitions`)
  } catch (error) {
    const type = typeof error === 'object' && error !== null && 'type' in error ? error.type : undefined
    if (type === 'TOPIC_AUTHORIZATION_FAILED' || type === 'CLUSTER_AUTHORIZATION_FAILED')
      throw new TopicRefused(`The topic ${topic} does not exist and this user may not create it. Create it with ${partitions} partitions (KAFKA_PARTITIONS).`)
    throw error
  }
}

/** Settings under which an acknowledged event can be lost: they are the operator's to choose, and must not surprise. */
async function warnOfSettings(admin: Admin, { topic, logger }: TopicOptions): Promise<void> {
  const names = ['retention.ms', 'min.insync.replicas', 'cleanup.policy']
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configNames: names }],
  })
  const settings = new Map(resources.flatMap(({ configEntries }) => configEntries.map(({ configName, configValue }) => [configName, configValue])))
  const retentionMs = Number(settings.get('retention.ms'))
  if (retentionMs >= 0 && retentionMs < RETENTION_MS_MIN) {
    const days = RETENTION_MS_MIN / 86_400_000
    logger.warn({ topic, retentionMs }, `the topic keeps events for less than ${days} days: an outage longer than that loses events. Raise retention.ms`)
  }
  if (Number(settings.get('min.insync.replicas')) < 2)
    logger.warn({ topic }, 'min.insync.replicas is below 2: acks=all is satisfied by one copy, and losing that broker loses acknowledged events')
  if (settings.get('cleanup.policy')?.includes('compact') === true)
    logger.warn({ topic }, 'cleanup.policy compacts the topic: of several events with one key only the last would be kept. Set it to delete')
}

async function topicOf(kafka: kafkajs.Kafka, options: TopicOptions, clusterId: string): Promise<Topic> {
  const { topic, group, logger, limits } = options
  let admin = kafka.admin()
  await admin.connect()
  let producer: Promise<Producer> | undefined
  const consumer = (groupId: string): Consumer => kafka.consumer({ groupId, ...openReader.configOf(limits) })
  const connectedProducer = () => {
    producer ??= connectProducer(kafka)
    return producer
  }
  /** Offsets are asked for the partitions that the library remembers; how many there are is asked anew each time. */
  const extents = () =>
    available(async () => {
      const [described] = (await admin.fetchTopicMetadata({ topics: [topic] })).topics
      let offsets = await admin.fetchTopicOffsets(topic)
      if (described?.partitions.length !== offsets.length) {
        const forgetful = admin
        admin = kafka.admin()
        await admin.connect()
        await forgetful.disconnect().catch(() => {})
        offsets = await admin.fetchTopicOffsets(topic)
      }
      return extentsOf(offsets)
    })
  return {
    name: `${clusterId}/${topic}`,
    extents,
    offsetsAt: (timeMs) =>
      available(async () => {
        const offsets: number[] = []
        for (const { partition, offset } of await admin.fetchTopicOffsetsByTimestamp(topic, timeMs)) offsets[partition] = Number(offset)
        return offsets
      }),
    produce: (records) =>
      available(async () => {
        try {
          return await send(await connectedProducer(), topic, records)
        } catch (error) {
          // Its sequence numbers are in doubt now; a new one starts anew.
          const failed = producer
          producer = undefined
          failed?.then((each) => each.disconnect()).catch(() => {})
          throw error
        }
      }),
    read: (reading) => openReader({ consumer: () => consumer(group), topic, reading, logger, limits }),
    readAll: async (onBatch) => {
      const groupId = `${group}-once-${process.pid}-${Date.now()}`
      await available(() => readOnce({ consumer: consumer(groupId), topic, extents, onBatch }))
      await admin.deleteGroups([groupId]).catch(() => {})
    },
    close: async () => {
      await producer?.then((each) => each.disconnect()).catch(() => {})
      await admin.disconnect()
    },
  }
}

async function connectProducer(kafka: kafkajs.Kafka): Promise<Producer> {
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1, allowAutoTopicCreation: false })
  await producer.connect()
  return producer
}

/**
 * In requests that a broker takes with its default max.message.bytes (1 MiB for what one request brings a partition): a
 * larger one would be refused for ever.
 */
async function send(producer: Producer, topic: string, records: readonly NewRecord[]): Promise<number[]> {
  const offsets: number[] = []
  for (let from = 0, to = 0; from < records.length; from = to) {
    const bytes = new Map<number, number>()
    for (; to < records.length; to += 1) {
      const record = records[to]
      if (record === undefined) break
      const sum = (bytes.get(record.partition) ?? 0) + bytesOf(record)
      if (to > from && sum > REQUEST_PARTITION_BYTES_MAX) break
      bytes.set(record.partition, sum)
    }
    offsets.push(...(await sendAtOnce(producer, topic, records.slice(from, to))))
  }
  return offsets
}

const REQUEST_PARTITION_BYTES_MAX = 800 * 1024
const RECORD_OVERHEAD_BYTES = 64

function bytesOf({ key, value, headers }: NewRecord): number {
  const inHeaders = Object.entries(headers).reduce((sum, [name, text]) => sum + name.length + Buffer.byteLength(text), 0)
  return RECORD_OVERHEAD_BYTES + Buffer.byteLength(key) + Buffer.byteLength(value) + inHeaders
}

/** One request; the records of a partition stand in it in their order, so their offsets follow the first. */
async function sendAtOnce(producer: Producer, topic: string, records: readonly NewRecord[]): Promise<number[]> {
  const messages = records.map(({ partition, key, value, headers }) => ({ partition, key, value, headers: { ...headers } }))
  const sent = await producer.send({ topic, acks: -1, messages })
  const next = new Map(sent.map(({ partition, baseOffset }) => [partition, Number(baseOffset)]))
  return records.map(({ partition }) => {
    const offset = next.get(partition)
    if (offset === undefined || !Number.isSafeInteger(offset) || offset < 0)
      throw new Error(`The broker did not say where the records of partition ${partition} are.`)
    next.set(partition, offset + 1)
    return offset
  })
}

function extentsOf(offsets: readonly { partition: number; low: string; high: string }[]): PartitionExtent[] {
  const extents: PartitionExtent[] = []
  for (const { partition, low, high } of offsets) extents[partition] = { begin: Number(low), end: Number(high) }
  return extents
}

async function available<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    throw new KafkaUnavailable(`Kafka did not do what was asked: ${describe(error)}`, error)
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
