import { z } from 'zod'
import type { DemoClient } from './demo-client.ts'
import type { DemoEvent } from './world.ts'

export interface Emitted {
  sent: number
  accepted: number
  duplicates: number
  readonly rejectedByReason: Map<string, number>
}

const EVENTS_PER_REQUEST = 5_000
const CONCURRENT_REQUESTS_MAX = 3

const Receipt = z.object({ accepted: z.coerce.number(), duplicates: z.coerce.number(), rejected: z.array(z.object({ reason: z.string() })) })

/** Sends events as a platform would: in requests of 5,000, three at a time. */
export class Emitter {
  readonly emitted: Emitted = { sent: 0, accepted: 0, duplicates: 0, rejectedByReason: new Map() }
  readonly #client: DemoClient
  readonly #ingestKey: string
  readonly #onProgress: (sent: number) => void
  readonly #inFlight = new Set<Promise<void>>()
  #waiting: DemoEvent[] = []
  #failure: unknown

  constructor(client: DemoClient, { ingestKey, onProgress }: { ingestKey: string; onProgress: (sent: number) => void }) {
    this.#client = client
    this.#ingestKey = ingestKey
    this.#onProgress = onProgress
  }

  async emit(events: readonly DemoEvent[]): Promise<void> {
    this.#waiting.push(...events)
    while (this.#waiting.length >= EVENTS_PER_REQUEST) await this.#send(this.#waiting.splice(0, EVENTS_PER_REQUEST))
  }

  /** Resolves when everything emitted so far is counted. */
  async flush(): Promise<void> {
    if (this.#waiting.length > 0) await this.#send(this.#waiting.splice(0))
    await Promise.all(this.#inFlight)
    this.#requireNoFailure()
  }

  async #send(events: readonly DemoEvent[]): Promise<void> {
    // The failure is stored and thrown later: nothing awaits this promise yet, and an unhandled rejection would end the process.
    const sending = this.#deliver(events)
      .catch((error: unknown) => {
        this.#failure ??= error
      })
      .finally(() => this.#inFlight.delete(sending))
    this.#inFlight.add(sending)
    if (this.#inFlight.size >= CONCURRENT_REQUESTS_MAX) await Promise.race(this.#inFlight)
    this.#requireNoFailure()
  }

  #requireNoFailure(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  async #deliver(events: readonly DemoEvent[]): Promise<void> {
    const { accepted, duplicates, rejected } = Receipt.parse(await this.#client.emit(this.#ingestKey, events))
    this.emitted.sent += events.length
    this.emitted.accepted += accepted
    this.emitted.duplicates += duplicates
    for (const { reason } of rejected) this.emitted.rejectedByReason.set(reason, (this.emitted.rejectedByReason.get(reason) ?? 0) + 1)
    this.#onProgress(this.emitted.sent)
  }
}
