import type { Logger } from '../../metering/logger.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { type EventLog, EventsUnavailable, type Submission } from '../event-log.ts'
import type { Verdict } from '../tell-duplicates.ts'
import { recordOfEvent } from './event-record.ts'
import { type Incarnation, pinIncarnation, readIncarnation } from './incarnation.ts'
import type { Topic } from './topic.ts'

export interface ProducedLog extends EventLog {
  /** Produces and acknowledges what is waiting, and ends. */
  stop(): Promise<void>
}

export interface ProducedLogOptions {
  readonly clickhouse: ClickHouse
  readonly topic: Topic
  readonly log: Logger
  readonly limits?: Partial<ProducedLogLimits>
}

export interface ProducedLogLimits {
  /** Requests that arrive during one produce request share the next, up to this many events or bytes. */
  readonly produceEventsMax: number
  readonly produceBytesMax: number
  /** Beyond this many events or bytes waiting, a request is answered 503 at once. */
  readonly queueEventsMax: number
  readonly queueBytesMax: number
  /** How old the pinned partition count may be. An older one costs a copy to the right partition, no more. */
  readonly incarnationMsMax: number
}

const LIMITS: ProducedLogLimits = {
  produceEventsMax: 10_000,
  produceBytesMax: 12 * 1024 * 1024,
  queueEventsMax: 200_000,
  queueBytesMax: 128 * 1024 * 1024,
  incarnationMsMax: 10_000,
}

/** Events that arrive over HTTP go to the topic, and are durable, not counted, when their request is answered. */
export async function openProducedLog({ clickhouse, topic, log, limits }: ProducedLogOptions): Promise<ProducedLog> {
  const produced = new Producing({ clickhouse, topic, log, limits: { ...LIMITS, ...limits }, incarnation: await pinIncarnation(clickhouse, topic) })
  return {
    acknowledges: 'durable',
    submit: (submission) => produced.submit(submission),
    readiness: () => (produced.trouble === undefined ? { ready: true } : { ready: false, reason: produced.trouble.message }),
    stats: () => ({ queuedEvents: produced.queuedEvents, logs: [], kafkaTrouble: produced.trouble !== undefined }),
    stop: () => produced.stop(),
  }
}

interface Waiting {
  readonly submission: Submission
  readonly resolve: (verdicts: Verdict[]) => void
  readonly reject: (error: Error) => void
}

/** One produce request in flight; the submissions that arrive meanwhile share the next. */
class Producing {
  queuedEvents = 0
  trouble: Error | undefined
  readonly #options: Required<ProducedLogOptions> & { readonly limits: ProducedLogLimits }
  #incarnation: Incarnation
  #readMs = Date.now()
  #queue: Waiting[] = []
  #queuedBytes = 0
  #running: Promise<void> | undefined
  #stopped = false

  constructor({ incarnation, ...options }: Required<ProducedLogOptions> & { limits: ProducedLogLimits; incarnation: Incarnation }) {
    this.#options = options
    this.#incarnation = incarnation
  }

  submit(submission: Submission): Promise<Verdict[]> {
    const { queueEventsMax, queueBytesMax } = this.#options.limits
    if (this.#stopped) return Promise.reject(new EventsUnavailable(`The service is stopping. ${SEND_AGAIN}`))
    if (this.queuedEvents + submission.judged.length > queueEventsMax || this.#queuedBytes + submission.bytes > queueBytesMax)
      return Promise.reject(new EventsUnavailable(`Too many events are waiting to be stored. ${SEND_AGAIN}`))
    return new Promise((resolve, reject) => {
      this.#queue.push({ submission, resolve, reject })
      this.queuedEvents += submission.judged.length
      this.#queuedBytes += submission.bytes
      this.#running ??= this.#run()
    })
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#running
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      await this.#refreshIncarnation()
      await this.#produce(this.#takeGroup())
    }
    // At once: who was just answered may submit again before a promise could say that this has ended.
    this.#running = undefined
  }

  /** Acknowledged are all or none: what was produced all the same is a duplicate of what is sent again. */
  async #produce(group: readonly Waiting[]): Promise<void> {
    const { partitions } = this.#incarnation
    try {
      await this.#options.topic.produce(group.flatMap(({ submission }) => submission.judged.map((each) => recordOfEvent(each, submission, partitions))))
      this.trouble = undefined
      for (const { submission, resolve } of group) resolve(submission.judged.map(verdictOf))
    } catch (error) {
      this.trouble = error instanceof Error ? error : new Error(String(error))
      this.#options.log.error({ err: error }, 'events could not be produced to Kafka')
      for (const { reject } of group) reject(new EventsUnavailable(`The events could not be stored. ${SEND_AGAIN}`, error))
    }
  }

  #takeGroup(): Waiting[] {
    const { produceEventsMax, produceBytesMax } = this.#options.limits
    let events = 0
    let bytes = 0
    const tooMany = this.#queue.findIndex(({ submission }, index) => {
      events += submission.judged.length
      bytes += submission.bytes
      return index > 0 && (events > produceEventsMax || bytes > produceBytesMax)
    })
    const group = this.#queue.splice(0, tooMany === -1 ? this.#queue.length : tooMany)
    for (const { submission } of group) {
      this.queuedEvents -= submission.judged.length
      this.#queuedBytes -= submission.bytes
    }
    return group
  }

  async #refreshIncarnation(): Promise<void> {
    const { clickhouse, topic, limits, log } = this.#options
    if (Date.now() - this.#readMs < limits.incarnationMsMax) return
    try {
      this.#incarnation = (await readIncarnation(clickhouse.control, topic.name)) ?? this.#incarnation
      this.#readMs = Date.now()
    } catch (error) {
      log.warn({ err: error }, 'the pinned partition count could not be read; going on with the one before')
    }
  }
}

const SEND_AGAIN = 'Send all of them again later; nothing counts twice.'
const PRODUCED: Verdict = { status: 'produced' }

function verdictOf(judged: Submission['judged'][number]): Verdict {
  return judged.status === 'refused' ? { status: 'refused', refusal: judged.refusal } : PRODUCED
}
