import type { Logger } from '../../metering/logger.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { SEND_AGAIN } from '../http/submission-queue.ts'
import type { Verdict } from '../log/detect-duplicates.ts'
import { type EventLog, EventsUnavailable, type IngestStats, type Readiness, type Submission } from '../log/event-log.ts'
import { partitionOfEvent } from './event-record.ts'
import { type Incarnation, pinIncarnation, readIncarnation } from './incarnation.ts'
import { PartitionProducer } from './partition-producer.ts'
import type { Topic } from './topic.ts'

export interface ProducedLogOptions {
  readonly clickhouse: ClickHouse
  readonly topic: Topic
  readonly logger: Logger
  readonly limits?: Partial<ProducedLogLimits>
}

export interface ProducedLogLimits {
  /** Submissions that arrive during one produce request of a partition share the next, up to this many events or bytes. */
  readonly produceEventsMax: number
  readonly produceBytesMax: number
  /** If more events or bytes than this are not answered yet, a request is answered 503 immediately. */
  readonly queueEventsMax: number
  readonly queueBytesMax: number
  /** The pinned partition count is read again when it is older. With an outdated one events are misrouted, and forwarded when they are read. */
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

/**
 * Produces each event to its project's own partition. The partitions do not wait for each other: a submission is answered when those of
 * its own events have answered, and one that cannot be written to fails only the submissions that have events for it.
 */
export class ProducedLog implements EventLog {
  readonly acknowledges = 'durable'
  readonly #options: Required<ProducedLogOptions> & { readonly limits: ProducedLogLimits }
  #incarnation: Incarnation
  #incarnationReadMs = performance.now()
  readonly #producers = new Map<number, PartitionProducer>()
  #pendingEvents = 0
  #pendingBytes = 0
  #stopped = false

  constructor(options: Required<ProducedLogOptions> & { limits: ProducedLogLimits }, incarnation: Incarnation) {
    this.#options = options
    this.#incarnation = incarnation
  }

  async submit(submission: Submission): Promise<Verdict[]> {
    if (this.#stopped) throw new EventsUnavailable(`The service is stopping. ${SEND_AGAIN}`)
    const { queueEventsMax, queueBytesMax } = this.#options.limits
    const events = submission.validated.length
    if (this.#pendingEvents + events > queueEventsMax || this.#pendingBytes + submission.bytes > queueBytesMax)
      throw new EventsUnavailable(`Too many events are waiting to be stored. ${SEND_AGAIN}`)
    this.#pendingEvents += events
    this.#pendingBytes += submission.bytes
    try {
      return await this.#produce(submission)
    } finally {
      this.#pendingEvents -= events
      this.#pendingBytes -= submission.bytes
    }
  }

  /** Ready while at least one partition can be written to, because a load balancer would take away the events of all others too. */
  readiness(): Readiness {
    const troubles = [...this.#producers.values()].map(({ trouble }) => trouble)
    const [first] = troubles
    return first !== undefined && troubles.every((trouble) => trouble !== undefined) ? { ready: false, reason: first.message } : { ready: true }
  }

  stats(): IngestStats {
    const producers = [...this.#producers.values()]
    const queuedEvents = producers.reduce((sum, producer) => sum + producer.queuedEvents, 0)
    return { queuedEvents, logs: [], kafkaTrouble: producers.some(({ trouble }) => trouble !== undefined) }
  }

  /** Produces and acknowledges what waits, and ends. */
  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all([...this.#producers.values()].map((producer) => producer.idle()))
  }

  /** Rejects as soon as one partition has failed. What other partitions accepted is a duplicate when the submission is sent again. */
  async #produce(submission: Submission): Promise<Verdict[]> {
    this.#refreshIncarnation()
    const verdicts: Verdict[] = []
    const parts = splitByPartition(submission, this.#incarnation.partitions)
    await Promise.all(
      [...parts].map(async ([partition, { indexes, part }]) => {
        const answered = await this.#producerOf(partition).submit(part)
        for (const [at, verdict] of answered.entries()) verdicts[indexes[at] ?? 0] = verdict
      }),
    )
    return verdicts
  }

  #producerOf(partition: number): PartitionProducer {
    const known = this.#producers.get(partition)
    if (known !== undefined) return known
    const { topic, logger, limits } = this.#options
    const { queueEventsMax, queueBytesMax, produceEventsMax, produceBytesMax } = limits
    const queue = {
      queueEventsMax: Math.ceil(queueEventsMax * PARTITION_SHARE_MAX),
      queueBytesMax: queueBytesMax * PARTITION_SHARE_MAX,
      groupEventsMax: produceEventsMax,
      groupBytesMax: produceBytesMax,
    }
    const producer = new PartitionProducer({ partition, topic, logger, limits: queue })
    this.#producers.set(partition, producer)
    return producer
  }

  /** Does not wait for the store: what is durable in Kafka needs no ClickHouse. */
  #refreshIncarnation(): void {
    const { clickhouse, topic, limits, logger } = this.#options
    if (performance.now() - this.#incarnationReadMs < limits.incarnationMsMax) return
    this.#incarnationReadMs = performance.now()
    readIncarnation(clickhouse.control, topic.name)
      .then((incarnation) => {
        this.#incarnation = incarnation ?? this.#incarnation
      })
      .catch((error: unknown) => logger.warn({ err: error }, 'the pinned partition count could not be read; the last known one is used'))
  }
}

/** Of the queue: the events of one partition that hangs must leave room for those of the others. */
const PARTITION_SHARE_MAX = 0.5

/** The events of each partition, with their places in the submission. */
function splitByPartition(submission: Submission, partitions: number): Map<number, { indexes: number[]; part: Submission }> {
  const indexesOf = new Map<number, number[]>()
  for (const [index, validated] of submission.validated.entries()) {
    const partition = partitionOfEvent(validated, partitions)
    const indexes = indexesOf.get(partition)
    if (indexes === undefined) indexesOf.set(partition, [index])
    else indexes.push(index)
  }
  const split = new Map<number, { indexes: number[]; part: Submission }>()
  for (const [partition, indexes] of indexesOf) {
    const validated = indexes.flatMap((index) => submission.validated[index] ?? [])
    const bytes = Math.ceil((submission.bytes * indexes.length) / submission.validated.length)
    split.set(partition, { indexes, part: { ...submission, validated, bytes } })
  }
  return split
}
