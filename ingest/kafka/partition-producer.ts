import type { Logger } from '../../metering/logger.ts'
import type { ValidatedEvent } from '../event/pipeline.ts'
import { rejectGroup, resolveGroup, SubmissionQueue, type SubmissionQueueLimits } from '../http/submission-queue.ts'
import type { Verdict } from '../log/detect-duplicates.ts'
import type { Submission } from '../log/event-log.ts'
import { recordOfEvent } from './event-record.ts'
import type { LogTopic, NewRecord } from './topic.ts'

export interface PartitionProducerOptions {
  readonly partition: number
  readonly topic: LogTopic
  readonly limits: SubmissionQueueLimits
  readonly logger: Logger
}

/** Group commit for one partition: one produce request is in flight, and the submissions that arrive meanwhile share the next one. */
export class PartitionProducer {
  readonly #options: PartitionProducerOptions
  readonly #queue: SubmissionQueue
  #running: Promise<void> | undefined
  #trouble: { error: Error; sinceMs: number } | undefined

  constructor(options: PartitionProducerOptions) {
    this.#options = options
    this.#queue = new SubmissionQueue(options.limits)
  }

  /** How many events wait. */
  get queuedEvents(): number {
    return this.#queue.events
  }

  /** The last error, until a request succeeds or none has failed for a while. */
  get trouble(): Error | undefined {
    return this.#trouble !== undefined && performance.now() - this.#trouble.sinceMs < TROUBLE_MS ? this.#trouble.error : undefined
  }

  /** Produces events of this partition. Rejects with EventsUnavailable. */
  submit(submission: Submission): Promise<Verdict[]> {
    const verdicts = this.#queue.add(submission)
    // A submission that was too large for the queue leaves nothing to produce, and a run without work would not be noticed to have ended.
    if (!this.#queue.isEmpty) this.#running ??= this.#run()
    return verdicts
  }

  /** Resolves when nothing waits any more. */
  async idle(): Promise<void> {
    await this.#running
  }

  async #run(): Promise<void> {
    while (!this.#queue.isEmpty) await this.#produceGroup()
    // Set here and not in a later callback: a sender that was just answered may submit again before that callback runs.
    this.#running = undefined
  }

  /** Acknowledges all of a group or nothing. If some of it was produced nevertheless, it is a duplicate of what is sent again. */
  async #produceGroup(): Promise<void> {
    // Without this pause the first submission of several that arrive together would be a group of its own.
    await Promise.resolve()
    const group = this.#queue.takeGroup()
    const { partition, logger } = this.#options
    try {
      const events = group.flatMap(({ submission }) =>
        submission.validated.map((validated) => ({ validated, record: recordOfEvent(validated, submission, partition) })),
      )
      const verdicts = await this.#produce(events)
      this.#trouble = undefined
      resolveGroup(group, verdicts)
    } catch (error) {
      this.#trouble = { error: error instanceof Error ? error : new Error(String(error)), sinceMs: performance.now() }
      logger.error({ err: error, partition }, 'events could not be produced to Kafka')
      rejectGroup(group, error)
      // Otherwise those that wait would fail later, one group after another.
      this.#queue.rejectAll(error)
    }
  }

  async #produce(events: readonly PendingEvent[]): Promise<Verdict[]> {
    const outcomes = await this.#options.topic.produce(events.map(({ record }) => record))
    return events.map((event, index) => {
      const outcome = outcomes[index]
      return outcome?.status === 'appended' ? verdictOf(event.validated) : this.#refuse(event, outcome?.error)
    })
  }

  /** The event is answered as rejected but not kept, because the topic, which keeps rejected events, does not accept it. */
  #refuse({ validated, record }: PendingEvent, error: unknown): Verdict {
    this.#options.logger.error({ err: error, partition: record.partition, projectId: record.key }, 'the broker rejected the record of an event; it is not kept')
    if (validated.status === 'rejected') return verdictOf(validated)
    return { status: 'rejected', rejection: { reason: 'refused_by_store', message: REFUSED } }
  }
}

interface PendingEvent {
  readonly validated: ValidatedEvent
  readonly record: NewRecord
}

const TROUBLE_MS = 30_000
const PRODUCED: Verdict = { status: 'produced' }
const REFUSED = 'Kafka rejected the record of this event. The event is not kept: contact the operator, and send it again once the topic accepts it.'

function verdictOf(validated: ValidatedEvent): Verdict {
  return validated.status === 'rejected' ? { status: 'rejected', rejection: validated.rejection } : PRODUCED
}
