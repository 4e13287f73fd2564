import type { DropReason, EventStore, StoredEvent } from './event-store.ts'

/**
 * Events in memory, up to two limits. The event that does not fit is dropped, which is the newest: what was accepted is never displaced.
 * Events that are being sent count until they have their outcome.
 */
export class MemoryStore<E extends StoredEvent = StoredEvent> implements EventStore {
  readonly #eventsMax: number
  readonly #bytesMax: number
  #queue: E[] = []
  /** The events before this index have been taken. */
  #head = 0
  #waitingBytes = 0
  #takenEvents = 0
  #takenBytes = 0

  constructor({ eventsMax, bytesMax }: { eventsMax: number; bytesMax: number }) {
    this.#eventsMax = eventsMax
    this.#bytesMax = bytesMax
  }

  get waitingEvents(): number {
    return this.#queue.length - this.#head
  }

  get waitingBytes(): number {
    return this.#waitingBytes
  }

  get oldestMs(): number | undefined {
    return this.#queue[this.#head]?.addedMs
  }

  hasRoom(bytes: number, events = 1): boolean {
    return this.waitingEvents + this.#takenEvents + events <= this.#eventsMax && this.#waitingBytes + this.#takenBytes + bytes <= this.#bytesMax
  }

  add(event: E): DropReason | undefined {
    if (!this.hasRoom(event.bytes)) return 'memory_full'
    this.push(event)
    return undefined
  }

  /** Adds an event without regard to the limits. */
  push(event: E): void {
    this.#queue.push(event)
    this.#waitingBytes += event.bytes
  }

  take(eventsMax: number, bytesMax: number): E[] {
    const from = this.#head
    // The brackets; each event has a comma, except the last.
    let bodyBytes = 1
    for (let event = this.#queue[from]; event !== undefined; event = this.#queue[this.#head]) {
      const taken = this.#head - from
      if (taken === eventsMax || (taken > 0 && bodyBytes + event.bytes + 1 > bytesMax)) break
      bodyBytes += event.bytes + 1
      this.#head += 1
      this.#waitingBytes -= event.bytes
      this.#takenBytes += event.bytes
    }
    const events = this.#queue.slice(from, this.#head)
    this.#takenEvents += events.length
    // Not after every batch, because that would copy a long queue each time.
    if (this.#head * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head)
      this.#head = 0
    }
    return events
  }

  forget(events: readonly StoredEvent[]): void {
    this.#takenEvents -= events.length
    for (const { bytes } of events) this.#takenBytes -= bytes
  }

  close(taken: readonly StoredEvent[]): { spooled: number; lost: StoredEvent[] } {
    return { spooled: 0, lost: [...taken, ...this.#queue.slice(this.#head)] }
  }
}
