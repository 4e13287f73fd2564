import type { Logger } from '../../metering/logger.ts'
import { isFenced } from '../../sql/errors.ts'
import type { Lease } from '../../sql/lease.ts'
import { BatchSize } from '../log/batch-size.ts'
import type { LogRecord, Verdict } from '../log/detect-duplicates.ts'
import { type EventLog, EventsUnavailable, type IngestStats, type LogStats, type Readiness, type Submission } from '../log/event-log.ts'
import { isolateRefused } from '../log/isolate-refused.ts'
import { storesAnything } from '../log/log-writer.ts'
import { LogLost, type OwnedLog } from '../log/owned-log.ts'
import { WriteFailures } from '../log/write-failures.ts'
import { SOURCE_CHECK_EVERY_MS, SourceNotInForce } from '../source/source-in-force.ts'
import type { GroupWriterLimits, GroupWriterOptions } from './group-writer-options.ts'
import { notLocked, PendingLocks } from './pending-locks.ts'
import { rejectGroup, resolveGroup, SEND_AGAIN, SubmissionQueue, traceGroup, type WaitingSubmission } from './submission-queue.ts'

const STALLED_MS_MAX = 60_000

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
  readonly #requireNoLiveOwner: () => Promise<void>
  readonly #onLost: (error: Error) => void
  readonly #onEnded: () => void
  readonly #limits: GroupWriterLimits
  readonly #queue: SubmissionQueue
  readonly #size = new BatchSize()
  #state: keyof typeof STATE_REASONS = 'writing'
  /** A write failed and the log has not been reconciled since, so no watermark may be published. */
  #inDoubt = false
  /** The offset of the next event. */
  #next = 0
  #batches = 0
  #batchSeconds = 0
  #batchStartedMs: number | undefined
  /** When the next heartbeat is due, by the monotonic clock: if the host's clock decided, setting it back would silence the owner. */
  #heartbeatAtMs = 0
  readonly #pendingLocks = new PendingLocks()
  readonly #failures: WriteFailures
  /** Another source is in force: nothing is accepted until it is switched to this one. */
  #notInForce: SourceNotInForce | undefined
  #wake: () => void = () => {}
  #ended: Promise<void> = Promise.resolve()

  constructor({ owned, logger, requireNoLiveOwner, onLost, onEnded, limits }: GroupWriterOptions) {
    this.#owned = owned
    this.#logger = logger
    this.#requireNoLiveOwner = requireNoLiveOwner
    this.#onLost = onLost
    this.#onEnded = onEnded
    this.#limits = limits
    this.#failures = new WriteFailures(limits)
    this.#queue = new SubmissionQueue({
      queueEventsMax: limits.queueEventsMax,
      queueBytesMax: limits.queueBytesMax,
      groupEventsMax: limits.batchEventsMax,
      groupBytesMax: Number.POSITIVE_INFINITY,
      groupMonthsMax: limits.batchMonthsMax,
      groupDaysMax: limits.batchDaysMax,
    })
  }

  /** Acquires the lease and accepts events from then on, or once its source is in force. Throws LogLost, StoreError. */
  async start(): Promise<void> {
    await this.#acquireUnlessNotInForce()
    this.#ended = this.#run()
  }

  submit(submission: Submission): Promise<Verdict[]> {
    if (this.#state !== 'writing') return Promise.reject(new EventsUnavailable(`Events cannot be stored right now: ${this.#reason()}. ${SEND_AGAIN}`))
    const verdicts = this.#queue.add(submission)
    this.#wake()
    return verdicts
  }

  readonly runBetweenBatches = <T>(work: (lease: Lease) => Promise<T>): Promise<T> => {
    if (this.#state !== 'writing') return Promise.reject(notLocked(this.#reason()))
    const done = this.#pendingLocks.add(work)
    this.#wake()
    return done
  }

  /** Ends when nothing waits any more. Then the log is released, unless it is in doubt or lost. */
  stop(): Promise<void> {
    if (this.#state !== 'lost') this.#state = 'stopping'
    this.#wake()
    return this.#ended
  }

  readiness(): Readiness {
    const reason = this.#reason()
    return reason === undefined ? { ready: true } : { ready: false, reason }
  }

  #reason(): string | undefined {
    if (this.#state === 'recovering' && this.#notInForce !== undefined) return this.#notInForce.message
    // Without events for a while it is unknown whether they can be stored again, so they are let in.
    return STATE_REASONS[this.#state] ?? (this.#failures.silenceMs > STALLED_MS_MAX ? undefined : this.#failures.stalledBy)
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
    if (this.#notInForce !== undefined) await this.#acquireUntilWriting(SOURCE_CHECK_EVERY_MS)
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
    this.#onEnded()
  }

  async #work(): Promise<void> {
    await this.#pendingLocks.run(() => this.#owned.lease, { everyMs: this.#limits.heartbeatEveryMs, send: () => this.#publishWatermark() })
    const group = this.#queue.takeGroup(this.#size)
    if (group.length > 0) await traceGroup(this.#owned.name, group, () => this.#writeGroup(group))
    if (this.#heartbeatInMs() === 0) await this.#heartbeat()
  }

  #hasWork(): boolean {
    return !this.#queue.isEmpty || !this.#pendingLocks.isEmpty
  }

  #heartbeatInMs(): number {
    return Math.max(0, this.#heartbeatAtMs - performance.now())
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
      this.#size.acknowledged()
      resolveGroup(group, verdicts)
    } catch (error) {
      this.#size.failed(error)
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
    const verdicts = await this.#owned.write({ first, through: first + placed.length - 1, records: placed, ...classified, position: 'with rows' })
    if (storesAnything(verdicts)) {
      this.#next = first + placed.length
      this.#failures.reset()
    }
    return verdicts
  }

  /** Acquires the lease and reconciles the range that the last owner left in doubt. Throws LogLost, StoreError. */
  async #acquire(): Promise<void> {
    const range = await this.#owned.acquire()
    if (range !== undefined) await this.#owned.reconcileRollup(range)
    this.#next = range === undefined ? 0 : range.through + 1
    await this.#publishWatermark()
  }

  /** Publishes that everything acknowledged until now is settled; `released` adds that the owner leaves. */
  async #publishWatermark(released = false): Promise<void> {
    this.#heartbeatAtMs = performance.now() + this.#limits.heartbeatEveryMs
    await this.#owned.publishWatermark({ asOfMs: await this.#owned.noteTime(), settledThrough: this.#next - 1, released })
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
    this.#queue.rejectAll(cause)
    this.#pendingLocks.rejectAll(cause)
    // A log that is stopping is not acquired again, which would show that it is lost.
    if (this.#state === 'stopping' && isFenced(cause)) return this.#lose(new LogLost(this.#owned.name))
    await this.#acquireUntilWriting(this.#failures.add(cause))
  }

  async #acquireUntilWriting(firstDelayMs: number): Promise<void> {
    let retryAfterMs = firstDelayMs
    while (this.#state === 'recovering') {
      await new Promise((resolve) => setTimeout(resolve, retryAfterMs))
      try {
        await this.#acquireUnlessNotInForce()
        retryAfterMs = SOURCE_CHECK_EVERY_MS
      } catch (error) {
        if (error instanceof LogLost) return this.#lose(error)
        retryAfterMs = this.#failures.nextDelayMs()
        this.#logger.error({ err: error, retryAfterMs }, 'the lease of the log cannot be acquired yet')
      }
    }
  }

  async #acquireUnlessNotInForce(): Promise<void> {
    try {
      if (!this.#owned.isHeld) await this.#requireNoLiveOwner()
      await this.#acquire()
    } catch (error) {
      if (!(error instanceof SourceNotInForce)) throw error
      if (this.#notInForce === undefined) this.#logger.warn({ reason: error.message }, 'no events are accepted')
      this.#notInForce = error
      this.#inDoubt = true
      if (this.#state === 'writing') this.#state = 'recovering'
      return
    }
    this.#notInForce = undefined
    this.#inDoubt = false
    if (this.#state !== 'recovering') return
    this.#state = 'writing'
    this.#logger.info({}, 'the lease of the log is acquired, and its last batch is reconciled')
  }

  #lose(error: LogLost): void {
    this.#state = 'lost'
    this.#queue.rejectAll(error)
    this.#pendingLocks.rejectAll(error)
    this.#onLost(error)
  }

  /** If this fails, the log is taken over all the same, after the owner time-out. */
  async #release(): Promise<void> {
    try {
      await this.#publishWatermark(true)
    } catch (error) {
      if (isFenced(error)) return this.#lose(new LogLost(this.#owned.name))
      this.#logger.warn({ err: error }, 'the log could not be released; it can be taken over after the owner time-out')
    }
  }
}
