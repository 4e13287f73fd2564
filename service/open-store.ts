import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../metering/logger.ts'
import { type ClickHouse, type ClickHouseTarget, openClickHouse } from '../sql/clickhouse.ts'
import { StoreError } from '../sql/errors.ts'
import type { Config } from './config.ts'

export interface OpenStoreOptions {
  readonly logger: Pick<Logger, 'warn'>
  /** How long to wait for a server that does not answer yet. */
  readonly waitMsMax?: number
}

/** Long enough for a machine to boot or a server to be replaced. A longer outage fails the start, so that it is noticed. */
const STORE_WAIT_MS_MAX = 60_000
const RETRY_AFTER_MS = 3_000

/**
 * Opens the configured ClickHouse: a server, or the engine in this process. A server may come up after its clients, so one that
 * does not answer yet is retried; one that rejects the connection (wrong credentials) is not. Throws StoreError.
 */
export async function openStore(config: Config, { logger, waitMsMax = STORE_WAIT_MS_MAX }: OpenStoreOptions): Promise<ClickHouse> {
  if (config.CLICKHOUSE_URL === undefined) return openClickHouse({ engine: 'embedded', directory: join(config.DATA_DIR, 'clickhouse') })
  return connectWithRetries({ engine: 'server', url: withPassword(config.CLICKHOUSE_URL, config.CLICKHOUSE_PASSWORD) }, performance.now() + waitMsMax, logger)
}

function withPassword(url: string, password: string | undefined): string {
  if (password === undefined) return url
  const complete = new URL(url)
  complete.username ||= 'default'
  // Encoded first: the setter leaves a percent sign as it is.
  complete.password = encodeURIComponent(password)
  return complete.href
}

/** For a command that prints a result: only the result goes to standard output. */
export function warnOnStderr({ reason }: { reason?: string }, message: string): void {
  process.stderr.write(`${message} (${reason})\n`)
}

async function connectWithRetries(target: ClickHouseTarget, deadlineMs: number, logger: OpenStoreOptions['logger']): Promise<ClickHouse> {
  for (;;) {
    try {
      return await openClickHouse(target)
    } catch (thrown) {
      const leftMs = deadlineMs - performance.now()
      if (!(thrown instanceof StoreError) || thrown.fault !== 'unavailable' || leftMs <= 0) throw thrown
      logger.warn({ reason: thrown.message, waitMsMax: leftMs }, 'ClickHouse does not answer yet; waiting for it')
      await sleep(Math.min(RETRY_AFTER_MS, leftMs))
    }
  }
}
