import { repeat } from '../aggregator/repeat.ts'
import type { Logger } from '../metering/logger.ts'
import type { LastUsed } from '../registry/credentials/last-used.ts'

/** Stores the times at which credentials were last used, once a minute and when the service stops. */
export function flushLastUsed(lastUsed: LastUsed, logger: Logger): { stop(): Promise<void> } {
  const job = repeat({ name: 'last_used', everyMs: FLUSH_EVERY_MS, run: () => lastUsed.store(), logger })
  const stop = async () => {
    await job.stop()
    // No decision depends on these times, so an unreachable store must not keep the other resources from being closed.
    await lastUsed.store().catch((error: unknown) => logger.warn({ err: error }, 'the times at which credentials were last used could not be stored'))
  }
  return { stop }
}

const FLUSH_EVERY_MS = 60_000
