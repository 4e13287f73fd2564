import type { ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createWriteStream, mkdirSync, type WriteStream } from 'node:fs'
import { join } from 'node:path'
import { Kafka, logLevel } from 'kafkajs'
import { type ClickHouseServer, startClickHouseServer } from '../support/engines/clickhouse-server.ts'
import { kafkaForTests, type TestKafka } from '../support/engines/kafka-broker.ts'
import { afterMs } from './clock.ts'
import type { KillKind } from './plan.ts'
import { SupervisedProcess } from './supervised-process.ts'

export const INGESTS = 3
const APIS = 2
export const PARTITIONS = 6

export interface SystemOptions {
  readonly directory: string
  readonly seed: number
  /** CLICKHOUSE_URL; if undefined, a ClickHouse server is started, which may be killed. */
  readonly givenClickHouse: string | undefined
}

/** Broker, store, three ingest and two api processes; each is restarted when it ends. */
export class System {
  readonly ingests: readonly SupervisedProcess[]
  readonly apis: readonly SupervisedProcess[]
  readonly clickhouseUrl: string
  readonly adminToken: string
  readonly topic: string
  /** Has no ingest process; what it contains must not be counted. */
  readonly secondTopic: string
  readonly secondSourceLog: WriteStream
  readonly kafka: TestKafka
  readonly kafkajs: Kafka
  readonly killable: readonly KillKind[]
  readonly #dataDir: string
  readonly #environment: Readonly<Record<string, string>>
  #ownClickHouse: ClickHouseServer | undefined
  #clickHouseStarting: Promise<void> = Promise.resolve()
  #ended = false
  readonly #others: ChildProcess[] = []

  private constructor(options: SystemOptions, kafka: TestKafka, ownClickHouse: ClickHouseServer | undefined) {
    const { directory, seed, givenClickHouse } = options
    this.kafka = kafka
    this.#ownClickHouse = ownClickHouse
    this.#dataDir = join(directory, 'clickhouse')
    const url = new URL(ownClickHouse?.url ?? givenClickHouse ?? '')
    url.pathname = `/meterline_chaos_${randomBytes(4).toString('hex')}`
    this.clickhouseUrl = url.toString()
    this.topic = `chaos-${seed}-${randomBytes(4).toString('hex')}`
    this.secondTopic = `${this.topic}-second`
    this.adminToken = randomBytes(24).toString('hex')
    this.kafkajs = new Kafka({ brokers: kafka.brokers.split(','), logLevel: logLevel.NOTHING, retry: { retries: 8, maxRetryTime: 2_000 } })
    const environment = this.#environmentOf(kafka)
    this.#environment = environment
    const logsDirectory = join(directory, 'logs')
    mkdirSync(logsDirectory)
    this.secondSourceLog = createWriteStream(join(logsDirectory, 'second-source.log'))
    const supervised = (verb: 'ingest' | 'api', index: number) => new SupervisedProcess({ name: `${verb}-${index}`, verb, environment, logsDirectory })
    // The last one does not run all the time: it joins and leaves.
    this.ingests = Array.from({ length: INGESTS + 1 }, (_, index) => supervised('ingest', index))
    this.apis = Array.from({ length: APIS }, (_, index) => supervised('api', index))
    const ownsBroker = (process.env['KAFKA_BROKERS'] ?? '') === ''
    this.killable = [
      'kill_ingest',
      'kill_api',
      ...(ownsBroker ? (['kill_broker'] as const) : []),
      ...(ownClickHouse === undefined ? [] : (['kill_clickhouse'] as const)),
    ]
  }

  static async start(options: SystemOptions): Promise<System> {
    const kafka = await kafkaForTests()
    if (kafka === undefined) throw new Error('Chaos needs a Kafka broker: set KAFKA_BROKERS, or install Docker, or Java 17 with Maven.')
    const dataDir = join(options.directory, 'clickhouse')
    const ownClickHouse = options.givenClickHouse === undefined ? await startClickHouseServer({ dataDir }) : undefined
    const system = new System(options, kafka, ownClickHouse)
    await system.#createSecondTopic()
    // The first process creates topic and tables.
    for (const process of [...system.apis, ...system.ingests.slice(0, INGESTS)]) {
      process.start()
      if (process === system.apis[0]) while (process.url === undefined) await afterMs(100)
    }
    return system
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

  environmentWithoutTopic(): Record<string, string> {
    return Object.fromEntries(Object.entries(this.#environment).filter(([name]) => !name.startsWith('KAFKA_')))
  }

  /** Kills the process when the run ends, however it does. */
  endsWithRun(child: ChildProcess): void {
    this.#others.push(child)
  }

  /** Kills the store with SIGKILL; it is restarted at the same address with the same data. */
  async killClickHouse(downMs: number): Promise<void> {
    await this.#clickHouseStarting
    const killed = this.#ownClickHouse
    if (killed === undefined) return
    await killed.kill()
    this.#clickHouseStarting = afterMs(downMs).then(async () => {
      if (this.#ended) return
      this.#ownClickHouse = await startClickHouseServer({ dataDir: this.#dataDir, port: Number(new URL(killed.url).port) })
    })
  }

  /** Kills everything immediately. */
  async end(): Promise<void> {
    this.#ended = true
    for (const process of [...this.ingests, ...this.apis]) process.end()
    for (const process of this.#others) process.kill('SIGKILL')
    await this.#clickHouseStarting.catch(() => {})
    await this.#ownClickHouse?.kill()
    await this.kafka.stop()
  }

  /** Waits for the store, starts every process that should run, and stops the additional one. */
  async startAll(): Promise<void> {
    await this.#clickHouseStarting
    for (const process of [...this.ingests.slice(0, INGESTS), ...this.apis]) process.start()
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
      CLICKHOUSE_URL: this.clickhouseUrl,
      ADMIN_TOKEN: this.adminToken,
      MASTER_KEY: randomBytes(32).toString('base64'),
      PORT: '0',
      RATE_LIMIT_PER_MINUTE: '0',
      EVENT_REQUESTS_PER_MINUTE: '0',
      UV_THREADPOOL_SIZE: '16',
    }
  }
}
