import { sleep, systemClock } from './clock.ts'
import { type EmitterOptions, requireLimits, requireUrlAndKey } from './emitter-options.ts'
import type { EventStore } from './event-store.ts'
import { textOfCorrection, textOfEvent, type UsageCorrection, type UsageEvent, utf8Bytes } from './event-text.ts'
import { type Gauge, Gauges } from './gauges.ts'
import { Reports, type Totals } from './hooks.ts'
import { MemoryStore } from './memory-store.ts'
import { postOverHttp } from './post-over-http.ts'
import { Sender } from './sender.ts'
import { type Increment, Sums } from './sums.ts'
import { Timers } from './timers.ts'
import { uuidV7 } from './uuid-v7.ts'

export interface Emitter {
  /**
   * Adds an event to the buffer and returns its event_id; undefined if it was dropped. Never waits for the network, never throws. The event is
   * sent until the service has an outcome for it, always with the same id.
   */
  emit(event: UsageEvent): string | undefined
  /**
   * Adds a correction of an event to the buffer, after the events so far, and returns the correction's own event_id. Like emit() in all else. One
   * that reaches the service before its event is rejected as unknown_event: flush() between the two if requestsMax is above 1.
   */
  correct(correction: UsageCorrection): string | undefined
  /** Adds to the sum of a project and metric, which is emitted as one event every sumEveryMs. Sums are in memory only until then. */
  add(increment: Increment): void
  /** Samples a level on an interval. Returns what stops it. Throws TypeError for an interval that makes no sense. */
  gauge(gauge: Gauge): () => void
  /** Sends what waits, and resolves when everything emitted so far has its outcome. During an outage that takes until its end. */
  flush(): Promise<void>
  /** Ends the emitter: flushes for at most `timeout` ms (10,000), then gives up. Resolves with the totals since the start. Never rejects. */
  close(options?: { readonly timeout?: number | undefined }): Promise<Closed>
  readonly totals: Readonly<Totals> & { readonly waiting: number }
}

export interface Closed extends Totals {
  /** Without an outcome, but on disk: the next emitter with this spool sends them. */
  readonly spooled: number
}

/** Creates an emitter. Throws TypeError for options that make no sense, and what the spool throws if it cannot be opened. */
export function createEmitter(options: EmitterOptions): Emitter {
  const limits = requireLimits(options)
  const timers = new Timers(options.clock ?? systemClock)
  const post = options.kafka ?? postOverHttp({ ...requireUrlAndKey(options), attemptTimeoutMs: limits.attemptTimeoutMs, clock: timers, fetch: options.fetch })
  const reports = new Reports(options)
  const storeLimits = { eventsMax: limits.bufferEventsMax, bytesMax: limits.bufferBytesMax }
  const store: EventStore =
    options.spool?.({ ...storeLimits, onProblem: (message) => reports.problem({ kind: 'spool_failed', message }) }) ?? new MemoryStore(storeLimits)
  const sender = new Sender({ ...limits, post, store, timers, random: options.random ?? Math.random, reports })
  return new BufferingEmitter({ limits, timers, store, reports, sender, waitUntil: options.waitUntil })
}

interface Parts {
  readonly limits: { readonly sumEveryMs: number; readonly sumPairsMax: number }
  readonly timers: Timers
  readonly store: EventStore
  readonly reports: Reports
  readonly sender: Sender
  readonly waitUntil: ((promise: Promise<void>) => void) | undefined
}

class BufferingEmitter implements Emitter {
  readonly #parts: Parts
  readonly #sums: Sums
  readonly #gauges: Gauges
  #closing: Promise<Closed> | undefined
  #isClosed = false
  #isAwaited = false

  constructor(parts: Parts) {
    this.#parts = parts
    const { timers, reports, limits } = parts
    const emit = (event: UsageEvent) => void this.#emit(event)
    this.#sums = new Sums({ everyMs: limits.sumEveryMs, pairsMax: limits.sumPairsMax, timers, emit })
    this.#gauges = new Gauges({ timers, emit, onProblem: (message) => reports.problem({ kind: 'gauge_failed', message }) })
  }

  get totals() {
    const { reports, store } = this.#parts
    return { ...reports.totals, waiting: store.waitingEvents }
  }

  emit(event: UsageEvent): string | undefined {
    return this.#emit(event)
  }

  correct(correction: UsageCorrection): string | undefined {
    return this.#store(correction, (id) => textOfCorrection(correction, id))
  }

  add(increment: Increment): void {
    try {
      if (this.#closing === undefined) this.#sums.add(increment)
      else this.#emit({ ...increment, value: increment.value ?? 1 })
    } catch (error) {
      this.#rejectUnreadable(error)
    }
  }

  gauge(gauge: Gauge): () => void {
    return this.#gauges.start(gauge)
  }

  flush(): Promise<void> {
    this.#sums.flush()
    return this.#parts.timers.holdWhile(this.#parts.sender.flush())
  }

  close({ timeout = 10_000 }: { readonly timeout?: number | undefined } = {}): Promise<Closed> {
    this.#closing ??= this.#parts.timers.holdWhile(this.#close(timeout))
    return this.#closing
  }

  #emit(event: UsageEvent): string | undefined {
    return this.#store(event, (id, nowMs) => textOfEvent(event, id, nowMs))
  }

  #store(record: UsageEvent | UsageCorrection, textOf: (id: string, nowMs: number) => string): string | undefined {
    const { timers, store, reports, sender } = this.#parts
    try {
      const nowMs = timers.now()
      const id = record.event_id ?? uuidV7(nowMs)
      const text = textOf(id, nowMs)
      const dropped = this.#isClosed ? 'closed' : store.add({ text, bytes: utf8Bytes(text), addedMs: nowMs })
      if (dropped !== undefined) {
        reports.dropped([text], dropped)
        return undefined
      }
      sender.noteAdded()
      this.#keepAlive()
      return id
    } catch (error) {
      this.#rejectUnreadable(error)
      return undefined
    }
  }

  /** What is not an event, or has no JSON. The service never sees it. */
  #rejectUnreadable(error: unknown): void {
    this.#parts.reports.rejected(undefined, { reason: 'invalid_event', message: `The event cannot be written as JSON (${String(error)}).` })
  }

  #keepAlive(): void {
    const { waitUntil, sender } = this.#parts
    if (waitUntil === undefined || this.#isAwaited) return
    this.#isAwaited = true
    waitUntil(this.#untilIdle(sender))
  }

  async #untilIdle(sender: Sender): Promise<void> {
    // In the next microtask, so that what is emitted in one go is sent in one request.
    await Promise.resolve()
    this.#isAwaited = false
    await sender.flush()
  }

  async #close(timeout: number): Promise<Closed> {
    const { timers, sender, store, reports } = this.#parts
    this.#gauges.stopAll()
    this.#sums.flush()
    this.#isClosed = true
    const waiting = new AbortController()
    await Promise.race([sender.flush(), sleep(timers, timeout, waiting.signal)])
    waiting.abort()
    const { spooled, lost } = store.close(sender.stop())
    reports.dropped(
      lost.map(({ text }) => text),
      'not_delivered',
    )
    return { ...reports.totals, spooled }
  }
}
