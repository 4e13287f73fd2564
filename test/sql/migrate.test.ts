import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { type ClickHouse, openClickHouse } from '../../sql/clickhouse.ts'
import { type Migration, migrate, readMigrations } from '../../sql/migrate.ts'
import { defineQuery } from '../../sql/query.ts'
import { clickHouseForTests, type TestClickHouse } from '../support/engines/clickhouse-server.ts'

let server: TestClickHouse
let all: Migration[]
let url: string
let clickhouse: ClickHouse
beforeAll(async () => {
  server = await clickHouseForTests()
  all = await readMigrations()
})
afterAll(() => server.stop())
beforeEach(async () => {
  url = server.newDatabase()
  clickhouse = await openClickHouse({ engine: 'server', url })
})
afterEach(() => clickhouse.close())

test('migrations are applied once and in order, and the second time nothing is changed', async () => {
  expect(await migrate(clickhouse)).toEqual(all)
  expect(await clickhouse.reads.query(appliedRows, {})).toEqual(all.map(({ number, name, sha256 }) => ({ number, name, sha256 })))
  const before = await clickhouse.reads.query(tables, {})
  expect(before.length).toBeGreaterThan(all.length)

  expect(await migrate(clickhouse)).toEqual([])
  expect(await clickhouse.reads.query(appliedRows, {})).toHaveLength(all.length)
  expect(await clickhouse.reads.query(tables, {})).toEqual(before)
})

test('only what is missing is applied, and what is stored stays', async () => {
  const older = all.slice(0, -2)
  await migrate(clickhouse, older)
  await clickhouse.control.insert({ table: 'log_owners_v1', columns: ['log', 'epoch', 'owner'], text: 'kept\t1\tsomebody\n' })
  expect(await migrate(clickhouse)).toEqual(all.slice(-2))
  expect(await clickhouse.reads.query(owners, {})).toEqual([{ log: 'kept' }])
})

test('a run that was killed half-way through any migration is simply run again', async () => {
  for (const [index, migration] of all.entries()) {
    const done = migration.statements.slice(0, Math.ceil(migration.statements.length / 2))
    for (const statement of done) await clickhouse.control.command(statement)
    expect(await migrate(clickhouse, all.slice(0, index + 1))).toEqual([migration])
  }
  const killed = await clickhouse.reads.query(tables, {})
  await clickhouse.close()
  clickhouse = await openClickHouse({ engine: 'server', url: server.newDatabase() })
  await migrate(clickhouse)
  expect(shapes(killed)).toEqual(shapes(await clickhouse.reads.query(tables, {})))
})

test('processes that start at once end with the same tables', async () => {
  const others = await Promise.all([1, 2, 3].map(() => openClickHouse({ engine: 'server', url })))
  try {
    await Promise.all([clickhouse, ...others].map((each) => migrate(each)))
  } finally {
    for (const each of others) await each.close()
  }
  expect(await migrate(clickhouse)).toEqual([])
})

test('a database that is newer than the code is refused, and the message says what to do', async () => {
  await migrate(clickhouse)
  await clickhouse.control.insert({ table: 'schema_migrations_v1', columns: ['number', 'name', 'sha256'], text: '9999\tcreate_tomorrow_v1\tabc\n' })
  const before = await clickhouse.reads.query(tables, {})
  await expect(migrate(clickhouse)).rejects.toThrow(
    `The database is newer than this code: it has migration 9999 (create_tomorrow_v1), this code ends at ${all.length}. Start a version of Meterline that is at least as new as the one that wrote it.`,
  )
  expect(await clickhouse.reads.query(tables, {})).toEqual(before)
})

test('a migration that was changed after it had been applied is refused, and nothing is applied', async () => {
  const [changedNumber, pending] = [3, { number: all.length + 1, name: 'create_later_v1', sha256: 'x', statements: [CREATE_LATER] }]
  await migrate(clickhouse)
  const changed = all.map((each) => (each.number === changedNumber ? { ...each, sha256: 'another' } : each))
  await expect(migrate(clickhouse, [...changed, pending])).rejects.toThrow(
    'Migration 3 (create_log_positions_v1) was changed after it had been applied. Restore the file, and put the change into a new migration.',
  )
  expect((await clickhouse.reads.query(tables, {})).map(({ name }) => name)).not.toContain('later_v1')
})

const CREATE_LATER = 'CREATE TABLE IF NOT EXISTS later_v1 (a UInt8) ENGINE = Null'

function shapes(rows: readonly { name: string; shape: string }[]): string[] {
  return rows.map(({ shape }) => shape.replaceAll(/meterline_test_\w+\./g, ''))
}

const appliedRows = defineQuery({
  name: 'test_applied_rows',
  sql: 'SELECT number, name, sha256 FROM schema_migrations_v1 ORDER BY applied_at, number',
  params: z.object({}),
  row: z.object({ number: z.number(), name: z.string(), sha256: z.string() }),
})

const tables = defineQuery({
  name: 'test_tables',
  sql: `SELECT name, create_table_query AS shape, toString(metadata_modification_time) AS changed FROM system.tables
        WHERE database = currentDatabase() ORDER BY name`,
  params: z.object({}),
  row: z.object({ name: z.string(), shape: z.string(), changed: z.string() }),
})

const owners = defineQuery({ name: 'test_owners', sql: 'SELECT log FROM log_owners_v1', params: z.object({}), row: z.object({ log: z.string() }) })
