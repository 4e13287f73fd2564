import { StoreError } from '../sql/errors.ts'
import type { Actor } from './audit-log.ts'

/** How long a change may wait for its slot in this process and for the lease of the registry. A running change is not interrupted. */
const CHANGE_MS_MAX = 30_000
/** Generous: a program that syncs all its projects in parallel sends fewer. */
export const WAITING_PER_PARTNER_MAX = 100

/** A partner sends changes faster than they are carried out. Nothing of the rejected change was done. */
export class TooManyWaiting extends Error {
  constructor() {
    super(`${WAITING_PER_PARTNER_MAX} changes of this partner are already waiting. Send fewer in parallel, and the next one when one is answered.`)
    this.name = 'TooManyWaiting'
  }
}

/** Throws StoreError when no time is left for another attempt. */
export type RequireTime = () => void

/**
 * Changes run one at a time, round-robin across one queue per partner: a partner that sends many in parallel delays its own
 * changes, not those of other partners. Changes of partners alternate with those of operators and the service, which so wait
 * for at most one change of a partner, however many partners there are.
 */
export class ChangeQueue {
  readonly #changeMsMax: number
  readonly #partners = new RoundRobin()
  readonly #others = new RoundRobin()
  #isBusy = false
  #lastWasPartner = false

  constructor(changeMsMax: number = CHANGE_MS_MAX) {
    this.#changeMsMax = changeMsMax
  }

  /** Throws TooManyWaiting, and StoreError when no slot came in time. */
  async run<T>({ name }: Actor, work: (requireTime: RequireTime) => Promise<T>): Promise<T> {
    const untilMs = performance.now() + this.#changeMsMax
    // The caller waits here and runs `work` itself, so that queries are attributed to the request that causes them.
    if (this.#isBusy) await this.#waitForSlot(name)
    this.#isBusy = true
    this.#lastWasPartner = isPartner(name)
    try {
      return await work(() => {
        if (performance.now() >= untilMs) throw this.#timedOut()
      })
    } finally {
      this.#startNext()
    }
  }

  #waitForSlot(name: string): Promise<void> {
    const queue = isPartner(name) ? this.#partners : this.#others
    if (isPartner(name) && queue.lengthOf(name) >= WAITING_PER_PARTNER_MAX) return Promise.reject(new TooManyWaiting())
    return new Promise((resolve, reject) => {
      const start = () => {
        clearTimeout(timer)
        resolve()
      }
      const timer = setTimeout(() => {
        queue.remove(name, start)
        reject(this.#timedOut())
      }, this.#changeMsMax)
      queue.add(name, start)
    })
  }

  #timedOut(): StoreError {
    return new StoreError('unavailable', `The registry was busy with other changes for ${this.#changeMsMax} ms. Try again.`)
  }

  /** Stays busy while a change waits, so that a change that arrives now does not overtake it. */
  #startNext(): void {
    const [first, second] = this.#lastWasPartner ? [this.#others, this.#partners] : [this.#partners, this.#others]
    const start = first.next() ?? second.next()
    if (start === undefined) this.#isBusy = false
    else start()
  }
}

/** By the names of actors (audit-log.ts). */
function isPartner(name: string): boolean {
  return name.startsWith('partner:')
}

/** A first-in, first-out queue for each name; the names are served in rotation. Names without waiting changes are not stored. */
class RoundRobin {
  readonly #queues = new Map<string, (() => void)[]>()

  lengthOf(name: string): number {
    return this.#queues.get(name)?.length ?? 0
  }

  add(name: string, start: () => void): void {
    const queue = this.#queues.get(name)
    if (queue === undefined) this.#queues.set(name, [start])
    else queue.push(start)
  }

  remove(name: string, start: () => void): void {
    const left = this.#queues.get(name)?.filter((each) => each !== start) ?? []
    if (left.length === 0) this.#queues.delete(name)
    else this.#queues.set(name, left)
  }

  /** The longest waiting change of the name that was served least recently; that name moves to the end of the rotation. */
  next(): (() => void) | undefined {
    for (const [name, queue] of this.#queues) {
      const start = queue.shift()
      this.#queues.delete(name)
      if (queue.length > 0) this.#queues.set(name, queue)
      return start
    }
    return undefined
  }
}
