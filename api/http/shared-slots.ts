import type { KeyedSemaphore, Release } from './keyed-semaphore.ts'

/** After this many requests in one slot, the next ones queue for another slot: one kind of request must not keep it forever. */
const REQUESTS_PER_SLOT_MAX = 200

interface Slot {
  readonly release: Promise<Release | undefined>
  requests: number
  running: number
}

/**
 * Slots of a semaphore for callers that send many requests of one kind at the same time. Requests of one kind share statements to the store
 * (sql/read-by-key.ts), so together they occupy it no more than one request, and they share its slot. Other requests have slots of their own.
 */
export class SharedSlots {
  readonly #semaphore: KeyedSemaphore
  readonly #slots = new Map<string, Slot>()

  constructor(semaphore: KeyedSemaphore) {
    this.#semaphore = semaphore
  }

  /** A slot as soon as one is free; undefined if too many of this caller wait already, or if it takes too long. */
  async acquire(caller: string, kind: string | undefined): Promise<Release | undefined> {
    if (kind === undefined) return this.#semaphore.acquire(caller)
    const id = JSON.stringify([caller, kind])
    const slot = this.#slotOf(id, caller)
    slot.requests += 1
    slot.running += 1
    const release = await slot.release
    let isReleased = false
    const leave = () => {
      if (isReleased) return
      isReleased = true
      slot.running -= 1
      if (slot.running > 0) return
      if (this.#slots.get(id) === slot) this.#slots.delete(id)
      release?.()
    }
    if (release !== undefined) return leave
    leave()
    return undefined
  }

  #slotOf(id: string, caller: string): Slot {
    const known = this.#slots.get(id)
    if (known !== undefined && known.requests < REQUESTS_PER_SLOT_MAX) return known
    const slot: Slot = { release: this.#semaphore.acquire(caller), requests: 0, running: 0 }
    this.#slots.set(id, slot)
    return slot
  }
}
