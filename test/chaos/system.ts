import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Kafka, logLevel } from 'kafkajs'
import { type ClickHouseServer, startClickHouseServer } from '../support/engines/clickhouse-server.ts'
import { kafkaForTests, type TestKafka } from '../support/engines/kafka-broker.ts'
import { afterMs } from './clock.ts'
import type { KillKind } from './plan.ts'
import { SupervisedProcess } from './supervised-process.ts'

export const INGESTS = 3
export const APIS = 2
export const PARTITIONS = 6

export interface SystemOptions {
  readonly directory: string
  readonly seed: number
  /** CLICKHOUSE_URL; undefined: a stand-in, which may be killed. */
  readonly givenClickHouse: string | undefined
}

/** Broker, store, three ingest processes, two api processes; each is started again when it ends. */
export class System {
  readonly ingests: readonly SupervisedProcess[]
  readonly apis: readonly SupervisedProcess[]
  readonly clickhouseUrl: string
  readonly adminToken: string
  readonly topic: string
  readonly kafka: TestKafka
  readonly kafkajs: Kafka
  readonly killable: readonly KillKind[]
  readonly #dataDir: string
  #standIn: ClickHouseServer | undefined
  #standInStarting: Promise<void> = Promise.resolve()
  #ended = false

  private constructor(options: SystemOptions, kafka: TestKafka, standIn: ClickHouseServer | undefined) {
    const { directory, seed, givenClickHouse } = options
    this.kafka = kafka
    this.#standIn = standIn
    this.#dataDir = join(directory, 'clickhouse')
    const url = new URL(standIn?.url ?? givenClickHouse ?? '')
    url.pathname = `/meterline_chaos_${randomBytes(4).toString('hex')}`
    this.clickhouseUrl = url.toString()
    this.topic = `chaos-${seed}-${randomBytes(4).toString('hex')}`
    this.adminToken = randomBytes(24).toString('hex')
    this.kafkajs = new Kafka({ brokers: kafka.brokers.split(','), logLevel: logLevel.NOTHING, retry: { retries: 8, maxRetryTime: 2_000 } })
    const environment = this.#environment()
    const logsDirectory = join(directory, 'logs')
    mkdirSync(logsDirectory)
    const supervised = (verb: 'ingest' | 'api', index: number) => new SupervisedProcess({ name: `${verb}-${index}`, verb, environment, logsDirectory })
    // One more than run all the time: it joins and leaves.
    this.ingests = Array.from({ length: INGESTS + 1 }, (_, index) => supervised('ingest', index))
    this.apis = Array.from({ length: APIS }, (_, index) => supervised('api', index))
    const ours = (process.env['KAFKA_BROKERS'] ?? '') === ''
    this.killable = ['kill_ingest', 'kill_api', ...(ours ? (['kill_broker'] as const) : []), ...(standIn === undefined ? [] : (['kill_clickhouse'] as const))]
  }

  static async start(options: SystemOptions): Promise<System> {
    const kafka = await kafkaForTests()
    if (kafka === undefined) throw new Error('Without a broker there is no chaos.')
    const dataDir = join(options.directory, 'clickhouse')
    const standIn = options.givenClickHouse === undefined ? await startClickHouseServer({ dataDir }) : undefined
    const system = new System(options, kafka, standIn)
    // The first creates topic and tables.
    for (const each of [...system.apis, ...system.ingests.slice(0, INGESTS)]) {
      each.start()
      if (each === system.apis[0]) while (each.url === undefined) await afterMs(100)
    }
    return system
  }

  /** SIGKILL; it comes back at the same address with what it had stored. */
  async killClickHouse(downMs: number): Promise<void> {
    await this.#standInStarting
    const killed = this.#standIn
    if (killed === undefined) return
    await killed.kill()
    this.#standInStarting = afterMs(downMs).then(async () => {
      if (this.#ended) return
      this.#standIn = await startClickHouseServer({ dataDir: this.#dataDir, port: Number(new URL(killed.url).port) })
    })
  }

  /** Everything at once, whatever it does. */
  async end(): Promise<void> {
    this.#ended = true
    for (const each of [...this.ingests, ...this.apis]) each.end()
    await this.#standInStarting.catch(() => {})
    await this.#standIn?.kill()
    await this.kafka.stop()
  }

  /** All that should run does, and the store is there. */
  async allLive(): Promise<void> {
    await this.#standInStarting
    for (const each of [...this.ingests.slice(0, INGESTS), ...this.apis]) each.start()
    await this.ingests[INGESTS]?.leave()
  }

  #environment(): Record<string, string> {
    return {
      KAFKA_BROKERS: this.kafka.brokers,
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
