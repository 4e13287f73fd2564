import type { Migration } from '../sql/migrate.ts'
import { readConfig } from './config.ts'
import { workOffline } from './open-store.ts'

/** Applies the pending migrations to the configured database and returns them. Throws ConfigError, StoreError. */
export function migrateStore(environment: NodeJS.ProcessEnv): Promise<readonly Migration[]> {
  return workOffline(readConfig(environment, 'migrate'), async (_, migrations) => migrations)
}
