import type { Verdict } from '../log/detect-duplicates.ts'
import { EventsUnavailable, type Submission } from '../log/event-log.ts'

export interface SubmissionQueueLimits {
  /** Beyond this many events or bytes waiting, a submission is refused at once. */
  readonly queueEventsMax: number
  readonly queueBytesMax: number
  /** Submissions that wait share a group of up to this many events or bytes. A larger one is a group by itself. */
  readonly groupEventsMax: number
  readonly groupBytesMax: number
}

/** A submission and whoever waits for its verdicts. Each is resolved or rejected once. */
export interface WaitingSubmission {
  readonly submission: Submission
  readonly resolve: (verdicts: Verdict[]) => void
  readonly reject: (error: Error) => void
}

/** Submissions that wait for one write in flight, in the order they came. Whoever takes a group answers all of it. */
export class SubmissionQueue {
  readonly #limits: SubmissionQueueLimits
  #waiting: WaitingSubmission[] = []
  #events = 0
  #bytes = 0

  constructor(limits: SubmissionQueueLimits) {
    this.#limits = limits
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  /** How many events wait. */
  get events(): number {
    return this.#events
  }

  /** Resolves with the verdicts of whoever takes it. Rejects with EventsUnavailable, at once when too much is waiting. */
  add(submission: Submission): Promise<Verdict[]> {
    const { queueEventsMax, queueBytesMax } = this.#limits
    if (this.#events + submission.judged.length > queueEventsMax || this.#bytes + submission.bytes > queueBytesMax)
      return Promise.reject(new EventsUnavailable(`Too many events are waiting to be stored. ${SEND_AGAIN}`))
    return new Promise((resolve, reject) => {
      this.#waiting.push({ submission, resolve, reject })
      this.#events += submission.judged.length
      this.#bytes += submission.bytes
    })
  }

  /** The oldest that fit into one group; one at least, where any waits. */
  takeGroup(): WaitingSubmission[] {
    const { groupEventsMax, groupBytesMax } = this.#limits
    let events = 0
    let bytes = 0
    const tooMany = this.#waiting.findIndex(({ submission }, index) => {
      events += submission.judged.length
      bytes += submission.bytes
      return index > 0 && (events > groupEventsMax || bytes > groupBytesMax)
    })
    const group = this.#waiting.splice(0, tooMany === -1 ? this.#waiting.length : tooMany)
    for (const { submission } of group) {
      this.#events -= submission.judged.length
      this.#bytes -= submission.bytes
    }
    return group
  }

  rejectAll(cause: unknown): void {
    this.#events = 0
    this.#bytes = 0
    rejectGroup(this.#waiting.splice(0), cause)
  }
}

/** Nothing of these was acknowledged. */
export function rejectGroup(group: readonly WaitingSubmission[], cause: unknown): void {
  for (const { reject } of group) reject(new EventsUnavailable(`The events could not be stored. ${SEND_AGAIN}`, cause))
}

export const SEND_AGAIN = 'Send all of them again later; nothing counts twice.'
