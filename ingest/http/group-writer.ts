import type { Logger } from '../../metering/logger.ts'
import type { Lease } from '../../sql/lease.ts'
import { BackOff, type BackOffLimits } from '../log/back-off.ts'
import type { LogRecord, Verdict } from '../log/detect-duplicates.ts'
import { type EventLog, EventsUnavailable, type IngestStats, type LogStats, type Readiness, type Submission } from '../log/event-log.ts'
import { isolateRefused } from '../log/isolate-refused.ts'
import { storesAnything } from '../log/log-writer.ts'
import { LogLost, type OwnedLog } from '../log/owned-log.ts'
import { rejectGroup, resolveGroup, SEND_AGAIN, SubmissionQueue, type WaitingSubmission } from './submission-queue.ts'

export interface GroupWriterOptions {
  readonly owned: OwnedLog
  readonly logger: Logger
  /** Called once when another process has acquired the lease: this one can never write again. */
  readonly onLost: (error: Error) => void
  readonly limits: GroupWriterLimits
}

export interface GroupWriterLimits extends BackOffLimits {
  /** Requests that arrive during one insert share the next, up to this many events. */
  readonly batchEventsMax: number
  /** If more events or bytes than this wait, a request is answered 503 immediately. */
  readonly queueEventsMax: number
  readonly queueBytesMax: number
  readonly heartbeatEveryMs: number
}

/** Work that waits for the log to be locked. */
interface PendingLock {
  run(lease: Lease): Promise<void>
  reject(error: Error): void
}

const STATE_REASONS = {
  writing: undefined,
  recovering: 'the log is recovering from a failed write',
  stopping: 'the service is stopping',
  lost: 'another process has taken over the log',
} as const

/**
 * Group commit: one batch is in flight, and the requests that arrive meanwhile share the next one. Offsets are given out here. The
 * log cannot be read again, so reconciling only recounts the rollup; events that never landed are sent again by their emitter,
 * because they were not acknowledged.
 */
export class GroupWriter implements EventLog {
  readonly acknowledges = 'counted'
  readonly #owned: OwnedLog
  readonly #logger: Logger
  readonly #onLost: (error: Error) => void
  readonly #limits: GroupWriterLimits
  readonly #queue: SubmissionQueue
  #state: keyof typeof STATE_REASONS = 'writing'
  /** A write failed and the log has not been reconciled since, so no watermark may be published. */
  #inDoubt = false
  /** The offset of the next event. */
  #next = 0
  #batches = 0
  #batchSeconds = 0
  #batchStartedMs: number | undefined
  #pendingLocks: PendingLock[] = []
  #wake: () => void = () => {}
  #ended: Promise<void> = Promise.resolve()

  constructor({ owned, logger, onLost, limits }: GroupWriterOptions) {
    this.#owned = owned
    this.#logger = logger
    this.#onLost = onLost
    this.#limits = limits
    const { queueEventsMax, queueBytesMax, batchEventsMax } = limits
    this.#queue = new SubmissionQueue({ queueEventsMax, queueBytesMax, groupEventsMax: batchEventsMax, groupBytesMax: Number.POSITIVE_INFINITY })
  }

  /** Acquires the lease and accepts events from then on. Throws LogLost, StoreError. */
  async start(): Promise<void> {
    await this.#acquire()
    this.#ended = this.#run()
  }

  submit(submission: Submission): Promise<Verdict[]> {
    if (this.#state !== 'writing')
      return Promise.reject(new EventsUnavailable(`Events cannot be stored right now: ${STATE_REASONS[this.#state]}. ${SEND_AGAIN}`))
    const verdicts = this.#queue.add(submission)
    this.#wake()
    return verdicts
  }

  readonly runBetweenBatches = <T>(work: (lease: Lease) => Promise<T>): Promise<T> => {
    if (this.#state !== 'writing') return Promise.reject(notLocked(STATE_REASONS[this.#state]))
    return new Promise((resolve, reject) => {
      this.#pendingLocks.push({ run: (lease) => work(lease).then(resolve, reject), reject })
      this.#wake()
    })
  }

  /** Ends when nothing waits any more. Then the log is released, unless it is in doubt or lost. */
  stop(): Promise<void> {
    if (this.#state !== 'lost') this.#state = 'stopping'
    this.#wake()
    return this.#ended
  }

  readiness(): Readiness {
    const reason = STATE_REASONS[this.#state]
    return reason === undefined ? { ready: true } : { ready: false, reason }
  }

  stats(): IngestStats {
    const log: LogStats = {
      ...this.#owned.stats(),
      owned: this.#state !== 'lost',
      forwarded: 0,
      batches: this.#batches,
      batchSeconds: this.#batchSeconds,
      batchInFlightSeconds: this.#batchStartedMs === undefined ? 0 : (performance.now() - this.#batchStartedMs) / 1000,
      lagEvents: 0,
      openTransactionSeconds: 0,
      incident: undefined,
    }
    return { queuedEvents: this.#queue.events, logs: [log], kafkaTrouble: false }
  }

  async #run(): Promise<void> {
    while (this.#state !== 'lost' && (this.#hasWork() || this.#state !== 'stopping')) {
      await this.#waitForWork()
      try {
        await this.#work()
      } catch (error) {
        await this.#recover(error)
      }
    }
    if (this.#state === 'stopping' && !this.#inDoubt) await this.#release()
    this.#owned.close()
  }

  async #work(): Promise<void> {
    // One at a time, so that the locks behind a failed one are rejected; and only those that wait now, so that batches are not starved.
    for (let left = this.#pendingLocks.length; left > 0; left -= 1) await this.#runLocked(this.#pendingLocks.shift())
    const group = this.#queue.takeGroup()
    if (group.length > 0) await this.#writeGroup(group)
    if (this.#heartbeatInMs() === 0) await this.#heartbeat()
  }

  /** The heartbeat goes on meanwhile: a log that seems abandoned would be taken over and written to by another process. */
  async #runLocked(lock: PendingLock | undefined): Promise<void> {
    let published = Promise.resolve()
    const timer = setInterval(() => {
      published = published.then(() => this.#publishWatermark())
      published.catch(() => {})
    }, this.#limits.heartbeatEveryMs)
    await lock?.run(this.#owned.lease)
    clearInterval(timer)
    await published
  }

  #hasWork(): boolean {
    return !this.#queue.isEmpty || this.#pendingLocks.length > 0
  }

  #heartbeatInMs(): number {
    return Math.max(0, this.#owned.asOfMs + this.#limits.heartbeatEveryMs - Date.now())
  }

  async #waitForWork(): Promise<void> {
    if (this.#hasWork() || this.#state === 'stopping') return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.#heartbeatInMs())
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.#wake = () => {}
  }

  async #writeGroup(group: readonly WaitingSubmission[]): Promise<void> {
    const startedMs = performance.now()
    this.#batchStartedMs = startedMs
    try {
      const verdicts = await isolateRefused(this.#recordsOf(group), {
        log: this.#owned.name,
        logger: this.#logger,
        write: (records, verdict) => this.#write(records, verdict),
        reacquire: () => this.#acquire(),
      })
      resolveGroup(group, verdicts)
    } catch (error) {
      rejectGroup(group, error)
      throw error
    } finally {
      this.#batchStartedMs = undefined
      this.#batches += 1
      this.#batchSeconds += (performance.now() - startedMs) / 1000
    }
  }

  #recordsOf(group: readonly WaitingSubmission[]): LogRecord[] {
    const log = this.#owned.name
    const records: LogRecord[] = []
    for (const { submission } of group) {
      const { receivedMs, ingestKeyId } = submission
      // Field by field: spreading an object costs ten times as much, and this runs for every event.
      for (const validated of submission.validated) records.push({ log, offset: this.#next + records.length, validated, receivedMs, ingestKeyId })
    }
    return records
  }

  /** Appends the events to the log. A given `verdict` replaces what detecting duplicates would find. */
  async #write(records: readonly LogRecord[], verdict?: Verdict): Promise<readonly Verdict[]> {
    const first = this.#next
    // While refused events are isolated, records come back after the log has moved on.
    const placed = records[0]?.offset === first ? records : records.map((record, index) => ({ ...record, offset: first + index }))
    const classified = verdict === undefined ? await this.#owned.detectDuplicates(placed) : { verdicts: placed.map(() => verdict), newHashes: [] }
    await this.#owned.write({ first, through: first + placed.length - 1, records: placed, ...classified, position: 'with rows' })
    if (storesAnything(classified.verdicts)) this.#next = first + placed.length
    return classified.verdicts
  }

  /** Acquires the lease and reconciles the range that the last owner left in doubt. Throws LogLost, StoreError. */
  async #acquire(): Promise<void> {
    const range = await this.#owned.acquire()
    if (range !== undefined) await this.#owned.reconcileRollup(range)
    this.#next = range === undefined ? 0 : range.through + 1
    await this.#publishWatermark()
  }

  /** Publishes that everything acknowledged until now is settled; `released` adds that the owner leaves. */
  #publishWatermark(released = false): Promise<void> {
    return this.#owned.publishWatermark({ asOfMs: Date.now(), settledThrough: this.#next - 1, released })
  }

  /** Runs every few seconds between two batches. */
  async #heartbeat(): Promise<void> {
    await this.#publishWatermark()
    await this.#owned.repairRequested()
  }

  /** After any error nothing is sent again under this lease: it is acquired again, until that succeeds or the log is lost. */
  async #recover(cause: unknown): Promise<void> {
    this.#logger.error({ err: cause }, 'a write to the log failed; acquiring its lease again')
    this.#inDoubt = true
    if (this.#state === 'writing') this.#state = 'recovering'
    this.#rejectWaiting(cause)
    const backOff = new BackOff(this.#limits)
    while (this.#state === 'recovering') {
      try {
        await this.#acquire()
        this.#inDoubt = false
        if (this.#state === 'recovering') this.#state = 'writing'
        this.#logger.info({}, 'the lease of the log is acquired again, and its last batch is reconciled')
      } catch (error) {
        if (error instanceof LogLost) return this.#lose(error)
        const retryAfterMs = backOff.next()
        this.#logger.error({ err: error, retryAfterMs }, 'the lease of the log cannot be acquired yet')
        await new Promise((resolve) => setTimeout(resolve, retryAfterMs))
      }
    }
  }

  #lose(error: LogLost): void {
    this.#state = 'lost'
    this.#rejectWaiting(error)
    this.#onLost(error)
  }

  #rejectWaiting(cause: unknown): void {
    this.#queue.rejectAll(cause)
    for (const { reject } of this.#pendingLocks.splice(0)) reject(notLocked('a write to it failed', cause))
  }

  /** If this fails, the log is taken over all the same, after the owner time-out. */
  async #release(): Promise<void> {
    try {
      await this.#publishWatermark(true)
    } catch (error) {
      this.#logger.warn({ err: error }, 'the log could not be released; it can be taken over after the owner time-out')
    }
  }
}

function notLocked(reason: string | undefined, cause?: unknown): EventsUnavailable {
  return new EventsUnavailable(`The log cannot be locked right now: ${reason}. Try again later.`, cause)
}
