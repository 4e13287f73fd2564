import { readConfig } from '../../service/config.ts'
import { openStore, warnOnStderr } from '../../service/open-store.ts'
import { migrate } from '../../sql/migrate.ts'
import { type OutputOptions, printResult } from '../output.ts'

/** Brings the database to the shape this code needs. */
export async function migrateStore(environment: NodeJS.ProcessEnv, options: OutputOptions): Promise<void> {
  const clickhouse = await openStore(readConfig(environment), { logger: { warn: warnOnStderr } })
  try {
    const applied = await migrate(clickhouse)
    const names = applied.map(({ number, name }) => `${String(number).padStart(3, '0')}_${name}`)
    printResult(options, { applied: names }, () => (names.length === 0 ? ['The database is up to date.'] : names.map((name) => `applied ${name}`)))
  } finally {
    await clickhouse.close()
  }
}
