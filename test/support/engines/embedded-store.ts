import { join } from 'node:path'
import { type ClickHouse, openClickHouse } from '../../../sql/clickhouse.ts'
import { type Migration, migrate } from '../../../sql/migrate.ts'
import { makeTemporaryDirectory } from '../temporary-directory.ts'
import { copyMigratedDirectory } from './migrated-directory.ts'

export interface TestStore {
  readonly clickhouse: ClickHouse
  close(): Promise<void>
}

/** Opens an embedded engine with all tables, or those of the given migrations, in a new directory. */
export async function openTestStore(migrations?: readonly Migration[]): Promise<TestStore> {
  const directory = makeTemporaryDirectory()
  if (migrations === undefined) copyMigratedDirectory(directory.path)
  const clickhouse = await openClickHouse({ engine: 'embedded', directory: join(directory.path, 'clickhouse') })
  if (migrations !== undefined) await migrate(clickhouse, { migrations })
  return {
    clickhouse,
    close: async () => {
      await clickhouse.close()
      directory.remove()
    },
  }
}
