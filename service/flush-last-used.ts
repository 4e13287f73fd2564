import { repeat } from '../aggregator/repeat.ts'
import type { Logger } from '../metering/logger.ts'
import type { Registry } from '../registry/registry.ts'

/** Stores when credentials were last used, and which ingest keys sent events of which projects: once a minute and when the service stops. */
export function flushLastUsed({ lastUsed, projectSenders }: Pick<Registry, 'lastUsed' | 'projectSenders'>, logger: Logger): { stop(): Promise<void> } {
  const store = async () => {
    await lastUsed.store()
    await projectSenders.store()
  }
  const job = repeat({ name: 'last_used', everyMs: FLUSH_EVERY_MS, run: store, logger })
  const stop = async () => {
    await job.stop()
    // No decision depends on these, so an unreachable store must not keep the other resources from being closed.
    await store().catch((error: unknown) => logger.warn({ err: error }, 'the times at which credentials were last used could not be stored'))
  }
  return { stop }
}

const FLUSH_EVERY_MS = 60_000
