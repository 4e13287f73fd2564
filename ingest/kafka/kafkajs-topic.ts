import { setTimeout as sleep } from 'node:timers/promises'
import kafkajs, { type Admin, type Consumer, type KafkaConfig, type Producer } from 'kafkajs'
import type { Logger } from '../../metering/logger.ts'
import { MS_PER_DAY } from '../../metering/timestamp.ts'
import { BackOff } from '../log/back-off.ts'
import { registerCodecs } from './codecs.ts'
import { readOnce } from './kafkajs-read-once.ts'
import { consumerConfigOf, KafkajsReader, type ReadingLimits } from './kafkajs-reader.ts'
import { type FetchedBatch, type GroupReader, KafkaUnavailable, type NewRecord, type PartitionExtent, type ReadHandlers, type Topic } from './topic.ts'

export interface TopicOptions {
  readonly brokers: readonly string[]
  readonly topic: string
  readonly group: string
  readonly ssl: boolean
  readonly sasl: { mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'; username: string; password: string } | undefined
  /** A missing topic is created with this many partitions. */
  readonly partitions: number
  readonly logger: Logger
  readonly limits?: Partial<ReadingLimits>
}

/**
 * Connects to the topic, creates it if it is missing, and warns of settings under which events could be lost. While the brokers
 * cannot be reached it logs that and retries, until `signal` is aborted.
 */
export async function connectTopic(options: TopicOptions, signal: AbortSignal): Promise<Topic> {
  registerCodecs()
  const config = configOf(options)
  // The retries are done here, so that a stop need not wait for those of kafkajs.
  const probe = new kafkajs.Kafka({ ...config, retry: { retries: 0 } })
  const backOff = new BackOff(RETRY)
  for (;;) {
    const admin = probe.admin()
    try {
      await admin.connect()
      await ensureTopic(admin, options)
      await warnOfSettings(admin, options)
      const { clusterId } = await admin.describeCluster()
      return await openTopic(new kafkajs.Kafka(config), options, clusterId)
    } catch (error) {
      if (signal.aborted || error instanceof TopicRefused) throw error
      const retryAfterMs = backOff.next()
      options.logger.warn({ err: error, brokers: options.brokers, retryAfterMs }, `Kafka cannot be used yet: ${messageOf(error)}. Trying again`)
      await sleep(retryAfterMs, undefined, { signal })
    } finally {
      await admin.disconnect().catch(() => {})
    }
  }
}

const RETRY = { retryAfterMsMin: 500, retryAfterMsMax: 10_000 }
const RETENTION_MS_MIN = 7 * MS_PER_DAY
const CONNECT_MS_MAX = 5_000
const REQUEST_MS_MAX = 30_000

/** A fault that retrying cannot fix. */
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
    // Most of what kafkajs logs as an error is a rebalance or a broker that is briefly unavailable; real faults are logged by our code.
    logCreator:
      () =>
      ({ namespace, log: { message, error, broker } }) =>
        logger.info({ kafka: namespace, broker, error: typeof error === 'string' ? error : undefined }, message),
  }
}

async function ensureTopic(admin: Admin, { topic, partitions, logger }: TopicOptions): Promise<void> {
  if ((await admin.listTopics()).includes(topic)) return
  try {
    const created = await admin.createTopics({ topics: [{ topic, numPartitions: partitions, replicationFactor: -1 }], waitForLeaders: true })
    if (created) logger.info({ topic, partitions }, `the topic ${topic} did not exist and was created with ${partitions} partitions`)
  } catch (error) {
    const type = typeof error === 'object' && error !== null && 'type' in error ? error.type : undefined
    if (type === 'TOPIC_AUTHORIZATION_FAILED' || type === 'CLUSTER_AUTHORIZATION_FAILED')
      throw new TopicRefused(`The topic ${topic} does not exist and this user may not create it. Create it with ${partitions} partitions (KAFKA_PARTITIONS).`)
    throw error
  }
}

/** Warns of settings under which an acknowledged event can be lost. The operator may choose them, but must know. */
async function warnOfSettings(admin: Admin, { topic, logger }: TopicOptions): Promise<void> {
  const names = ['retention.ms', 'min.insync.replicas', 'cleanup.policy']
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configNames: names }],
  })
  const settings = new Map(resources.flatMap(({ configEntries }) => configEntries.map(({ configName, configValue }) => [configName, configValue])))
  const retentionMs = Number(settings.get('retention.ms'))
  if (retentionMs >= 0 && retentionMs < RETENTION_MS_MIN) {
    const days = RETENTION_MS_MIN / MS_PER_DAY
    logger.warn(
      { topic, retentionMs },
      `the topic keeps events for less than ${days} days: an outage longer than its retention loses events. Raise retention.ms`,
    )
  }
  if (Number(settings.get('min.insync.replicas')) < 2)
    logger.warn({ topic }, 'min.insync.replicas is below 2: acks=all is satisfied by one copy, and losing that broker loses acknowledged events')
  if (settings.get('cleanup.policy')?.includes('compact') === true)
    logger.warn({ topic }, 'cleanup.policy compacts the topic: of several events with one key only the last would be kept. Set it to delete')
}

async function openTopic(kafka: kafkajs.Kafka, options: TopicOptions, clusterId: string): Promise<KafkajsTopic> {
  const admin = kafka.admin()
  await admin.connect()
  return new KafkajsTopic({ kafka, admin, options, clusterId })
}

/** The port Topic over kafkajs. Every error of a request becomes KafkaUnavailable. */
class KafkajsTopic implements Topic {
  readonly name: string
  readonly #kafka: kafkajs.Kafka
  readonly #options: TopicOptions
  #admin: Admin
  #producer: Promise<Producer> | undefined

  constructor({ kafka, admin, options, clusterId }: { kafka: kafkajs.Kafka; admin: Admin; options: TopicOptions; clusterId: string }) {
    this.name = `${clusterId}/${options.topic}`
    this.#kafka = kafka
    this.#options = options
    this.#admin = admin
  }

  extents(): Promise<PartitionExtent[]> {
    return available(() => this.#fetchExtents())
  }

  offsetsAt(timeMs: number): Promise<number[]> {
    return available(async () => {
      const offsets: number[] = []
      for (const { partition, offset } of await this.#admin.fetchTopicOffsetsByTimestamp(this.#options.topic, timeMs)) offsets[partition] = Number(offset)
      return offsets
    })
  }

  produce(records: readonly NewRecord[]): Promise<number[]> {
    return available(async () => {
      try {
        this.#producer ??= connectProducer(this.#kafka)
        return await send(await this.#producer, this.#options.topic, records)
      } catch (error) {
        // The sequence numbers of this producer are in doubt now. A new one starts with new numbers.
        const failed = this.#producer
        this.#producer = undefined
        failed?.then((producer) => producer.disconnect()).catch(() => {})
        throw error
      }
    })
  }

  async read(handlers: ReadHandlers): Promise<GroupReader> {
    const { topic, group, logger, limits } = this.#options
    return new KafkajsReader({ consumer: () => this.#consumer(group), topic, handlers, logger, limits })
  }

  async readAll(onBatch: (batch: FetchedBatch) => Promise<void>): Promise<void> {
    const { topic, group } = this.#options
    const groupId = `${group}-once-${process.pid}-${Date.now()}`
    await available(() => readOnce({ consumer: this.#consumer(groupId), topic, extents: () => this.extents(), onBatch }))
    await this.#admin.deleteGroups([groupId]).catch(() => {})
  }

  async close(): Promise<void> {
    await this.#producer?.then((producer) => producer.disconnect()).catch(() => {})
    await this.#admin.disconnect()
  }

  #consumer(groupId: string): Consumer {
    return this.#kafka.consumer({ groupId, ...consumerConfigOf(this.#options.limits) })
  }

  /**
   * kafkajs fetches offsets only of the partitions in its cached metadata, but fetches the current number of partitions each time. If they differ, a new client has
   * to fetch them.
   */
  async #fetchExtents(): Promise<PartitionExtent[]> {
    const { topic } = this.#options
    const [described] = (await this.#admin.fetchTopicMetadata({ topics: [topic] })).topics
    let offsets = await this.#admin.fetchTopicOffsets(topic)
    if (described?.partitions.length !== offsets.length) {
      const outdated = this.#admin
      this.#admin = this.#kafka.admin()
      await this.#admin.connect()
      await outdated.disconnect().catch(() => {})
      offsets = await this.#admin.fetchTopicOffsets(topic)
    }
    return extentsOf(offsets)
  }
}

async function connectProducer(kafka: kafkajs.Kafka): Promise<Producer> {
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1, allowAutoTopicCreation: false })
  await producer.connect()
  return producer
}

/**
 * Sends records in requests of a size that a broker accepts with its default max.message.bytes (1 MiB for the records of one request
 * and partition). A larger request would be rejected each time it is retried.
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
    offsets.push(...(await sendRequest(producer, topic, records.slice(from, to))))
  }
  return offsets
}

const REQUEST_PARTITION_BYTES_MAX = 800 * 1024
const RECORD_OVERHEAD_BYTES = 64

function bytesOf({ key, value, headers }: NewRecord): number {
  const inHeaders = Object.entries(headers).reduce((sum, [name, text]) => sum + name.length + Buffer.byteLength(text), 0)
  return RECORD_OVERHEAD_BYTES + Buffer.byteLength(key) + Buffer.byteLength(value) + inHeaders
}

/** The broker returns the first offset for each partition. The records of a partition are in order, so their offsets follow from it. */
async function sendRequest(producer: Producer, topic: string, records: readonly NewRecord[]): Promise<number[]> {
  const messages = records.map(({ partition, key, value, headers }) => ({ partition, key, value, headers: { ...headers } }))
  const sent = await producer.send({ topic, acks: -1, messages })
  const next = new Map(sent.map(({ partition, baseOffset }) => [partition, Number(baseOffset)]))
  return records.map(({ partition }) => {
    const offset = next.get(partition)
    if (offset === undefined || !Number.isSafeInteger(offset) || offset < 0)
      throw new Error(`The broker did not return the offset of the records of partition ${partition}.`)
    next.set(partition, offset + 1)
    return offset
  })
}

function extentsOf(offsets: readonly { partition: number; low: string; high: string }[]): PartitionExtent[] {
  const extents: PartitionExtent[] = []
  for (const { partition, low, high } of offsets) extents[partition] = { begin: Number(low), end: Number(high) }
  return extents
}

/** Turns every error into KafkaUnavailable. */
async function available<T>(request: () => Promise<T>): Promise<T> {
  try {
    return await request()
  } catch (error) {
    throw new KafkaUnavailable(`The request to Kafka failed: ${messageOf(error)}`, error)
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
