import type { Lease } from '../../sql/lease.ts'
import { EventsUnavailable } from '../log/event-log.ts'

/** Work that waits for the log to be locked. */
interface PendingLock {
  run(lease: Lease): Promise<void>
  reject(error: Error): void
}

/** The work that waits until no batch is in flight. */
export class PendingLocks {
  #waiting: PendingLock[] = []

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  add<T>(work: (lease: Lease) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ run: (lease) => work(lease).then(resolve, reject), reject })
    })
  }

  rejectAll(cause: unknown): void {
    for (const { reject } of this.#waiting.splice(0)) reject(notLocked('a write to it failed', cause))
  }

  /**
   * Runs what waits now, one at a time, so that what waits behind a failed one is rejected; and nothing that comes meanwhile, so that
   * batches are not starved. The heartbeat goes on: a log that seems abandoned would be taken over and written to by another process.
   */
  async run(lease: () => Lease, heartbeat: { everyMs: number; send: () => Promise<void> }): Promise<void> {
    for (let left = this.#waiting.length; left > 0; left -= 1) {
      let sent = Promise.resolve()
      const timer = setInterval(() => {
        sent = sent.then(heartbeat.send)
        sent.catch(() => {})
      }, heartbeat.everyMs)
      await this.#waiting.shift()?.run(lease())
      clearInterval(timer)
      await sent
    }
  }
}

export function notLocked(reason: string | undefined, cause?: unknown): EventsUnavailable {
  return new EventsUnavailable(`The log cannot be locked right now: ${reason}. Try again later.`, cause)
}
