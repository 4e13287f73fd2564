import type { Migration } from '../sql/migrate.ts'
import { readConfig } from './config.ts'
import { openStore, prepareStore, warnOnStderr } from './open-store.ts'

/** Applies the pending migrations to the configured database and returns them. Throws ConfigError, StoreError. */
export async function migrateStore(environment: NodeJS.ProcessEnv): Promise<Migration[]> {
  const config = readConfig(environment, 'migrate')
  const clickhouse = await openStore(config, { logger: { warn: warnOnStderr } })
  try {
    return await prepareStore(config, clickhouse, { logger: { info: warnOnStderr, warn: warnOnStderr }, to: 'work offline' })
  } finally {
    await clickhouse.close()
  }
}
