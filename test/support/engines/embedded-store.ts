import { type ClickHouse, openClickHouse } from '../../../sql/clickhouse.ts'
import { migrate } from '../../../sql/migrate.ts'
import { makeTemporaryDirectory } from '../temporary-directory.ts'

export interface TestStore {
  readonly clickhouse: ClickHouse
  close(): Promise<void>
}

/** Opens an embedded engine with all tables in a new directory. */
export async function openTestStore(): Promise<TestStore> {
  const directory = makeTemporaryDirectory()
  const clickhouse = await openClickHouse({ engine: 'embedded', directory: directory.path })
  await migrate(clickhouse)
  return {
    clickhouse,
    close: async () => {
      await clickhouse.close()
      directory.remove()
    },
  }
}
