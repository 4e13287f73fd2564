import { type Migration, migrate } from '../sql/migrate.ts'
import { readConfig } from './config.ts'
import { openStore, warnOnStderr } from './open-store.ts'

/** Applies the pending migrations to the configured database and returns them. Throws ConfigError, StoreError. */
export async function migrateStore(environment: NodeJS.ProcessEnv): Promise<Migration[]> {
  const clickhouse = await openStore(readConfig(environment, 'migrate'), { logger: { warn: warnOnStderr } })
  try {
    return await migrate(clickhouse, { logger: { info: warnOnStderr } })
  } finally {
    await clickhouse.close()
  }
}
