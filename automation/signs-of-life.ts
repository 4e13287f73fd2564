import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../metering/logger.ts'

export interface SignsOfLife {
  readonly everyMs: number
  /** Gives a sign of life if it is time for one. */
  readonly give: () => Promise<void>
  readonly logger: Logger
}

/**
 * Gives signs of life on a timer of their own, so that they go on while the owner of a lease waits for something else. Unlike a background
 * job (repeat.ts) it does not pause longer after a slow statement, because another process would take the lease meanwhile.
 */
export function repeatSignsOfLife({ everyMs, give, logger }: SignsOfLife): { stop(): Promise<void> } {
  const stopping = new AbortController()
  const { signal } = stopping
  const loop = async () => {
    while (!signal.aborted) {
      await give().catch((err: unknown) => logger.warn({ err }, 'a sign of life was not stored; another process may take over the lease'))
      await sleep(everyMs, undefined, { signal }).catch(() => {})
    }
  }
  const running = loop()
  return {
    stop: () => {
      stopping.abort()
      return running
    },
  }
}
