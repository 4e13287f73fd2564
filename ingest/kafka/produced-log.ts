import type { Logger } from '../../metering/logger.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { rejectGroup, SEND_AGAIN, SubmissionQueue, type WaitingSubmission } from '../http/submission-queue.ts'
import type { Verdict } from '../log/detect-duplicates.ts'
import { type EventLog, EventsUnavailable, type Submission } from '../log/event-log.ts'
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
  readonly logger: Logger
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
export async function openProducedLog({ clickhouse, topic, logger, limits }: ProducedLogOptions): Promise<ProducedLog> {
  const produced = new Producing({ clickhouse, topic, logger, limits: { ...LIMITS, ...limits }, incarnation: await pinIncarnation(clickhouse, topic) })
  return {
    acknowledges: 'durable',
    submit: (submission) => produced.submit(submission),
    readiness: () => (produced.trouble === undefined ? { ready: true } : { ready: false, reason: produced.trouble.message }),
    stats: () => ({ queuedEvents: produced.queuedEvents, logs: [], kafkaTrouble: produced.trouble !== undefined }),
    stop: () => produced.stop(),
  }
}

/** One produce request in flight; the submissions that arrive meanwhile share the next. */
class Producing {
  trouble: Error | undefined
  readonly #options: Required<ProducedLogOptions> & { readonly limits: ProducedLogLimits }
  #incarnation: Incarnation
  #readMs = Date.now()
  readonly #queue: SubmissionQueue
  #running: Promise<void> | undefined
  #stopped = false

  constructor({ incarnation, ...options }: Required<ProducedLogOptions> & { limits: ProducedLogLimits; incarnation: Incarnation }) {
    const { queueEventsMax, queueBytesMax, produceEventsMax, produceBytesMax } = options.limits
    this.#options = options
    this.#queue = new SubmissionQueue({ queueEventsMax, queueBytesMax, groupEventsMax: produceEventsMax, groupBytesMax: produceBytesMax })
    this.#incarnation = incarnation
  }

  get queuedEvents(): number {
    return this.#queue.events
  }

  submit(submission: Submission): Promise<Verdict[]> {
    if (this.#stopped) return Promise.reject(new EventsUnavailable(`The service is stopping. ${SEND_AGAIN}`))
    const verdicts = this.#queue.add(submission)
    // What was refused for its size leaves nothing to run for, and a run without work would never be seen to end.
    if (!this.#queue.isEmpty) this.#running ??= this.#run()
    return verdicts
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#running
  }

  async #run(): Promise<void> {
    while (!this.#queue.isEmpty) {
      await this.#refreshIncarnation()
      await this.#produce(this.#queue.takeGroup())
    }
    // At once: who was just answered may submit again before a promise could say that this has ended.
    this.#running = undefined
  }

  /** Acknowledged are all or none: what was produced all the same is a duplicate of what is sent again. */
  async #produce(group: readonly WaitingSubmission[]): Promise<void> {
    const { partitions } = this.#incarnation
    try {
      await this.#options.topic.produce(group.flatMap(({ submission }) => submission.judged.map((each) => recordOfEvent(each, submission, partitions))))
      this.trouble = undefined
      for (const { submission, resolve } of group) resolve(submission.judged.map(verdictOf))
    } catch (error) {
      this.trouble = error instanceof Error ? error : new Error(String(error))
      this.#options.logger.error({ err: error }, 'events could not be produced to Kafka')
      rejectGroup(group, error)
    }
  }

  async #refreshIncarnation(): Promise<void> {
    const { clickhouse, topic, limits, logger } = this.#options
    if (Date.now() - this.#readMs < limits.incarnationMsMax) return
    try {
      this.#incarnation = (await readIncarnation(clickhouse.control, topic.name)) ?? this.#incarnation
      this.#readMs = Date.now()
    } catch (error) {
      logger.warn({ err: error }, 'the pinned partition count could not be read; going on with the one before')
    }
  }
}

const PRODUCED: Verdict = { status: 'produced' }

function verdictOf(judged: Submission['judged'][number]): Verdict {
  return judged.status === 'rejected' ? { status: 'rejected', rejection: judged.rejection } : PRODUCED
}
