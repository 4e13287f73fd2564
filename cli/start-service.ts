import type { Logger } from 'pino'
import { buildApp } from '../api/app.ts'
import { listen } from '../api/server.ts'
import { openHttpLog } from '../ingest/http-log.ts'
import { openRegistry } from '../registry/registry.ts'
import type { ClickHouse } from '../sql/clickhouse.ts'
import { migrate } from '../sql/migrate.ts'
import { Closers } from './closers.ts'
import type { Config } from './config.ts'
import { loadInstanceSecrets } from './instance-secrets.ts'
import { openStore } from './store.ts'

export interface Service {
  readonly url: string
  readonly clickhouse: ClickHouse
  readonly adminToken: string
  readonly adminTokenPath: string | undefined
  /** Answers what has begun, stores what waits, closes. Loses nothing. */
  stop(): Promise<void>
  /** Rejects when the service can never write again; who started it stops it. */
  readonly lost: Promise<never>
}

/** The whole service in this process: store, registry, event log, api; wired by hand, in the order they need each other. */
export async function startService(config: Config, logger: Logger): Promise<Service> {
  const closers = new Closers()
  let lose: (error: Error) => void = () => {}
  const lost = new Promise<never>((_, reject) => {
    lose = reject
  })
  lost.catch(() => {})
  try {
    const clickhouse = await openStore(config)
    closers.add(() => clickhouse.close())
    const migrations = await migrate(clickhouse)
    if (migrations.length > 0) logger.info({ migrations: migrations.map(({ name }) => name) }, 'migrations applied')
    const secrets = loadInstanceSecrets(config)
    const registry = await openRegistry({ clickhouse, masterKey: secrets.masterKey, projectHost: config.PROJECT_HOST })
    const eventLog = await openHttpLog({ clickhouse, log: logger, onLost: lose })
    closers.add(() => eventLog.stop())
    const app = await buildApp({
      clickhouse,
      registry,
      eventLog,
      adminToken: secrets.adminToken,
      betweenBatches: eventLog.betweenBatches,
      logger,
      now: Date.now,
      requestsPerMinute: config.RATE_LIMIT_PER_MINUTE,
      eventRequestsPerMinute: config.EVENT_REQUESTS_PER_MINUTE,
    })
    const listening = await listen(app, { host: config.HOST, port: config.PORT })
    closers.add(() => listening.close())
    const { adminToken, adminTokenPath } = secrets
    return { url: listening.url, clickhouse, adminToken, adminTokenPath, stop: () => closers.closeAll(), lost }
  } catch (error) {
    await closers.closeAll()
    throw error
  }
}
