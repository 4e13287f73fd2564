import { setTimeout as sleep } from 'node:timers/promises'
import kafkajs, { type Admin, type Consumer, type KafkaConfig } from 'kafkajs'
import type { Logger } from '../../metering/logger.ts'
import { BackOff } from '../log/back-off.ts'
import { registerCodecs } from './codecs.ts'
import { messageOf, typeOf } from './kafkajs-errors.ts'
import { KafkajsExtents } from './kafkajs-extents.ts'
import { readPartitionsSeparately } from './kafkajs-fetch.ts'
import { acceptPartitionsWithoutLeader } from './kafkajs-metadata.ts'
import { KafkajsProducers } from './kafkajs-producers.ts'
import { readOnce } from './kafkajs-read-once.ts'
import { consumerConfigOf, KafkajsReader, type ReadingLimits } from './kafkajs-reader.ts'
import {
  type FetchedBatch,
  type GroupReader,
  KafkaUnavailable,
  type NewRecord,
  type PartitionExtent,
  type ProduceOutcome,
  type ReadHandlers,
  type Topic,
} from './topic.ts'
import { warnOfSettings } from './topic-settings.ts'

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
  acceptPartitionsWithoutLeader()
  readPartitionsSeparately()
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
      return new KafkajsTopic(new kafkajs.Kafka(config), options, clusterId)
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
/** The timestamp of a record is when the broker appended it, not what its producer says: the future is judged by it. */
const BROKER_TIME = { name: 'message.timestamp.type', value: 'LogAppendTime' }
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
    const created = await admin.createTopics({
      topics: [{ topic, numPartitions: partitions, replicationFactor: -1, configEntries: [BROKER_TIME] }],
      waitForLeaders: true,
    })
    if (created) logger.info({ topic, partitions }, `the topic ${topic} did not exist and was created with ${partitions} partitions`)
  } catch (error) {
    const type = typeOf(error)
    if (type === 'TOPIC_AUTHORIZATION_FAILED' || type === 'CLUSTER_AUTHORIZATION_FAILED')
      throw new TopicRefused(`The topic ${topic} does not exist and this user may not create it. Create it with ${partitions} partitions (KAFKA_PARTITIONS).`)
    throw error
  }
}

/** The port Topic over kafkajs. Every error of a request becomes KafkaUnavailable. */
class KafkajsTopic implements Topic {
  readonly name: string
  readonly #kafka: kafkajs.Kafka
  readonly #options: TopicOptions
  readonly #producers: KafkajsProducers
  #extents: Promise<KafkajsExtents> | undefined

  constructor(kafka: kafkajs.Kafka, options: TopicOptions, clusterId: string) {
    this.name = `${clusterId}/${options.topic}`
    this.#kafka = kafka
    this.#options = options
    this.#producers = new KafkajsProducers(kafka, options.topic)
  }

  extents(): Promise<(PartitionExtent | undefined)[]> {
    return available(async () => {
      this.#extents ??= KafkajsExtents.open(this.#kafka, this.#options.topic)
      const opened = this.#extents
      const client = await opened.catch((error: unknown) => {
        if (this.#extents === opened) this.#extents = undefined
        throw error
      })
      try {
        return await client.read()
      } finally {
        // The next request gets new connections and metadata.
        if (client.failed && this.#extents === opened) {
          this.#extents = undefined
          void client.close()
        }
      }
    })
  }

  offsetsAt(timeMs: number): Promise<number[]> {
    return this.#administer(async (admin) => {
      const offsets: number[] = []
      for (const { partition, offset } of await admin.fetchTopicOffsetsByTimestamp(this.#options.topic, timeMs)) offsets[partition] = Number(offset)
      return offsets
    })
  }

  async produce(records: readonly NewRecord[]): Promise<ProduceOutcome[]> {
    const byPartition = new Map<number, NewRecord[]>()
    for (const record of records) {
      const own = byPartition.get(record.partition)
      if (own === undefined) byPartition.set(record.partition, [record])
      else own.push(record)
    }
    const produced = [...byPartition].map(async ([partition, own]) => [partition, (await this.#producers.produce(partition, own)).values()] as const)
    const outcomes = new Map(await Promise.all(produced))
    return records.map(({ partition }) => outcomes.get(partition)?.next().value ?? missing(partition))
  }

  async read(handlers: ReadHandlers): Promise<GroupReader> {
    const { topic, group, logger, limits } = this.#options
    return new KafkajsReader({ consumer: () => this.#consumer(group), topic, handlers, logger, limits })
  }

  async readAll(onBatch: (batch: FetchedBatch) => Promise<void>): Promise<void> {
    const { topic, group } = this.#options
    const groupId = `${group}-once-${process.pid}-${Date.now()}`
    await available(() => readOnce({ consumer: this.#consumer(groupId), topic, extents: () => this.extents(), onBatch }))
    await this.#administer((admin) => admin.deleteGroups([groupId])).catch(() => {})
  }

  async close(): Promise<void> {
    await this.#producers.close()
    await this.#extents?.then((client) => client.close()).catch(() => {})
  }

  #consumer(groupId: string): Consumer {
    return this.#kafka.consumer({ groupId, ...consumerConfigOf(this.#options.limits) })
  }

  /** Runs a rare request with an admin client of its own, so that none can be left in a broken state. */
  #administer<T>(request: (admin: Admin) => Promise<T>): Promise<T> {
    return available(async () => {
      const admin = this.#kafka.admin()
      try {
        await admin.connect()
        return await request(admin)
      } finally {
        await admin.disconnect().catch(() => {})
      }
    })
  }
}

function missing(partition: number): never {
  throw new KafkaUnavailable(`The broker did not return the offset of a record of partition ${partition}.`)
}

/** Turns every error into KafkaUnavailable. */
async function available<T>(request: () => Promise<T>): Promise<T> {
  try {
    return await request()
  } catch (error) {
    throw new KafkaUnavailable(`The request to Kafka failed: ${messageOf(error)}`, error)
  }
}
