import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../metering/logger.ts'
import type { Actor } from '../registry/audit-log.ts'
import { type ClickHouse, openClickHouse } from '../sql/clickhouse.ts'
import type { ShardCluster } from '../sql/coordinating-database.ts'
import { isUnavailable } from '../sql/errors.ts'
import { type Migration, migrate } from '../sql/migrate.ts'
import { databaseOf, openShards } from '../sql/open-shards.ts'
import { requireNoneRestored, requireWhole } from '../sql/pinned-places.ts'
import { type PrepareOptions, prepareShards } from '../sql/prepare-shards.ts'
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
  const urls = (config.CLICKHOUSE_URLS ?? [config.CLICKHOUSE_URL]).map((url) => withPassword(url, config.CLICKHOUSE_PASSWORD))
  const [url = ''] = urls
  const open = () => (urls.length > 1 ? openShards({ urls }) : openClickHouse({ engine: 'server', url }))
  return connectWithRetries(open, performance.now() + waitMsMax, logger)
}

/**
 * Applies the pending migrations to an open store, and checks that it is a whole one, or the one that was pinned. Returns the migrations.
 * To serve, a shard may be down, but none may have been restored without "meterline shard restored". To work offline, all must answer. Throws
 * StoreError.
 */
export async function prepareStore(config: Config, clickhouse: ClickHouse, { logger, to }: Pick<PrepareOptions, 'logger' | 'to'>): Promise<Migration[]> {
  if (clickhouse.shards !== undefined) {
    const applied = await prepareShards(clickhouse, shardClusterOf(config), { logger, to })
    if (to === 'serve') await requireNoneRestored(clickhouse)
    return applied
  }
  const applied = await migrate(clickhouse, { logger })
  if (clickhouse.engine === 'server') await requireWhole(clickhouse)
  return applied
}

/** The database in which a store of several servers is read, and the cluster of its tables. */
export function shardClusterOf(config: Config): ShardCluster {
  return { database: databaseOf(config.CLICKHOUSE_URL ?? ''), cluster: config.CLICKHOUSE_CLUSTER }
}

function withPassword(url: string, password: string | undefined): string {
  if (password === undefined) return url
  const complete = new URL(url)
  complete.username ||= 'default'
  // Encoded first: the setter leaves a percent sign as it is.
  complete.password = encodeURIComponent(password)
  return complete.href
}

/** Runs work on the configured store in this process, while no service does, and closes it. Throws ConfigError, StoreError, and what `work` throws. */
export async function workOffline<T>(
  config: Config,
  work: (clickhouse: ClickHouse, migrations: readonly Migration[]) => Promise<T>,
  to: Exclude<PrepareOptions['to'], 'serve'> = 'work offline',
): Promise<T> {
  const logger = { info: warnOnStderr, warn: warnOnStderr }
  const clickhouse = await openStore(config, { logger })
  try {
    return await work(clickhouse, await prepareStore(config, clickhouse, { logger, to }))
  } finally {
    await clickhouse.close()
  }
}

/** The actor in the audit log for such work. Running it needs access to DATA_DIR or the credentials of the database, not a token. */
export const OFFLINE: Actor = { name: 'offline', requestId: '' }

/** For a command that prints a result: only the result goes to standard output. */
function warnOnStderr({ reason }: { reason?: string }, message: string): void {
  process.stderr.write(`${message} (${reason})\n`)
}

async function connectWithRetries(open: () => Promise<ClickHouse>, deadlineMs: number, logger: OpenStoreOptions['logger']): Promise<ClickHouse> {
  for (;;) {
    try {
      return await open()
    } catch (thrown) {
      const leftMs = deadlineMs - performance.now()
      if (!isUnavailable(thrown) || leftMs <= 0) throw thrown
      logger.warn({ reason: thrown.message, waitMsMax: leftMs }, 'ClickHouse does not answer yet; waiting for it')
      await sleep(Math.min(RETRY_AFTER_MS, leftMs))
    }
  }
}
