import { StoreError } from '../sql/errors.ts'
import type { Actor } from './audit-log.ts'

/** A change may wait so long, for its turn in this process and for the log of the registry. What is under way is not given up. */
const CHANGE_MS_MAX = 30_000
/** A program that syncs what it has at once sends fewer. */
export const WAITING_PER_PARTNER_MAX = 100

/** This partner's changes come faster than they are done. Nothing of this one was done. */
export class TooManyWaiting extends Error {
  constructor() {
    super(`${WAITING_PER_PARTNER_MAX} changes of this partner wait for their turn. Send fewer at once, and the next when one is answered.`)
    this.name = 'TooManyWaiting'
  }
}

/** Throws StoreError when there is no time left for another attempt. */
export type RequireTime = () => void

/**
 * Changes run one at a time, and whose turn it is goes round: each partner has a line of its own, so that what one partner
 * sends at once holds up its own changes and not those of the others. Operators and the service wait for one change of
 * the partners' at most, however many partners there are.
 */
export class ChangeQueue {
  readonly #changeMsMax: number
  readonly #partners = new Lines()
  readonly #others = new Lines()
  #isBusy = false
  #partnersWereLast = false

  constructor(changeMsMax: number = CHANGE_MS_MAX) {
    this.#changeMsMax = changeMsMax
  }

  /** Throws TooManyWaiting, and StoreError when the turn comes too late. */
  async run<T>({ name }: Actor, work: (requireTime: RequireTime) => Promise<T>): Promise<T> {
    const untilMs = performance.now() + this.#changeMsMax
    // Waited for here and not by whoever gives the turn: what is asked of the store is counted for the request that asks it.
    if (this.#isBusy) await this.#turnOf(name)
    this.#isBusy = true
    this.#partnersWereLast = isPartner(name)
    try {
      return await work(() => {
        if (performance.now() >= untilMs) throw this.#tooLate()
      })
    } finally {
      this.#giveTurn()
    }
  }

  #turnOf(name: string): Promise<void> {
    const lines = isPartner(name) ? this.#partners : this.#others
    if (isPartner(name) && lines.lengthOf(name) >= WAITING_PER_PARTNER_MAX) return Promise.reject(new TooManyWaiting())
    return new Promise((resolve, reject) => {
      const begin = () => {
        clearTimeout(timer)
        resolve()
      }
      const timer = setTimeout(() => {
        lines.leave(name, begin)
        reject(this.#tooLate())
      }, this.#changeMsMax)
      lines.join(name, begin)
    })
  }

  #tooLate(): StoreError {
    return new StoreError('unavailable', `The registry was busy with other changes for ${this.#changeMsMax} ms. Try again.`)
  }

  /** It stays busy while someone waits, so that nobody who comes now goes first. */
  #giveTurn(): void {
    const [first, second] = this.#partnersWereLast ? [this.#others, this.#partners] : [this.#partners, this.#others]
    const next = first.next() ?? second.next()
    if (next === undefined) this.#isBusy = false
    else next()
  }
}

/** As actors are named (audit-log.ts). */
function isPartner(name: string): boolean {
  return name.startsWith('partner:')
}

/** A line for each name. Only names of whom someone waits are kept, in the order in which it is their turn. */
class Lines {
  readonly #lines = new Map<string, (() => void)[]>()

  lengthOf(name: string): number {
    return this.#lines.get(name)?.length ?? 0
  }

  join(name: string, begin: () => void): void {
    const line = this.#lines.get(name)
    if (line === undefined) this.#lines.set(name, [begin])
    else line.push(begin)
  }

  leave(name: string, begin: () => void): void {
    const left = this.#lines.get(name)?.filter((each) => each !== begin) ?? []
    if (left.length === 0) this.#lines.delete(name)
    else this.#lines.set(name, left)
  }

  /** Who waits longest of the name whose turn it is; that name goes behind the others. */
  next(): (() => void) | undefined {
    for (const [name, line] of this.#lines) {
      const begin = line.shift()
      this.#lines.delete(name)
      if (line.length > 0) this.#lines.set(name, line)
      return begin
    }
    return undefined
  }
}
