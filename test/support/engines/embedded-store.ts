import { cpSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { inject } from 'vitest'
import { type ClickHouse, openClickHouse } from '../../../sql/clickhouse.ts'
import { type Migration, migrate } from '../../../sql/migrate.ts'
import { makeTemporaryDirectory } from '../temporary-directory.ts'

export interface TestStore {
  readonly clickhouse: ClickHouse
  close(): Promise<void>
}

/** Opens an embedded engine with all tables, or those of the given migrations, in a new directory. */
export async function openTestStore(migrations?: readonly Migration[]): Promise<TestStore> {
  const directory = makeTemporaryDirectory()
  if (migrations === undefined) cpSync(join(inject('migratedDirectory'), 'clickhouse'), directory.path, { recursive: true, verbatimSymlinks: true })
  const clickhouse = await openClickHouse({ engine: 'embedded', directory: directory.path })
  if (migrations !== undefined) await migrate(clickhouse, { migrations })
  return {
    clickhouse,
    close: async () => {
      await clickhouse.close()
      // A statement that still runs ends only now, and may write. It needs the event loop, so the directory is not removed synchronously.
      await rm(directory.path, { recursive: true, force: true, maxRetries: REMOVE_RETRIES, retryDelay: 50 })
    },
  }
}

const REMOVE_RETRIES = 20
