import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../metering/logger.ts'
import { type ClickHouse, type ClickHouseTarget, openClickHouse } from '../sql/clickhouse.ts'
import { StoreError } from '../sql/errors.ts'
import type { Config } from './config.ts'

export interface StoreWaiting {
  readonly logger: Pick<Logger, 'warn'>
  /** A server that does not answer is waited for at most so long. */
  readonly waitMsMax?: number
}

/** Of a machine that starts, or a server that is exchanged. Longer is a mistake that should be seen. */
const STORE_WAIT_MS_MAX = 60_000
const TRY_AGAIN_AFTER_MS = 3_000

/**
 * The ClickHouse that the configuration names: a server, or the engine in this process. A server may come up after whoever
 * needs it, so one that does not answer yet is waited for; one that refuses (wrong credentials) is not. Throws StoreError.
 */
export async function openStore(config: Config, { logger, waitMsMax = STORE_WAIT_MS_MAX }: StoreWaiting): Promise<ClickHouse> {
  if (config.CLICKHOUSE_URL === undefined) return openClickHouse({ engine: 'embedded', directory: join(config.DATA_DIR, 'clickhouse') })
  return untilItAnswers({ engine: 'server', url: config.CLICKHOUSE_URL }, Date.now() + waitMsMax, logger)
}

/** For a verb that is no service: standard output is its result's alone. */
export function warnOnStderr({ reason }: { reason?: string }, message: string): void {
  process.stderr.write(`${message} (${reason})\n`)
}

async function untilItAnswers(target: ClickHouseTarget, deadlineMs: number, logger: StoreWaiting['logger']): Promise<ClickHouse> {
  for (;;) {
    try {
      return await openClickHouse(target)
    } catch (thrown) {
      const leftMs = deadlineMs - Date.now()
      if (!(thrown instanceof StoreError) || thrown.fault !== 'unavailable' || leftMs <= 0) throw thrown
      logger.warn({ reason: thrown.message, waitsAtMostMs: leftMs }, 'ClickHouse does not answer yet; waiting for it')
      await sleep(Math.min(TRY_AGAIN_AFTER_MS, leftMs))
    }
  }
}
