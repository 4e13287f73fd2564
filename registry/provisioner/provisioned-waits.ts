import { setTimeout as sleep } from 'node:timers/promises'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { StoreError } from '../../sql/errors.ts'
import { type ProvisionedState, readProvisionedStates } from './pending-projects.ts'

interface PendingWait {
  readonly projectId: string
  readonly revision: number
  readonly resolve: (state: ProvisionedState | undefined) => void
}

/**
 * Calls that wait until the platform knows a revision, whichever process delivered it. One query checks all of them, so the
 * load on the store does not grow with the number of waiting calls.
 */
export class ProvisionedWaits {
  readonly #clickhouse: ClickHouse
  readonly #waitMsMax: number
  readonly #waiting = new Set<PendingWait>()
  #polling: Promise<void> | undefined
  #isEnded = false

  constructor(clickhouse: ClickHouse, waitMsMax: number) {
    this.#clickhouse = clickhouse
    this.#waitMsMax = waitMsMax
  }

  /** The project's state once the platform knows the revision or a later one, or the project is deleted; undefined when that takes too long. */
  wait(projectId: string, revision: number): Promise<ProvisionedState | undefined> {
    if (this.#isEnded) return Promise.resolve(undefined)
    return new Promise((resolve) => {
      const timer = setTimeout(() => waiting.resolve(undefined), this.#waitMsMax)
      const waiting: PendingWait = {
        projectId,
        revision,
        resolve: (state) => {
          clearTimeout(timer)
          this.#waiting.delete(waiting)
          resolve(state)
        },
      }
      this.#waiting.add(waiting)
      this.#polling ??= this.#pollWhileWaiting()
    })
  }

  /** Call it after a delivery, so that calls waiting for it do not have to wait for the next poll. */
  async check(): Promise<void> {
    if (this.#waiting.size === 0) return
    const projectIds = new Set([...this.#waiting].map(({ projectId }) => projectId))
    const states = await readProvisionedStates(this.#clickhouse, [...projectIds]).catch((thrown: unknown) => {
      // A store that does not answer for a moment decides nothing: the calls keep waiting until their time is over.
      if (!(thrown instanceof StoreError)) throw thrown
      return []
    })
    const byId = new Map(states.map((state) => [state.projectId, state]))
    for (const { projectId, revision, resolve } of [...this.#waiting]) {
      const state = byId.get(projectId)
      if (state !== undefined && (state.provisionedRevision >= revision || state.status === 'deleted')) resolve(state)
    }
  }

  /** Answers every waiting call immediately, as if its time were over, and all later ones. */
  async end(): Promise<void> {
    this.#isEnded = true
    for (const { resolve } of [...this.#waiting]) resolve(undefined)
    await this.#polling
  }

  async #pollWhileWaiting(): Promise<void> {
    while (this.#waiting.size > 0) {
      await sleep(POLL_EVERY_MS)
      await this.check()
    }
    this.#polling = undefined
  }
}

const POLL_EVERY_MS = 250
