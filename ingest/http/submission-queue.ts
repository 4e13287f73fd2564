import type { ValidatedEvent } from '../event/pipeline.ts'
import { BatchSize } from '../log/batch-size.ts'
import type { Verdict } from '../log/detect-duplicates.ts'
import { EventsUnavailable, type Submission } from '../log/event-log.ts'
import { hashIdentity } from '../log/identity-hash.ts'
import { TouchedDays } from '../log/touched-days.ts'
import { traceBatch } from '../log/trace-batch.ts'

export interface SubmissionQueueLimits {
  /** What may wait, of all keys. A key may hold as much of it as it leaves free. */
  readonly queueEventsMax: number
  readonly queueBytesMax: number
  /** Waiting submissions share a group of up to this many events or bytes. One with more bytes is a group of its own. */
  readonly groupEventsMax: number
  readonly groupBytesMax: number
  /** The months and days of the events of a group. A submission of more, or of more events, is taken in several groups. */
  readonly groupMonthsMax?: number
  readonly groupDaysMax?: number
}

/** A submission, or a part of one, and the promise of its verdicts, which is resolved or rejected once. */
export interface WaitingSubmission {
  readonly submission: Submission
  readonly resolve: (verdicts: Verdict[]) => void
  readonly reject: (error: Error) => void
}

/**
 * Submissions that wait while one write is in flight: a first-in, first-out line for each ingest key. The keys are served round-robin,
 * and a new one always finds room, so that one that sends too much delays only itself. The writer that takes a group resolves or rejects
 * all of it.
 */
export class SubmissionQueue {
  readonly #limits: SubmissionQueueLimits
  /** In the order in which they are served next. Keys without waiting submissions are not stored. */
  readonly #lines = new Map<string, WaitingLine>()
  #events = 0
  #bytes = 0

  constructor(limits: SubmissionQueueLimits) {
    this.#limits = limits
  }

  get isEmpty(): boolean {
    return this.#lines.size === 0
  }

  /** How many events wait. */
  get events(): number {
    return this.#events
  }

  /** Resolves with the verdicts of the writer. Rejects with EventsUnavailable, immediately if too much is waiting. */
  add(submission: Submission): Promise<Verdict[]> {
    const line = this.#lines.get(submission.ingestKeyId) ?? new WaitingLine()
    if (!this.#hasRoom(line, submission))
      return Promise.reject(new EventsUnavailable(`Too many events are waiting to be stored, ${line.events} of them of this ingest key. ${SEND_AGAIN}`))
    this.#lines.set(submission.ingestKeyId, line)
    this.#count(submission.validated.length, submission.bytes)
    return new Promise((resolve, reject) => line.add({ submission, resolve, reject }))
  }

  /** Takes submissions of the keys round-robin, one at a time, until no more fit into one group of this size; at least a part of one, if any waits. */
  takeGroup(size: BatchSize = new BatchSize()): WaitingSubmission[] {
    const { groupEventsMax, groupBytesMax, groupMonthsMax = Number.POSITIVE_INFINITY, groupDaysMax = Number.POSITIVE_INFINITY } = this.#limits
    const group: WaitingSubmission[] = []
    const touched = new TouchedDays({ batchMonthsMax: size.of(groupMonthsMax), batchDaysMax: size.of(groupDaysMax) })
    let left = { events: size.of(groupEventsMax), bytes: groupBytesMax }
    /** In the order in which they were served last. */
    const served = new Set<string>()
    for (let keys = [...this.#lines.keys()]; keys.length > 0; ) {
      keys = keys.filter((key) => {
        const line = this.#lines.get(key)
        // The first submission of a group may be too large for it. The others must fit whole, or wait for the next one.
        const taken = group.length === 0 ? line?.takePart(left.events, touched) : line?.takeWhole(left, touched)
        if (taken === undefined) return false
        const { validated, bytes } = taken.submission
        group.push(taken)
        served.delete(key)
        served.add(key)
        left = { events: left.events - validated.length, bytes: left.bytes - bytes }
        this.#count(-validated.length, -bytes)
        return line?.isEmpty === false
      })
    }
    for (const key of served) this.#moveToEnd(key)
    return group
  }

  rejectAll(cause: unknown): void {
    const waiting = [...this.#lines.values()].flatMap((line) => line.takeAll())
    this.#lines.clear()
    this.#events = 0
    this.#bytes = 0
    rejectGroup(waiting, cause)
  }

  /** A single key may fill half of the queue, n keys together n of n + 1 parts: what is left is for those that wait for nothing yet. */
  #hasRoom(line: WaitingLine, { validated, bytes }: Submission): boolean {
    const { queueEventsMax, queueBytesMax } = this.#limits
    return line.events + validated.length <= queueEventsMax - this.#events && line.bytes + bytes <= queueBytesMax - this.#bytes
  }

  #count(events: number, bytes: number): void {
    this.#events += events
    this.#bytes += bytes
  }

  #moveToEnd(key: string): void {
    const line = this.#lines.get(key)
    this.#lines.delete(key)
    if (line !== undefined && !line.isEmpty) this.#lines.set(key, line)
  }
}

/** The waiting submissions of one ingest key, first in, first out. */
class WaitingLine {
  events = 0
  bytes = 0
  readonly #waiting: WaitingSubmission[] = []

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  add(waiting: WaitingSubmission): void {
    this.#waiting.push(waiting)
    this.#count(waiting, 1)
  }

  /** Takes the oldest submission if all of it fits. */
  takeWhole(left: { events: number; bytes: number }, touched: TouchedDays): WaitingSubmission | undefined {
    const [oldest] = this.#waiting
    if (oldest === undefined) return undefined
    const { validated, bytes } = oldest.submission
    if (validated.length > left.events || bytes > left.bytes || !touched.addAll(validated)) return undefined
    return this.#take()
  }

  /** Takes as much of the oldest submission as fits; the rest stays first in line. */
  takePart(eventsMax: number, touched: TouchedDays): WaitingSubmission | undefined {
    const whole = this.takeWhole({ events: eventsMax, bytes: Number.POSITIVE_INFINITY }, touched)
    const [oldest] = this.#waiting
    if (whole !== undefined || oldest === undefined) return whole
    const { part, rest } = split(oldest, chooseEvents(oldest.submission.validated, eventsMax, touched))
    this.#waiting[0] = rest
    this.#count(part, -1)
    return part
  }

  takeAll(): WaitingSubmission[] {
    this.events = 0
    this.bytes = 0
    return this.#waiting.splice(0)
  }

  #take(): WaitingSubmission | undefined {
    const taken = this.#waiting.shift()
    if (taken !== undefined) this.#count(taken, -1)
    return taken
  }

  #count({ submission: { validated, bytes } }: WaitingSubmission, sign: 1 | -1): void {
    this.events += sign * validated.length
    this.bytes += sign * bytes
  }
}

interface Choice {
  readonly part: number[]
  readonly rest: number[]
}

/**
 * The indexes of the events that one group may have. They keep their order, and an event waits behind an earlier one of its identity:
 * of two events with one identity the first counts. A correction waits behind its event and behind earlier corrections of it, and
 * all wait behind a record that changes a window.
 */
function chooseEvents(events: readonly ValidatedEvent[], eventsMax: number, touched: TouchedDays): Choice {
  const choice: Choice = { part: [], rest: [] }
  // An accidentally equal hash only makes an event wait.
  const waiting = new Set<number>()
  let isBehindWindow = false
  for (const [index, validated] of events.entries()) {
    const hashes = hashesOf(validated)
    if (!isBehindWindow && choice.part.length < eventsMax && !hashes.some((hash) => waiting.has(hash)) && touched.add(validated)) choice.part.push(index)
    else {
      choice.rest.push(index)
      for (const hash of hashes) waiting.add(hash)
      isBehindWindow ||= validated.status === 'window'
    }
  }
  return choice
}

function hashesOf(validated: ValidatedEvent): number[] {
  if (validated.status === 'valid') return [hashIdentity(validated.event.projectId, validated.event.eventId)]
  if (validated.status === 'rejected') return []
  if (validated.status === 'window') return [hashIdentity(validated.window.projectId, validated.window.eventId)]
  const { projectId, eventId, corrects } = validated.correction
  return [hashIdentity(projectId, eventId), hashIdentity(projectId, corrects)]
}

/** The submission is resolved when both are, with all verdicts in the order of its events, and rejected when one is. */
function split({ submission, resolve, reject }: WaitingSubmission, choice: Choice): { part: WaitingSubmission; rest: WaitingSubmission } {
  const { validated, bytes } = submission
  const verdicts: Verdict[] = []
  let missing = validated.length
  const select = (indexes: readonly number[], itsBytes: number): WaitingSubmission => ({
    submission: { ...submission, validated: indexes.flatMap((index) => validated[index] ?? []), bytes: itsBytes },
    resolve: (given) => {
      for (const [at, verdict] of given.entries()) verdicts[indexes[at] ?? 0] = verdict
      missing -= given.length
      if (missing === 0) resolve(verdicts)
    },
    reject,
  })
  const partBytes = Math.floor((bytes * choice.part.length) / validated.length)
  return { part: select(choice.part, partBytes), rest: select(choice.rest, bytes - partBytes) }
}

/** Gives each submission its part of the verdicts, which are in the order of the group's events. */
export function resolveGroup(group: readonly WaitingSubmission[], verdicts: readonly Verdict[]): void {
  let from = 0
  for (const { submission, resolve } of group) {
    resolve(verdicts.slice(from, from + submission.validated.length))
    from += submission.validated.length
  }
}

/** Reports the work on a group as one batch of its requests. */
export function traceGroup<T>(log: string, group: readonly WaitingSubmission[], work: () => Promise<T>): Promise<T> {
  const events = group.reduce((sum, { submission }) => sum + submission.validated.length, 0)
  return traceBatch({ log, source: 'requests', events, traceparents: () => group.flatMap(({ submission }) => submission.traceparent ?? []) }, work)
}

/** None of their events was acknowledged. */
export function rejectGroup(group: readonly WaitingSubmission[], cause: unknown): void {
  for (const { reject } of group) reject(new EventsUnavailable(`The events could not be stored. ${SEND_AGAIN}`, cause))
}

export const SEND_AGAIN = 'Send all of them again later; nothing counts twice.'
