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
 * Calls that wait until the platform knows a revision, whichever process told it. They are looked at together: one query
 * for all of them, not one each.
 */
export class ProvisionedWaits {
  readonly #clickhouse: ClickHouse
  readonly #waitMsMax: number
  readonly #waiting = new Set<PendingWait>()
  #looking: Promise<void> | undefined
  #isEnded = false

  constructor(clickhouse: ClickHouse, waitMsMax: number) {
    this.#clickhouse = clickhouse
    this.#waitMsMax = waitMsMax
  }

  /** The project once the platform knows the revision, or a later one, or it is deleted; undefined when that takes too long. */
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
      this.#looking ??= this.#lookAgainAndAgain()
    })
  }

  /** Something was delivered: those who wait for it need not wait for the next look. */
  async look(): Promise<void> {
    if (this.#waiting.size === 0) return
    const projectIds = new Set([...this.#waiting].map(({ projectId }) => projectId))
    const states = await readProvisionedStates(this.#clickhouse, [...projectIds]).catch((thrown: unknown) => {
      // A store that does not answer for a moment is no outcome: those who wait are told when their time is over.
      if (!(thrown instanceof StoreError)) throw thrown
      return []
    })
    const byId = new Map(states.map((state) => [state.projectId, state]))
    for (const { projectId, revision, resolve } of [...this.#waiting]) {
      const state = byId.get(projectId)
      if (state !== undefined && (state.provisionedRevision >= revision || state.status === 'deleted')) resolve(state)
    }
  }

  /** Nobody waits any more, as if the time were over. */
  async end(): Promise<void> {
    this.#isEnded = true
    for (const { resolve } of [...this.#waiting]) resolve(undefined)
    await this.#looking
  }

  async #lookAgainAndAgain(): Promise<void> {
    while (this.#waiting.size > 0) {
      await sleep(LOOK_EVERY_MS)
      await this.look()
    }
    this.#looking = undefined
  }
}

const LOOK_EVERY_MS = 250
