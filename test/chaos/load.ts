import { Random } from '../support/random.ts'
import { Acknowledged } from './acknowledged.ts'
import { afterMs } from './clock.ts'
import { emitBatches } from './emit-batches.ts'
import { emitHostileRecords, emitHostileRequests } from './emit-hostile.ts'
import { emitFlood, emitOverHttp } from './emit-http.ts'
import { emitWithKafkajs, preloadWithKafkajs, produceToTopics } from './emit-kafkajs.ts'
import { emitWithKcat, hasKcat } from './emit-kcat.ts'
import { emitInTransaction } from './emit-transaction.ts'
import { RecordGenerator, SentEvents } from './generate-records.ts'
import { PARTITIONS, type System } from './system.ts'

export const PROJECTS = Array.from({ length: 24 }, (_, index) => `prj_${String(index).padStart(2, '0')}`)
/** Older than the data of the emitters; together fewer months than one batch may touch (TOUCHED_PER_BATCH_MAX). */
const OLD = { year: 2024, months: 18 }

export interface LoadOptions {
  readonly system: System
  readonly seed: number
  readonly ingestKey: string
  /** How many events wait to be counted. */
  lagEvents(): number
}

/** Everything that sends events, with a record of what was acknowledged. */
export class Load {
  readonly acknowledged = new Acknowledged()
  readonly #options: LoadOptions
  readonly #sentEvents = new SentEvents()
  #emitters = 0
  #ending = false
  /** What the plan has started beside the emitters and has not ended yet. */
  readonly #started = new Set<Promise<void>>()

  constructor(options: LoadOptions) {
    this.#options = options
  }

  /** Events of the past, before anything is killed. */
  async preload(events: number): Promise<void> {
    const { generator, ...options } = this.#emitter('o')
    const old = new RecordGenerator({ ...generator.options, period: OLD })
    await preloadWithKafkajs({ ...options, generator: old, kafka: this.#options.system.kafkajs, events })
  }

  /** Emits until `end` is called; rejects if an emitter fails. Returns a description of each hostile request that is not answered as it must be. */
  async emit(): Promise<string[]> {
    const { system } = this.#options
    const kafkajs = { kafka: system.kafkajs, partitions: PARTITIONS }
    const [differences] = await Promise.all([
      emitHostileRequests({ ...this.#emitter('q'), ...this.#http() }),
      emitHostileRecords({ ...this.#emitter('p'), kafka: system.kafkajs }),
      emitWithKafkajs({ ...this.#emitter('k'), ...kafkajs, misroutedPercent: 5 }),
      hasKcat()
        ? emitWithKcat({ ...this.#emitter('c'), brokers: system.kafka.brokers })
        : emitWithKafkajs({ ...this.#emitter('f'), ...kafkajs, misroutedPercent: 100 }),
      emitOverHttp({ ...this.#emitter('h'), ...this.#http() }),
      emitOverHttp({ ...this.#emitter('i'), ...this.#http() }),
      emitBatches({ ...this.#emitter('a'), ...this.#http(), adminToken: system.adminToken }),
      emitBatches({ ...this.#emitter('b'), ...this.#http(), adminToken: system.adminToken }),
    ])
    return differences
  }

  /** Leaves a transaction open until the broker ends it, after `lastsMs`. */
  hangTransaction(lastsMs: number): void {
    this.#start(emitInTransaction({ ...this.#emitter('x'), kafka: this.#options.system.kafkajs, lastsMs, outcome: 'hang' }))
  }

  /** Commits or aborts a transaction after `lastsMs`. */
  endTransaction(lastsMs: number, outcome: 'commit' | 'abort'): void {
    this.#start(emitInTransaction({ ...this.#emitter('y'), kafka: this.#options.system.kafkajs, lastsMs, outcome }))
  }

  flood(lastsMs: number): void {
    const untilMs = performance.now() + lastsMs
    this.#start(emitFlood({ ...this.#emitter('z'), ...this.#http(), ending: () => performance.now() > untilMs }))
  }

  /** The same new events to the topic that is read and to another one, from which a second source would read them. */
  async sendToBothTopics(): Promise<void> {
    const { kafkajs, topic, secondTopic } = this.#options.system
    const records = this.#emitter('s').generator.records(BOTH_RECORDS)
    await produceToTopics({ kafka: kafkajs, acknowledged: this.acknowledged, topics: [secondTopic, topic], records })
    this.acknowledged.add('kafkajs', records)
  }

  /** Waits for what was started, except the emitters, which end soon after. */
  async end(): Promise<void> {
    await Promise.all(this.#started)
    await afterMs(LAST_EVENTS_MS)
    this.#ending = true
  }

  #start(work: Promise<void>): void {
    this.#started.add(work)
    work.catch(() => {}) // `end` rejects with it
  }

  #emitter(name: string) {
    const { seed, system } = this.#options
    this.#emitters += 1
    const random = new Random(seed * 31 + this.#emitters)
    const generator = new RecordGenerator({ name: `${name}${this.#emitters}`, random, projects: PROJECTS, sentEvents: this.#sentEvents })
    return { generator, random, acknowledged: this.acknowledged, topic: system.topic, ending: () => this.#ending, nextDue: () => this.#nextDue() }
  }

  /** With a lag of many events nothing more is sent: kills would only find the same work again, and the end would have to wait for all of it. */
  async #nextDue(): Promise<void> {
    await afterMs(EVERY_MS)
    while (!this.#ending && this.#options.lagEvents() > LAG_EVENTS_MAX) await afterMs(EVERY_MS)
  }

  #http() {
    const { system, ingestKey } = this.#options
    return { ingestKey, urls: () => system.apis.flatMap(({ url }) => url ?? []) }
  }
}

const EVERY_MS = 150
const LAG_EVENTS_MAX = 20_000
const LAST_EVENTS_MS = 2_000
const BOTH_RECORDS = 60
