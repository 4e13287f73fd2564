import type { Clock } from '../../../emitter/clock.ts'

/** A clock that a test moves. Timers run in their order, each at its own time. */
export class VirtualClock implements Clock {
  #nowMs: number
  #made = 0
  readonly #timers = new Map<number, { readonly atMs: number; readonly run: () => void }>()

  constructor(nowMs: number) {
    this.#nowMs = nowMs
  }

  now(): number {
    return this.#nowMs
  }

  setTimeout(run: () => void, afterMs: number): number {
    this.#made += 1
    this.#timers.set(this.#made, { atMs: this.#nowMs + Math.max(0, afterMs), run })
    return this.#made
  }

  clearTimeout(timer: unknown): void {
    this.#timers.delete(timer as number)
  }

  get timers(): number {
    return this.#timers.size
  }

  /** Moves the time on, and lets what each timer started come to rest before the next one. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms
    await rest()
    for (let due = this.#nextUntil(endMs); due !== undefined; due = this.#nextUntil(endMs)) {
      const [id, { atMs, run }] = due
      this.#timers.delete(id)
      this.#nowMs = Math.max(this.#nowMs, atMs)
      run()
      await rest()
    }
    this.#nowMs = endMs
  }

  /** Moves the time from timer to timer until the promise has a result. */
  async until<T>(promise: Promise<T>): Promise<T> {
    let ended = false
    const end = () => {
      ended = true
    }
    promise.then(end, end)
    await rest()
    while (!ended) {
      const next = this.#nextUntil(Number.POSITIVE_INFINITY)
      if (next === undefined) throw new Error('The promise waits, but no timer does.')
      await this.advance(next[1].atMs - this.#nowMs)
    }
    return promise
  }

  #nextUntil(endMs: number) {
    return [...this.#timers].filter(([, { atMs }]) => atMs <= endMs).sort(([a, first], [b, second]) => first.atMs - second.atMs || a - b)[0]
  }
}

/** Until no promise of what was called has a next step: a turn of the event loop runs all microtasks. */
export async function rest(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}
