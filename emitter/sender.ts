import { sleep } from './clock.ts'
import { type Delivery, deliverTexts } from './deliver.ts'
import type { EventStore, StoredEvent } from './event-store.ts'
import type { Reports } from './hooks.ts'
import type { Post } from './post.ts'
import type { Timers } from './timers.ts'

export interface SenderOptions {
  readonly batchEventsMax: number
  readonly batchBytesMax: number
  readonly batchAgeMs: number
  readonly requestsMax: number
  readonly refusedRetryMs: number
  readonly post: Post
  readonly store: EventStore
  readonly timers: Timers
  readonly random: () => number
  readonly reports: Reports
}

interface Batch {
  /** The number of its first event, counted from the first that was ever added. */
  readonly first: number
  events: readonly StoredEvent[]
}

/** Sends what waits in the store: a batch when it is full, when its oldest event is old enough, and when somebody waits for it. */
export class Sender {
  readonly #options: SenderOptions
  readonly #ending = new AbortController()
  readonly #inFlight = new Set<Batch>()
  #added: number
  /** Events up to this number are sent without waiting for a full batch. */
  #flushed = 0
  #waiters: { readonly through: number; readonly resolve: () => void }[] = []
  #ageTimer: unknown
  #isWoken = false

  constructor(options: SenderOptions) {
    this.#options = options
    // Events of an earlier process.
    this.#added = options.store.waitingEvents
    this.#flushed = this.#added
    this.#wake()
  }

  /** An event was added to the store. */
  noteAdded(): void {
    this.#added += 1
    // When all requests are in progress, the end of one of them sends the next batch.
    if (this.#inFlight.size >= this.#options.requestsMax) return
    if (this.#isFull()) this.#wake()
    else if (this.#ageTimer === undefined) this.#armAgeTimer()
  }

  /** Resolves when every event added so far has its outcome. */
  flush(): Promise<void> {
    const through = this.#added
    this.#flushed = through
    this.#wake()
    return new Promise((resolve) => {
      this.#waiters.push({ through, resolve })
    })
  }

  /** Ends the requests in progress, and returns their events. */
  stop(): StoredEvent[] {
    this.#ending.abort()
    this.#options.timers.clearTimeout(this.#ageTimer)
    return [...this.#inFlight].flatMap(({ events }) => events)
  }

  /** Sends later, because the caller of emit() must not wait until a body is built. */
  #wake(): void {
    if (this.#isWoken) return
    this.#isWoken = true
    queueMicrotask(() => {
      this.#isWoken = false
      this.#sendWhatIsDue()
    })
  }

  #sendWhatIsDue(): void {
    const { store, batchEventsMax, batchBytesMax, requestsMax } = this.#options
    while (!this.#ending.signal.aborted && this.#inFlight.size < requestsMax && (this.#isFull() || this.#isDue())) {
      const first = this.#added - store.waitingEvents
      const batch: Batch = { first, events: store.take(batchEventsMax, batchBytesMax) }
      if (batch.events.length === 0) break
      this.#inFlight.add(batch)
      void this.#send(batch)
    }
    this.#resolveWaiters()
    this.#armAgeTimer()
  }

  #isFull(): boolean {
    const { store, batchEventsMax, batchBytesMax } = this.#options
    const { waitingEvents } = store
    return waitingEvents >= batchEventsMax || store.waitingBytes + waitingEvents + 1 >= batchBytesMax
  }

  #isDue(): boolean {
    const { store, timers, batchAgeMs } = this.#options
    const { oldestMs, waitingEvents } = store
    return waitingEvents > 0 && (this.#added - waitingEvents < this.#flushed || (oldestMs !== undefined && oldestMs + batchAgeMs <= timers.now()))
  }

  #armAgeTimer(): void {
    const { store, timers, batchAgeMs, requestsMax } = this.#options
    timers.clearTimeout(this.#ageTimer)
    this.#ageTimer = undefined
    const { oldestMs } = store
    if (oldestMs === undefined || this.#inFlight.size >= requestsMax || this.#ending.signal.aborted) return
    this.#ageTimer = timers.setTimeout(
      () => {
        this.#ageTimer = undefined
        this.#sendWhatIsDue()
      },
      Math.max(0, oldestMs + batchAgeMs - timers.now()),
    )
  }

  /** Until every event of the batch has its outcome, or stop() is called. */
  async #send(batch: Batch): Promise<void> {
    const { post, timers, random, reports, refusedRetryMs } = this.#options
    const { signal } = this.#ending
    while (!signal.aborted) {
      const delivery = await deliverTexts(
        batch.events.map(({ text }) => text),
        post,
        {
          signal,
          clock: timers,
          random,
          onRetry: ({ httpStatus, message, retryInMs }) => reports.problem({ kind: 'no_delivery', httpStatus, message, retryInMs }),
        },
      )
      // From here on close() has reported these events.
      if (signal.aborted) return
      this.#noteOutcomes(batch, delivery)
      if (delivery.failure === undefined) break
      const { httpStatus, code, message } = delivery.failure
      reports.problem({ kind: 'refused', httpStatus, code, message, retryInMs: refusedRetryMs })
      await sleep(timers, refusedRetryMs, signal)
    }
    if (signal.aborted) return
    this.#inFlight.delete(batch)
    this.#sendWhatIsDue()
  }

  #noteOutcomes(batch: Batch, { outcomes, accepted, duplicates }: Delivery): void {
    const { store, reports } = this.#options
    const { events } = batch
    const withStatus = (status: string) => events.filter((_, index) => outcomes[index]?.status === status)
    const delivered = withStatus('delivered')
    batch.events = withStatus('undelivered')
    store.forget(events.filter((_, index) => outcomes[index]?.status !== 'undelivered'))
    reports.delivered(
      delivered.map(({ text }) => text),
      { accepted, duplicates },
    )
    for (const [index, { text }] of events.entries()) {
      const outcome = outcomes[index]
      if (outcome?.status === 'rejected') reports.rejected(text, outcome)
    }
  }

  #resolveWaiters(): void {
    let oldest = this.#added - this.#options.store.waitingEvents
    for (const { first } of this.#inFlight) oldest = Math.min(oldest, first)
    const done = this.#waiters.filter(({ through }) => through <= oldest)
    this.#waiters = this.#waiters.filter(({ through }) => through > oldest)
    for (const { resolve } of done) resolve()
  }
}
