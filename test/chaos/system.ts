import type { ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createWriteStream, mkdirSync, type WriteStream } from 'node:fs'
import { join } from 'node:path'
import { Kafka, logLevel } from 'kafkajs'
import { kafkaForTests, type TestKafka } from '../support/engines/kafka-broker.ts'
import { afterMs } from './clock.ts'
import type { KillKind } from './plan.ts'
import { StoreServers } from './store-servers.ts'
import { SupervisedProcess } from './supervised-process.ts'

export const INGESTS = 3
const APIS = 2
export const PARTITIONS = 6

export interface SystemOptions {
  readonly directory: string
  readonly seed: number
  readonly shards: number
  /** CLICKHOUSE_URL; if undefined, the servers are started. */
  readonly givenClickHouse: string | undefined
}

/** Broker, store, three ingest and two api processes, with shards an aggregate process too; each is restarted when it ends. */
export class System {
  readonly ingests: readonly SupervisedProcess[]
  readonly apis: readonly SupervisedProcess[]
  /** One with shards, whose totals it materializes; without them none, so that the plans of known seeds stay the same. */
  readonly aggregates: readonly SupervisedProcess[]
  readonly store: StoreServers
  readonly adminToken: string
  readonly topic: string
  /** Has no ingest process; what it contains must not be counted. */
  readonly secondTopic: string
  readonly secondSourceLog: WriteStream
  readonly kafka: TestKafka
  readonly kafkajs: Kafka
  readonly killable: readonly KillKind[]
  readonly #environment: Readonly<Record<string, string>>
  readonly #others: ChildProcess[] = []

  private constructor({ directory, seed }: SystemOptions, kafka: TestKafka, store: StoreServers) {
    this.kafka = kafka
    this.store = store
    this.topic = `chaos-${seed}-${randomBytes(4).toString('hex')}`
    this.secondTopic = `${this.topic}-second`
    this.adminToken = randomBytes(24).toString('hex')
    this.kafkajs = new Kafka({ brokers: kafka.brokers.split(','), logLevel: logLevel.NOTHING, retry: { retries: 8, maxRetryTime: 2_000 } })
    const environment = this.#environmentOf(kafka)
    this.#environment = environment
    const logsDirectory = join(directory, 'logs')
    mkdirSync(logsDirectory)
    this.secondSourceLog = createWriteStream(join(logsDirectory, 'second-source.log'))
    const supervised = (verb: 'ingest' | 'api' | 'aggregate', index: number) =>
      new SupervisedProcess({ name: `${verb}-${index}`, verb, environment, logsDirectory })
    // The last one does not run all the time: it joins and leaves.
    this.ingests = Array.from({ length: INGESTS + 1 }, (_, index) => supervised('ingest', index))
    this.apis = Array.from({ length: APIS }, (_, index) => supervised('api', index))
    this.aggregates = store.urls.length > 1 ? [supervised('aggregate', 0)] : []
    const ownsBroker = (process.env['KAFKA_BROKERS'] ?? '') === ''
    this.killable = [
      ...(['kill_ingest', 'kill_api'] as const),
      ...(ownsBroker ? (['kill_broker'] as const) : []),
      ...(this.aggregates.length > 0 ? (['kill_aggregate'] as const) : []),
      ...store.killable,
    ]
  }

  static async start(options: SystemOptions): Promise<System> {
    const kafka = await kafkaForTests()
    if (kafka === undefined) throw new Error('Chaos needs a Kafka broker: set KAFKA_BROKERS, or install Docker, or Java 17 with Maven.')
    const store = await StoreServers.start({ ...options, dataDir: join(options.directory, 'clickhouse') })
    const system = new System(options, kafka, store)
    await system.#createSecondTopic()
    // The first process creates topic and tables.
    for (const process of system.lasting) {
      process.start()
      if (process === system.apis[0]) while (process.url === undefined) await afterMs(100)
    }
    return system
  }

  /** The processes that run all the time, those of the API first. */
  get lasting(): SupervisedProcess[] {
    return [...this.apis, ...this.ingests.slice(0, INGESTS), ...this.aggregates]
  }

  /** The additional ingest process, which joins and leaves. */
  get visitor(): SupervisedProcess {
    const visitor = this.ingests[INGESTS]
    if (visitor === undefined) throw new Error('There is no additional process.')
    return visitor
  }

  environmentOfSecondTopic(): Record<string, string> {
    return { ...this.#environment, KAFKA_TOPIC: this.secondTopic, KAFKA_GROUP: `${this.secondTopic}-group` }
  }

  /** It counts what comes over HTTP, into one server: with several, into the first shard. */
  environmentWithoutTopic(): Record<string, string> {
    const others = Object.entries(this.#environment).filter(([name]) => !/^(KAFKA|CLICKHOUSE)_/.test(name))
    return { ...Object.fromEntries(others), CLICKHOUSE_URL: this.store.first }
  }

  /** Kills the process when the run ends, however it does. */
  endsWithRun(child: ChildProcess): void {
    this.#others.push(child)
  }

  /** Kills everything immediately. */
  async end(): Promise<void> {
    for (const process of [...this.lasting, this.visitor]) process.end()
    for (const process of this.#others) process.kill('SIGKILL')
    await this.store.end()
    await this.kafka.stop()
  }

  /** Waits for the store, starts every process that should run, and stops the additional one. */
  async startAll(): Promise<void> {
    await this.store.untilStarted()
    for (const process of this.lasting) process.start()
    await this.visitor.leave()
  }

  async #createSecondTopic(): Promise<void> {
    const admin = this.kafkajs.admin()
    await admin.connect()
    await admin.createTopics({ topics: [{ topic: this.secondTopic, numPartitions: PARTITIONS }], waitForLeaders: true })
    await admin.disconnect()
  }

  #environmentOf({ brokers }: TestKafka): Record<string, string> {
    return {
      KAFKA_BROKERS: brokers,
      KAFKA_TOPIC: this.topic,
      KAFKA_GROUP: `${this.topic}-group`,
      KAFKA_PARTITIONS: String(PARTITIONS),
      ...this.store.environment,
      ADMIN_TOKEN: this.adminToken,
      MASTER_KEY: randomBytes(32).toString('base64'),
      PORT: '0',
      RATE_LIMIT_PER_MINUTE: '0',
      EVENT_REQUESTS_PER_MINUTE: '0',
      UV_THREADPOOL_SIZE: '16',
    }
  }
}
