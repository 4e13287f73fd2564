import { repeat } from '../aggregator/repeat.ts'
import type { Logger } from '../metering/logger.ts'
import type { LastUsed } from '../registry/credentials/last-used.ts'

/** Stores now and then, and at the end, when credentials were used last. */
export function flushLastUsed(lastUsed: LastUsed, logger: Logger): { stop(): Promise<void> } {
  const storing = repeat({ name: 'last_used', everyMs: STORE_EVERY_MS, run: () => lastUsed.store(), logger })
  const stop = async () => {
    await storing.stop()
    // Nothing is decided by it: a store that is gone must not keep the rest from being closed.
    await lastUsed.store().catch((error: unknown) => logger.warn({ err: error }, 'when credentials were used last could not be stored'))
  }
  return { stop }
}

const STORE_EVERY_MS = 60_000
