import { z } from 'zod'
import type { Registry } from '../../../registry/registry.ts'
import { type ClickHouse, openClickHouse } from '../../../sql/clickhouse.ts'
import { migrate } from '../../../sql/migrate.ts'
import { defineQuery } from '../../../sql/query.ts'
import { clickHouseForTests } from '../engines/clickhouse-server.ts'
import { openTestRegistry } from './test-registry.ts'

/** Noon of the last day of a month. */
export const NOON_MS = Date.UTC(2026, 0, 31, 12)

export interface KeysWorld {
  /** The registries of two processes on one store, with a common clock. */
  readonly registries: readonly [Registry, Registry]
  readonly clickhouse: ClickHouse
  /** The clock of both, in ms since 1970; tests advance it. */
  now: number
  close(): Promise<void>
}

export interface KeysWorlds {
  /** Each run begins with a store without keys. */
  inWorld(run: (world: KeysWorld) => Promise<void>): Promise<void>
  close(): Promise<void>
}

export async function openKeysWorlds(): Promise<KeysWorlds> {
  const server = await clickHouseForTests()
  const url = server.newDatabase()
  const inWorld = async (run: (world: KeysWorld) => Promise<void>) => {
    const world = await openWorld(url)
    try {
      await run(world)
    } finally {
      await world.close()
    }
  }
  return { inWorld, close: () => server.stop() }
}

/** Makes both processes read the keys again, as their caches do after one second. */
export function expireCaches({ registries }: KeysWorld): void {
  for (const { signingKeys } of registries) signingKeys.clear()
}

async function openWorld(url: string): Promise<KeysWorld> {
  const stores = [await openClickHouse({ engine: 'server', url }), await openClickHouse({ engine: 'server', url })] as const
  // All tables are emptied rather than created again, which takes ten times as long.
  if ((await migrate(stores[0])).length === 0) await empty(stores[0])
  const world = { now: NOON_MS }
  const now = () => world.now
  const registries = [await openTestRegistry(stores[0], { now }), await openTestRegistry(stores[1], { now })] as const
  const close = async () => {
    for (const store of stores) await store.close()
  }
  return Object.assign(world, { registries, clickhouse: stores[0], close })
}

const storedTables = defineQuery({
  name: 'stored_tables',
  sql: "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree' AND name != 'schema_migrations_v1'",
  params: z.object({}),
  row: z.object({ name: z.string() }),
})

async function empty({ control }: ClickHouse): Promise<void> {
  for (const { name } of await control.query(storedTables, {})) await control.command(`TRUNCATE TABLE ${name}`)
}
