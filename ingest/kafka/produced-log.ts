import type { Logger } from '../../metering/logger.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { rejectGroup, SEND_AGAIN, SubmissionQueue, type WaitingSubmission } from '../http/submission-queue.ts'
import type { Verdict } from '../log/detect-duplicates.ts'
import { type EventLog, EventsUnavailable, type IngestStats, type Readiness, type Submission } from '../log/event-log.ts'
import { recordOfEvent } from './event-record.ts'
import { type Incarnation, pinIncarnation, readIncarnation } from './incarnation.ts'
import type { Topic } from './topic.ts'

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
  /** If more events or bytes than this wait, a request is answered 503 immediately. */
  readonly queueEventsMax: number
  readonly queueBytesMax: number
  /** How old the pinned partition count may be. With an outdated count events are misrouted, and forwarded when they are read. */
  readonly incarnationMsMax: number
}

const LIMITS: ProducedLogLimits = {
  produceEventsMax: 10_000,
  produceBytesMax: 12 * 1024 * 1024,
  queueEventsMax: 200_000,
  queueBytesMax: 128 * 1024 * 1024,
  incarnationMsMax: 10_000,
}

/**
 * Opens the log that produces events from HTTP to the topic. An answered event is durable, but not counted yet. Throws
 * StoreError, KafkaUnavailable.
 */
export async function openProducedLog({ clickhouse, topic, logger, limits }: ProducedLogOptions): Promise<ProducedLog> {
  return new ProducedLog({ clickhouse, topic, logger, limits: { ...LIMITS, ...limits } }, await pinIncarnation(clickhouse, topic))
}

/** Group commit: one produce request is in flight, and the submissions that arrive meanwhile share the next one. */
export class ProducedLog implements EventLog {
  readonly acknowledges = 'durable'
  #trouble: Error | undefined
  readonly #options: Required<ProducedLogOptions> & { readonly limits: ProducedLogLimits }
  #incarnation: Incarnation
  #incarnationReadMs = performance.now()
  readonly #queue: SubmissionQueue
  #running: Promise<void> | undefined
  #stopped = false

  constructor(options: Required<ProducedLogOptions> & { limits: ProducedLogLimits }, incarnation: Incarnation) {
    const { queueEventsMax, queueBytesMax, produceEventsMax, produceBytesMax } = options.limits
    this.#options = options
    this.#queue = new SubmissionQueue({ queueEventsMax, queueBytesMax, groupEventsMax: produceEventsMax, groupBytesMax: produceBytesMax })
    this.#incarnation = incarnation
  }

  submit(submission: Submission): Promise<Verdict[]> {
    if (this.#stopped) return Promise.reject(new EventsUnavailable(`The service is stopping. ${SEND_AGAIN}`))
    const verdicts = this.#queue.add(submission)
    // A submission that was too large for the queue leaves nothing to produce, and a run without work would not be noticed to have ended.
    if (!this.#queue.isEmpty) this.#running ??= this.#run()
    return verdicts
  }

  readiness(): Readiness {
    return this.#trouble === undefined ? { ready: true } : { ready: false, reason: this.#trouble.message }
  }

  stats(): IngestStats {
    return { queuedEvents: this.#queue.events, logs: [], kafkaTrouble: this.#trouble !== undefined }
  }

  /** Produces and acknowledges what waits, and ends. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#running
  }

  async #run(): Promise<void> {
    while (!this.#queue.isEmpty) {
      await this.#refreshIncarnation()
      await this.#produce(this.#queue.takeGroup())
    }
    // Set here and not in a later callback: a sender that was just answered may submit again before that callback runs.
    this.#running = undefined
  }

  /** Acknowledges all of a group or nothing. If some of it was produced nevertheless, it is a duplicate of what is sent again. */
  async #produce(group: readonly WaitingSubmission[]): Promise<void> {
    const { partitions } = this.#incarnation
    try {
      await this.#options.topic.produce(group.flatMap(({ submission }) => submission.validated.map((each) => recordOfEvent(each, submission, partitions))))
      this.#trouble = undefined
      for (const { submission, resolve } of group) resolve(submission.validated.map(verdictOf))
    } catch (error) {
      this.#trouble = error instanceof Error ? error : new Error(String(error))
      this.#options.logger.error({ err: error }, 'events could not be produced to Kafka')
      rejectGroup(group, error)
    }
  }

  async #refreshIncarnation(): Promise<void> {
    const { clickhouse, topic, limits, logger } = this.#options
    if (performance.now() - this.#incarnationReadMs < limits.incarnationMsMax) return
    try {
      this.#incarnation = (await readIncarnation(clickhouse.control, topic.name)) ?? this.#incarnation
      this.#incarnationReadMs = performance.now()
    } catch (error) {
      logger.warn({ err: error }, 'the pinned partition count could not be read; the last known one is used')
    }
  }
}

const PRODUCED: Verdict = { status: 'produced' }

function verdictOf(validated: Submission['validated'][number]): Verdict {
  return validated.status === 'rejected' ? { status: 'rejected', rejection: validated.rejection } : PRODUCED
}
