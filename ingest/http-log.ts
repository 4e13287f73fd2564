import type { Logger } from '../metering/logger.ts'
import type { ClickHouse } from '../sql/clickhouse.ts'
import { AppendedLog } from './appended-log.ts'
import { type EventLog, EventsUnavailable, type IngestStats, type LogStats, type Readiness, type Submission } from './event-log.ts'
import { FilterBudget } from './identity-filter.ts'
import { LogLost } from './owned-log.ts'
import type { Verdict } from './tell-duplicates.ts'
import { findLivingOwner, findLivingReader } from './watermark.ts'

/** The log of a Meterline without Kafka: what it acknowledges is in raw. It is one per store and has one owner. */
export const HTTP_LOG = 'http'

export interface HttpLog extends EventLog {
  /** Runs work between two batches, when nothing of this log is in flight. */
  betweenBatches<T>(work: () => Promise<T>): Promise<T>
  /** Writes and acknowledges what is waiting, says that the log is free, and ends. */
  stop(): Promise<void>
}

export interface HttpLogOptions {
  readonly clickhouse: ClickHouse
  readonly log: Logger
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
  const { clickhouse, log } = options
  const scope = { partition: 0, partitions: 1 }
  const filterBudget = new FilterBudget(limits.filterBytesMax)
  const appended = new AppendedLog({ clickhouse, lane: clickhouse.ingest, name: HTTP_LOG, scope, filterBudget, log })
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
  const host = (await findLivingOwner(control, HTTP_LOG, ownerSilenceMsMax)) ?? (await findLivingReader(control, ownerSilenceMsMax))
  if (host === undefined) return
  throw new Error(
    `This ClickHouse database is written to by ${host}, which is alive. Stop that process first (after a crash, wait ${ownerSilenceMsMax / 1000} s), or give this one a database of its own.`,
  )
}

interface Waiting {
  readonly submission: Submission
  readonly resolve: (verdicts: Verdict[]) => void
  readonly reject: (error: Error) => void
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
  readonly #log: Logger
  readonly #onLost: (error: Error) => void
  readonly #limits: HttpLogLimits
  #state: keyof typeof STATE_REASONS = 'writing'
  /** A write failed and the log has not been settled since: nothing may be claimed about it. */
  #inDoubt = false
  #queue: Waiting[] = []
  #queuedEvents = 0
  #queuedBytes = 0
  #batches = 0
  #batchSeconds = 0
  #batchStartedMs: number | undefined
  #exclusive: (() => Promise<void>)[] = []
  #wake: () => void = () => {}

  constructor(appended: AppendedLog, { log, onLost }: HttpLogOptions, limits: HttpLogLimits) {
    this.#appended = appended
    this.#log = log
    this.#onLost = onLost
    this.#limits = limits
  }

  submit(submission: Submission): Promise<Verdict[]> {
    const { queueEventsMax, queueBytesMax } = this.#limits
    if (this.#state !== 'writing')
      return Promise.reject(new EventsUnavailable(`Events cannot be stored right now: ${STATE_REASONS[this.#state]}. ${SEND_AGAIN}`))
    if (this.#queuedEvents + submission.judged.length > queueEventsMax || this.#queuedBytes + submission.bytes > queueBytesMax) {
      return Promise.reject(new EventsUnavailable(`Too many events are waiting to be stored. ${SEND_AGAIN}`))
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ submission, resolve, reject })
      this.#queuedEvents += submission.judged.length
      this.#queuedBytes += submission.bytes
      this.#wake()
    })
  }

  betweenBatches<T>(work: () => Promise<T>): Promise<T> {
    if (this.#state !== 'writing') return Promise.reject(new EventsUnavailable(`The log cannot be held right now: ${STATE_REASONS[this.#state]}.`))
    return new Promise((resolve, reject) => {
      this.#exclusive.push(() => work().then(resolve, reject))
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
    return { queuedEvents: this.#queuedEvents, logs: [log], kafkaTrouble: false }
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
    for (const work of this.#exclusive.splice(0)) await work()
    const group = this.#takeGroup()
    if (group.length > 0) await this.#writeGroup(group)
    if (this.#beatInMs() === 0) await this.#appended.publishWatermark()
  }

  #hasWork(): boolean {
    return this.#queue.length > 0 || this.#exclusive.length > 0
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

  #takeGroup(): Waiting[] {
    let events = 0
    const tooMany = this.#queue.findIndex(({ submission }, index) => {
      events += submission.judged.length
      return index > 0 && events > this.#limits.batchEventsMax
    })
    const group = this.#queue.splice(0, tooMany === -1 ? this.#queue.length : tooMany)
    for (const { submission } of group) {
      this.#queuedEvents -= submission.judged.length
      this.#queuedBytes -= submission.bytes
    }
    return group
  }

  async #writeGroup(group: readonly Waiting[]): Promise<void> {
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
      rejectAll(group, error)
      throw error
    } finally {
      this.#batchStartedMs = undefined
      this.#batches += 1
      this.#batchSeconds += (performance.now() - startedMs) / 1000
    }
  }

  /** After any error nothing is sent again under this ownership: the log is taken anew, until that works or it is lost. */
  async #recover(cause: unknown): Promise<void> {
    this.#log.error({ err: cause }, 'writing to the log failed; taking it anew')
    this.#inDoubt = true
    if (this.#state === 'writing') this.#state = 'recovering'
    this.#rejectWaiting(cause)
    let retryAfterMs = this.#limits.retryAfterMsMin
    while (this.#state === 'recovering') {
      try {
        await this.#appended.takeAndSettle()
        this.#inDoubt = false
        if (this.#state === 'recovering') this.#state = 'writing'
        this.#log.info({}, 'the log is taken anew and settled')
      } catch (error) {
        if (error instanceof LogLost) return this.#lose(error)
        this.#log.error({ err: error, retryAfterMs }, 'the log cannot be taken yet')
        await new Promise((resolve) => setTimeout(resolve, retryAfterMs))
        retryAfterMs = Math.min(retryAfterMs * 2, this.#limits.retryAfterMsMax)
      }
    }
  }

  #lose(error: LogLost): void {
    this.#state = 'lost'
    this.#rejectWaiting(error)
    this.#onLost(error)
  }

  #rejectWaiting(cause: unknown): void {
    this.#queuedEvents = 0
    this.#queuedBytes = 0
    rejectAll(this.#queue.splice(0), cause)
  }

  /** A log that is left without this word is taken over all the same, after its owner's silence. */
  async #release(): Promise<void> {
    try {
      await this.#appended.publishWatermark(true)
    } catch (error) {
      this.#log.warn({ err: error }, 'the log could not be released')
    }
  }
}

const SEND_AGAIN = 'Send all of them again later; nothing counts twice.'

function rejectAll(waiting: readonly Waiting[], cause: unknown): void {
  for (const { reject } of waiting) reject(new EventsUnavailable(`The events could not be stored. ${SEND_AGAIN}`, cause))
}
