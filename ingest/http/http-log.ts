import type { Logger } from '../../metering/logger.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import type { Lease } from '../../sql/lease.ts'
import { BackOff } from '../log/back-off.ts'
import type { Verdict } from '../log/detect-duplicates.ts'
import { type EventLog, EventsUnavailable, type IngestStats, type LogStats, type Readiness, type Submission } from '../log/event-log.ts'
import { FilterBudget } from '../log/identity-filter.ts'
import { LogLost } from '../log/owned-log.ts'
import { findLiveOwner, findLiveReader } from '../log/watermark.ts'
import { AppendedLog } from './appended-log.ts'
import { rejectGroup, SEND_AGAIN, SubmissionQueue, type WaitingSubmission } from './submission-queue.ts'

/** The log of a Meterline without Kafka: what it acknowledges is in raw. It is one per store and has one owner. */
export const HTTP_LOG = 'http'

export interface HttpLog extends EventLog {
  /**
   * Runs work between two batches: while it runs nothing of this log is in flight, and none is sent. What arrives waits, and the
   * owner's heartbeat goes on. Rejects with EventsUnavailable when the log cannot be held.
   */
  betweenBatches<T>(work: (held: Lease) => Promise<T>): Promise<T>
  /** Writes and acknowledges what is waiting, says that the log is free, and ends. */
  stop(): Promise<void>
}

export interface HttpLogOptions {
  readonly clickhouse: ClickHouse
  readonly logger: Logger
  readonly limits?: Partial<HttpLogLimits>
  /** Called once when another process has taken the log: this one can never write again. */
  readonly onLost: (error: Error) => void
}

export interface HttpLogLimits {
  /** Requests that arrive during one insert share the next, up to this many events. */
  readonly batchEventsMax: number
  /** Beyond this many events or bytes waiting, a request is answered 503 at once. */
  readonly queueEventsMax: number
  readonly queueBytesMax: number
  readonly filterBytesMax: number
  readonly heartbeatEveryMs: number
  /** On a server, an owner silent for longer than this may be taken over. */
  readonly ownerSilenceMsMax: number
  readonly retryAfterMsMin: number
  readonly retryAfterMsMax: number
}

const LIMITS: HttpLogLimits = {
  batchEventsMax: 50_000,
  queueEventsMax: 200_000,
  queueBytesMax: 128 * 1024 * 1024,
  filterBytesMax: 1024 ** 3,
  heartbeatEveryMs: 5_000,
  ownerSilenceMsMax: 15_000,
  retryAfterMsMin: 100,
  retryAfterMsMax: 5_000,
}

/**
 * Takes the http log, settles what the last owner left in doubt, and only then accepts events. Throws when another living
 * process owns it, naming that process.
 */
export async function openHttpLog(options: HttpLogOptions): Promise<HttpLog> {
  const limits = { ...LIMITS, ...options.limits }
  await requireNoLivingOwner(options.clickhouse, limits)
  const { clickhouse, logger } = options
  const scope = { partition: 0, partitions: 1 }
  const filterBudget = new FilterBudget(limits.filterBytesMax)
  const appended = new AppendedLog({ clickhouse, lane: clickhouse.ingest, name: HTTP_LOG, scope, filterBudget, logger })
  await appended.takeAndSettle()
  const writer = new GroupWriter(appended, options, limits)
  const ended = writer.run()
  return {
    acknowledges: 'counted',
    submit: (submission) => writer.submit(submission),
    readiness: () => writer.readiness(),
    stats: () => writer.stats(),
    betweenBatches: (work) => writer.betweenBatches(work),
    stop: () => {
      writer.requestStop()
      return ended
    },
  }
}

/** An embedded engine has one process per directory already; on a server the heartbeat keeps a second one away. */
async function requireNoLivingOwner({ engine, control }: ClickHouse, { ownerSilenceMsMax }: HttpLogLimits): Promise<void> {
  if (engine === 'embedded') return
  const host = (await findLiveOwner(control, HTTP_LOG, ownerSilenceMsMax)) ?? (await findLiveReader(control, ownerSilenceMsMax))
  if (host === undefined) return
  throw new Error(
    `This ClickHouse database is written to by ${host}, which is alive. Stop that process first (after a crash, wait ${ownerSilenceMsMax / 1000} s), or give this one a database of its own.`,
  )
}

/** Work for which the log is held. */
interface Holding {
  run(held: Lease): Promise<void>
  reject(error: Error): void
}

const STATE_REASONS = {
  writing: undefined,
  recovering: 'the log is being taken and settled',
  stopping: 'the service is stopping',
  lost: 'another process has taken the log',
} as const

/** Group commit: one batch in flight; the requests that arrive meanwhile share the next. */
class GroupWriter {
  readonly #appended: AppendedLog
  readonly #logger: Logger
  readonly #onLost: (error: Error) => void
  readonly #limits: HttpLogLimits
  #state: keyof typeof STATE_REASONS = 'writing'
  /** A write failed and the log has not been settled since: nothing may be claimed about it. */
  #inDoubt = false
  readonly #queue: SubmissionQueue
  #batches = 0
  #batchSeconds = 0
  #batchStartedMs: number | undefined
  #holdings: Holding[] = []
  #wake: () => void = () => {}

  constructor(appended: AppendedLog, { logger, onLost }: HttpLogOptions, limits: HttpLogLimits) {
    this.#appended = appended
    this.#logger = logger
    this.#onLost = onLost
    this.#limits = limits
    const { queueEventsMax, queueBytesMax, batchEventsMax } = limits
    this.#queue = new SubmissionQueue({ queueEventsMax, queueBytesMax, groupEventsMax: batchEventsMax, groupBytesMax: Number.POSITIVE_INFINITY })
  }

  submit(submission: Submission): Promise<Verdict[]> {
    if (this.#state !== 'writing')
      return Promise.reject(new EventsUnavailable(`Events cannot be stored right now: ${STATE_REASONS[this.#state]}. ${SEND_AGAIN}`))
    const verdicts = this.#queue.add(submission)
    this.#wake()
    return verdicts
  }

  betweenBatches<T>(work: (held: Lease) => Promise<T>): Promise<T> {
    if (this.#state !== 'writing') return Promise.reject(notHeld(STATE_REASONS[this.#state]))
    return new Promise((resolve, reject) => {
      this.#holdings.push({ run: (held) => work(held).then(resolve, reject), reject })
      this.#wake()
    })
  }

  requestStop(): void {
    if (this.#state !== 'lost') this.#state = 'stopping'
    this.#wake()
  }

  readiness(): Readiness {
    const reason = STATE_REASONS[this.#state]
    return reason === undefined ? { ready: true } : { ready: false, reason }
  }

  stats(): IngestStats {
    const log: LogStats = {
      ...this.#appended.owned.stats(),
      owned: this.#state !== 'lost',
      passedOn: 0,
      batches: this.#batches,
      batchSeconds: this.#batchSeconds,
      batchInFlightSeconds: this.#batchStartedMs === undefined ? 0 : (performance.now() - this.#batchStartedMs) / 1000,
      lagEvents: 0,
      incident: undefined,
    }
    return { queuedEvents: this.#queue.events, logs: [log], kafkaTrouble: false }
  }

  /** Ends when it was asked to stop and nothing waits any more, or when another owner has taken the log. */
  async run(): Promise<void> {
    while (this.#state !== 'lost' && (this.#hasWork() || this.#state !== 'stopping')) {
      await this.#untilWork()
      try {
        await this.#work()
      } catch (error) {
        await this.#recover(error)
      }
    }
    if (this.#state === 'stopping' && !this.#inDoubt) await this.#release()
    this.#appended.owned.close()
  }

  async #work(): Promise<void> {
    // One by one, so that those behind one that failed are told; and only those that wait now, so that batches get their turn.
    for (let left = this.#holdings.length; left > 0; left -= 1) await this.#holdFor(this.#holdings.shift())
    const group = this.#queue.takeGroup()
    if (group.length > 0) await this.#writeGroup(group)
    if (this.#beatInMs() === 0) await this.#appended.beat()
  }

  /** Who looks for a living owner meanwhile must find one: a log that seems left would be taken, and written to. */
  async #holdFor(holding: Holding | undefined): Promise<void> {
    let beating = Promise.resolve()
    const timer = setInterval(() => {
      beating = beating.then(() => this.#appended.publishWatermark())
      beating.catch(() => {})
    }, this.#limits.heartbeatEveryMs)
    await holding?.run(this.#appended.owned.ownership)
    clearInterval(timer)
    await beating
  }

  #hasWork(): boolean {
    return !this.#queue.isEmpty || this.#holdings.length > 0
  }

  #beatInMs(): number {
    return Math.max(0, this.#appended.owned.asOfMs + this.#limits.heartbeatEveryMs - Date.now())
  }

  async #untilWork(): Promise<void> {
    if (this.#hasWork() || this.#state === 'stopping') return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.#beatInMs())
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
    const unplaced = group.flatMap(({ submission: { judged, ingestKeyId, receivedMs } }) => judged.map((each) => ({ judged: each, ingestKeyId, receivedMs })))
    try {
      const verdicts = await this.#appended.append(unplaced)
      let from = 0
      for (const { submission, resolve } of group) {
        resolve(verdicts.slice(from, from + submission.judged.length))
        from += submission.judged.length
      }
    } catch (error) {
      rejectGroup(group, error)
      throw error
    } finally {
      this.#batchStartedMs = undefined
      this.#batches += 1
      this.#batchSeconds += (performance.now() - startedMs) / 1000
    }
  }

  /** After any error nothing is sent again under this ownership: the log is taken anew, until that works or it is lost. */
  async #recover(cause: unknown): Promise<void> {
    this.#logger.error({ err: cause }, 'writing to the log failed; taking it anew')
    this.#inDoubt = true
    if (this.#state === 'writing') this.#state = 'recovering'
    this.#rejectWaiting(cause)
    const backOff = new BackOff(this.#limits)
    while (this.#state === 'recovering') {
      try {
        await this.#appended.takeAndSettle()
        this.#inDoubt = false
        if (this.#state === 'recovering') this.#state = 'writing'
        this.#logger.info({}, 'the log is taken anew and settled')
      } catch (error) {
        if (error instanceof LogLost) return this.#lose(error)
        const retryAfterMs = backOff.next()
        this.#logger.error({ err: error, retryAfterMs }, 'the log cannot be taken yet')
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
    for (const { reject } of this.#holdings.splice(0)) reject(notHeld('writing to it failed', cause))
  }

  /** A log that is left without this word is taken over all the same, after its owner's silence. */
  async #release(): Promise<void> {
    try {
      await this.#appended.publishWatermark(true)
    } catch (error) {
      this.#logger.warn({ err: error }, 'the log could not be released')
    }
  }
}

function notHeld(reason: string | undefined, cause?: unknown): EventsUnavailable {
  return new EventsUnavailable(`The log cannot be held right now: ${reason}. Try again later.`, cause)
}
