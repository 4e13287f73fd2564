import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { type ClickHouse, type Lane, openClickHouse } from '../../sql/clickhouse.ts'
import { EARLIER_CHECKSUMS } from '../../sql/earlier-checksums.ts'
import { type Migration, migrate, parseMigration, readMigrations } from '../../sql/migrate.ts'
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

test('migrations are applied once and in order, and a second run changes nothing', async () => {
  expect(await migrate(clickhouse)).toEqual(all)
  expect(await clickhouse.reads.query(appliedRows, {})).toEqual(all.map(({ number, name, sha256 }) => ({ number, name, sha256 })))
  const before = await clickhouse.reads.query(tables, {})
  expect(before.length).toBeGreaterThan(all.length)

  expect(await migrate(clickhouse)).toEqual([])
  expect(await clickhouse.reads.query(appliedRows, {})).toHaveLength(all.length)
  expect(await clickhouse.reads.query(tables, {})).toEqual(before)
})

test('only missing migrations are applied, and stored rows stay', async () => {
  await migrate(clickhouse, { migrations: all.slice(0, 3) })
  await clickhouse.control.insert({ table: 'log_owners_v1', columns: ['log', 'epoch', 'owner'], text: 'http\t1\tsomebody\n' })
  expect(await migrate(clickhouse, { migrations: all.slice(0, 5) })).toEqual(all.slice(3, 5))
  expect(await clickhouse.reads.query(owners, {})).toEqual([{ log: 'http' }])
})

test('a run that was killed half-way through any migration completes when it is repeated', async () => {
  for (const [index, migration] of all.entries()) {
    const done = migration.statements.slice(0, Math.ceil(migration.statements.length / 2))
    for (const statement of done) await clickhouse.control.command(statement)
    expect(await migrate(clickhouse, { migrations: all.slice(0, index + 1) })).toEqual([migration])
  }
  const killed = await clickhouse.reads.query(tables, {})
  await clickhouse.close()
  clickhouse = await openClickHouse({ engine: 'server', url: server.newDatabase() })
  await migrate(clickhouse)
  expect(shapes(killed)).toEqual(shapes(await clickhouse.reads.query(tables, {})))
})

test('processes that migrate the same database at the same time end with the same tables', async () => {
  const others = await Promise.all([1, 2, 3].map(() => openClickHouse({ engine: 'server', url })))
  try {
    await Promise.all([clickhouse, ...others].map((each) => migrate(each)))
  } finally {
    for (const each of others) await each.close()
  }
  expect(await migrate(clickhouse)).toEqual([])
})

test('a database that is newer than the code is rejected, and the message says what to do', async () => {
  await migrate(clickhouse)
  await clickhouse.control.insert({ table: 'schema_migrations_v1', columns: ['number', 'name', 'sha256'], text: '9999\tcreate_tomorrow_v1\tabc\n' })
  const before = await clickhouse.reads.query(tables, {})
  await expect(migrate(clickhouse)).rejects.toThrow(
    `The database is newer than this code: it has migration 9999 (create_tomorrow_v1), and this code ends at ${all.length}. Start a version of Meterline that is at least as new as the one that wrote the database.`,
  )
  expect(await clickhouse.reads.query(tables, {})).toEqual(before)
})

test('a changed statement of an applied migration is rejected, and no migration is applied', async () => {
  const [changedNumber, pending] = [3, { number: all.length + 1, name: 'create_later_v1', sha256: 'x', statements: [CREATE_LATER] }]
  await migrate(clickhouse)
  const changed = all.map((each) => (each.number === changedNumber ? { ...each, sha256: 'another' } : each))
  await expect(migrate(clickhouse, { migrations: [...changed, pending] })).rejects.toThrow(
    'The statements of migration 3 (create_log_positions_v1) were changed after it was applied. Restore the file, and put the change into a new migration.',
  )
  expect((await clickhouse.reads.query(tables, {})).map(({ name }) => name)).not.toContain('later_v1')
})

test('comments and line breaks of an applied migration may change, its statements may not', async () => {
  const checksumOf = (text: string) => parseMigration('001_create_later_v1.sql', text).sha256
  const text = "-- It's one table.\nCREATE TABLE IF NOT EXISTS later_v1 (a String DEFAULT '-- a  b') -- the only column\nENGINE = Null;\n"
  const reworded = "CREATE TABLE IF NOT EXISTS later_v1\n(a String DEFAULT '-- a  b')\n\n-- A table; it stores nothing.\nENGINE = Null;\n"
  expect(checksumOf(reworded)).toBe(checksumOf(text))
  expect(checksumOf(text.replace("It's one", "x'; DROP TABLE later_v1; --"))).toBe(checksumOf(text))
  for (const [from, to] of [
    ['Null', 'Memory'],
    ['-- a  b', '-- a b'],
    ['-- a  b', '-- b  a'],
    ['later_v1 (', 'later_v2 ('],
    ['ENGINE', '; DROP TABLE IF EXISTS projects_v1;\nENGINE'],
  ] as const)
    expect(checksumOf(text.replace(from, to)), to).not.toBe(checksumOf(text))

  await migrate(clickhouse)
  const last = all.at(-1)
  if (last === undefined) throw new Error('There is no migration.')
  const source = await readFile(new URL(`../../sql/migrations/${fileOf(last)}`, import.meta.url), 'utf8')
  expect(
    await migrate(clickhouse, { migrations: [...all.slice(0, -1), parseMigration(fileOf(last), `-- Another wording.\n${source.replace(/^--.*\n/gm, '')}`)] }),
  ).toEqual([])
})

test('a database that recorded checksums of whole files starts, but a changed statement is still rejected', async () => {
  const whole =
    '-- When MASTER_KEY is exchanged the same key is sealed anew: the greatest number is read, and among equal ones the first.\nALTER TABLE sealed_keys_v1 ADD COLUMN IF NOT EXISTS rewrapped UInt64;\n'
  const recorded = createHash('sha256').update(whole).digest('hex')
  expect(EARLIER_CHECKSUMS[recorded]).toBe(all.find(({ number }) => number === 30)?.sha256)

  const earlier = new Map(Object.entries(EARLIER_CHECKSUMS).map(([file, statements]) => [statements, file]))
  expect([...earlier.keys()]).toEqual(all.slice(0, 33).map(({ sha256 }) => sha256))
  await migrate(clickhouse, { migrations: all.slice(0, 33).map((each) => ({ ...each, sha256: earlier.get(each.sha256) ?? '' })) })
  expect(await migrate(clickhouse)).toEqual(all.slice(33))

  const changed = parseMigration('030_add_rewrap_to_sealed_keys_v1.sql', whole.replace('UInt64', 'UInt32'))
  await expect(migrate(clickhouse, { migrations: all.map((each) => (each.number === 30 ? changed : each)) })).rejects.toThrow(
    'The statements of migration 30 (add_rewrap_to_sealed_keys_v1) were changed after it was applied.',
  )
})

test('a statement of a migration may run for a day, and a long one is logged', async () => {
  const secondsMax: (number | undefined)[] = []
  const control: Lane = {
    ...clickhouse.control,
    command: (sql, seconds) => {
      secondsMax.push(seconds)
      return clickhouse.control.command(sql, seconds)
    },
  }
  const lines: object[] = []
  const logger = { info: (details: object, message: string) => void lines.push({ ...details, message }) }
  const slow = { number: all.length + 1, name: 'create_later_v1', sha256: 'x', statements: [CREATE_LATER, FILL_LATER_SLOWLY] }
  await migrate({ ...clickhouse, control }, { migrations: [...all, slow], logger, progressEveryMs: 200 })
  expect(secondsMax.filter((seconds) => seconds !== 24 * 3600)).toEqual([])
  const later = lines.filter((line) => 'migration' in line && line.migration === slow.number)
  expect(later.at(-1)).toMatchObject({ message: 'a migration is still running', reason: expect.stringMatching(/^statement 2 of 2 of create_later_v1, \d+ s$/) })
})

function fileOf({ number, name }: Migration): string {
  return `${String(number).padStart(3, '0')}_${name}.sql`
}

const FILL_LATER_SLOWLY = 'INSERT INTO later_v1 SELECT sleepEachRow(0.1) FROM numbers(10) SETTINGS max_block_size = 1'
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
