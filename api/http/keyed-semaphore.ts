/** How many of one key, and of all keys, may run and wait. */
export interface KeyedSemaphoreLimits {
  readonly perKeyMax: number
  readonly totalMax: number
  /** Callers of one key that may wait; 0 rejects immediately what cannot run. */
  readonly waitingPerKeyMax: number
  readonly waitMsMax: number
}

/** Gives a slot back. Calling it again has no effect. */
export type Release = () => void

interface Waiter {
  readonly key: string
  start(): void
}

/**
 * Limits how much runs at the same time, per key and in total. Waiting callers get free slots in the order in which they
 * came, except that a key at its own limit is passed over: one caller's queue must not hold up the others.
 */
export class KeyedSemaphore {
  readonly #limits: KeyedSemaphoreLimits
  readonly #running = new Map<string, number>()
  readonly #waiting: Waiter[] = []
  #total = 0

  constructor(limits: KeyedSemaphoreLimits) {
    this.#limits = limits
  }

  /** A slot, or undefined if none is free. */
  tryAcquire(key: string): Release | undefined {
    return this.#isFree(key) ? this.#occupy(key) : undefined
  }

  /** A slot as soon as one is free; undefined if too many callers of this key wait already, or if it takes longer than `waitMsMax`. */
  async acquire(key: string): Promise<Release | undefined> {
    const free = this.tryAcquire(key)
    if (free !== undefined) return free
    if (this.#waiting.filter((each) => each.key === key).length >= this.#limits.waitingPerKeyMax) return undefined
    return new Promise((resolve) => {
      const waiter: Waiter = {
        key,
        start: () => {
          clearTimeout(timer)
          resolve(this.#occupy(key))
        },
      }
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1)
        resolve(undefined)
      }, this.#limits.waitMsMax)
      this.#waiting.push(waiter)
    })
  }

  #isFree(key: string): boolean {
    return (this.#running.get(key) ?? 0) < this.#limits.perKeyMax && this.#total < this.#limits.totalMax
  }

  #occupy(key: string): Release {
    this.#running.set(key, (this.#running.get(key) ?? 0) + 1)
    this.#total += 1
    let released = false
    return () => {
      if (released) return
      released = true
      this.#release(key)
    }
  }

  #release(key: string): void {
    const left = (this.#running.get(key) ?? 1) - 1
    if (left > 0) this.#running.set(key, left)
    else this.#running.delete(key)
    this.#total -= 1
    const next = this.#waiting.findIndex((waiter) => this.#isFree(waiter.key))
    if (next >= 0) this.#waiting.splice(next, 1)[0]?.start()
  }
}
