import { createEmitter, type Emitter as EventEmitter, type UsageEvent } from '../emitter/emitter.ts'
import type { DemoEvent } from './world.ts'

export interface Emitted {
  sent: number
  accepted: number
  duplicates: number
  readonly rejectedByReason: Map<string, number>
}

interface EmitterOptions {
  readonly url: string
  readonly ingestKey: string
  readonly onProgress: (sent: number) => void
  /** Ends what is in progress. */
  readonly signal: AbortSignal
}

const EVENTS_PER_REQUEST = 5_000
const CONCURRENT_REQUESTS_MAX = 3
const BODY_BYTES_MAX = 10 * 1024 ** 2
const ENDED = 'The demo ended before all events were sent.'

/** Sends events as a platform would: with the emitter SDK, in requests of 5,000, three at a time. */
export class Emitter {
  readonly emitted: Emitted = { sent: 0, accepted: 0, duplicates: 0, rejectedByReason: new Map() }
  readonly #emitter: EventEmitter
  /** Rejects if the service rejects the key, or the story ends early: then a flush would wait forever. */
  readonly #failed: Promise<never>
  readonly #signal: AbortSignal

  constructor({ url, ingestKey, onProgress, signal }: EmitterOptions) {
    this.#signal = signal
    let fail: (error: Error) => void = () => {}
    this.#failed = new Promise((_, reject) => {
      fail = reject
    })
    this.#failed.catch(() => {})
    signal.addEventListener('abort', () => {
      fail(new Error(ENDED))
      void this.#emitter.close({ timeout: 0 })
    })
    const { emitted } = this
    this.#emitter = createEmitter({
      url,
      key: ingestKey,
      batchEventsMax: EVENTS_PER_REQUEST,
      batchBytesMax: BODY_BYTES_MAX,
      requestsMax: CONCURRENT_REQUESTS_MAX,
      onDelivered: ({ events, accepted, duplicates = 0 }) => {
        emitted.sent += events.length
        emitted.accepted += accepted
        emitted.duplicates += duplicates
        onProgress(emitted.sent)
      },
      onRejected: ({ reason }) => {
        emitted.sent += 1
        emitted.rejectedByReason.set(reason, (emitted.rejectedByReason.get(reason) ?? 0) + 1)
      },
      onProblem: ({ kind, message }) => kind === 'refused' && fail(new Error(`The events were not accepted: ${message}`)),
    })
  }

  /** Waits while more is buffered than the requests in progress hold. */
  async emit(events: readonly DemoEvent[]): Promise<void> {
    if (this.#signal.aborted) throw new Error(ENDED)
    // Some of them are mistakes on purpose.
    for (const event of events) this.#emitter.emit(event as UsageEvent)
    if (this.#emitter.totals.waiting > CONCURRENT_REQUESTS_MAX * EVENTS_PER_REQUEST) await this.flush()
  }

  /** Resolves when everything emitted so far is counted. */
  async flush(): Promise<void> {
    await Promise.race([this.#emitter.flush(), this.#failed])
  }
}
