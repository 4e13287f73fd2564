import type { Clock } from './clock.ts'

/** Timers that do not keep a process alive, except while somebody waits for their result. */
export class Timers implements Clock {
  readonly #clock: Clock
  readonly #running = new Set<unknown>()
  #holders = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  now(): number {
    return this.#clock.now()
  }

  setTimeout(run: () => void, afterMs: number): unknown {
    const timer = this.#clock.setTimeout(() => {
      this.#running.delete(timer)
      run()
    }, afterMs)
    this.#running.add(timer)
    if (this.#holders === 0) (timer as NodeTimer).unref?.()
    return timer
  }

  clearTimeout(timer: unknown): void {
    this.#running.delete(timer)
    this.#clock.clearTimeout(timer)
  }

  /** Keeps the process alive until the promise has its result. Without this, Node would end in the middle of `await emitter.flush()`. */
  async holdWhile<T>(promise: Promise<T>): Promise<T> {
    this.#holders += 1
    if (this.#holders === 1) for (const timer of this.#running) (timer as NodeTimer).ref?.()
    try {
      return await promise
    } finally {
      this.#holders -= 1
      if (this.#holders === 0) for (const timer of this.#running) (timer as NodeTimer).unref?.()
    }
  }
}

/** A timer is a number in browsers and workers, where nothing has to be kept alive. */
interface NodeTimer {
  ref?(): void
  unref?(): void
}
