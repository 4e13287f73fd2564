import type { Verdict } from '../log/detect-duplicates.ts'
import { EventsUnavailable, type Submission } from '../log/event-log.ts'

export interface SubmissionQueueLimits {
  /** If more events or bytes than this would wait, a submission is rejected immediately. */
  readonly queueEventsMax: number
  readonly queueBytesMax: number
  /** Waiting submissions share a group of up to this many events or bytes. A larger submission is a group of its own. */
  readonly groupEventsMax: number
  readonly groupBytesMax: number
}

/** A submission and the promise of its verdicts, which is resolved or rejected once. */
export interface WaitingSubmission {
  readonly submission: Submission
  readonly resolve: (verdicts: Verdict[]) => void
  readonly reject: (error: Error) => void
}

/** Submissions that wait while one write is in flight, first in, first out. The writer that takes a group resolves or rejects all of it. */
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

  /** Resolves with the verdicts of the writer. Rejects with EventsUnavailable, immediately if too much is waiting. */
  add(submission: Submission): Promise<Verdict[]> {
    const { queueEventsMax, queueBytesMax } = this.#limits
    if (this.#events + submission.validated.length > queueEventsMax || this.#bytes + submission.bytes > queueBytesMax)
      return Promise.reject(new EventsUnavailable(`Too many events are waiting to be stored. ${SEND_AGAIN}`))
    return new Promise((resolve, reject) => {
      this.#waiting.push({ submission, resolve, reject })
      this.#events += submission.validated.length
      this.#bytes += submission.bytes
    })
  }

  /** Takes the oldest submissions that fit into one group; at least one, if any waits. */
  takeGroup(): WaitingSubmission[] {
    const { groupEventsMax, groupBytesMax } = this.#limits
    let events = 0
    let bytes = 0
    const tooMany = this.#waiting.findIndex(({ submission }, index) => {
      events += submission.validated.length
      bytes += submission.bytes
      return index > 0 && (events > groupEventsMax || bytes > groupBytesMax)
    })
    const group = this.#waiting.splice(0, tooMany === -1 ? this.#waiting.length : tooMany)
    for (const { submission } of group) {
      this.#events -= submission.validated.length
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

/** Gives each submission its part of the verdicts, which are in the order of the group's events. */
export function resolveGroup(group: readonly WaitingSubmission[], verdicts: readonly Verdict[]): void {
  let from = 0
  for (const { submission, resolve } of group) {
    resolve(verdicts.slice(from, from + submission.validated.length))
    from += submission.validated.length
  }
}

/** None of their events was acknowledged. */
export function rejectGroup(group: readonly WaitingSubmission[], cause: unknown): void {
  for (const { reject } of group) reject(new EventsUnavailable(`The events could not be stored. ${SEND_AGAIN}`, cause))
}

export const SEND_AGAIN = 'Send all of them again later; nothing counts twice.'
