import { expect, test } from 'vitest'
import { z } from 'zod'
import { readSource } from '../../ingest/source/source-in-force.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { acquireLease, leaseTag } from '../../sql/lease.ts'
import { migrate, readMigrations } from '../../sql/migrate.ts'
import { defineQuery } from '../../sql/query.ts'
import { row } from '../../sql/tab-separated.ts'
import { openTestStore } from '../support/engines/embedded-store.ts'

const all = await readMigrations()
const before = all.slice(0, 34)

test('P2: after the upgrade a process of the earlier version that still runs can neither write nor acquire a lease, and retired logs stay retired', async () => {
  const store = await openTestStore(before)
  const { clickhouse } = store
  const old = { log: 'http', epoch: 7, owner: 'old' }
  await insertOwner(clickhouse, old)
  await insertOwner(clickhouse, { log: 'c/t/1/0', epoch: 2 ** 40, owner: 'operator' })
  await insertPosition(clickhouse, old, 1)

  await migrate(clickhouse)
  await expect(insertPosition(clickhouse, old, 2), 'before any new lease').rejects.toMatchObject({ fault: 'fenced' })
  const outcome = await acquireLease(clickhouse, 'http')
  if (outcome.status !== 'acquired') throw new Error(outcome.status)
  await insertPosition(clickhouse, { log: 'http', ...outcome.lease }, 3)

  // As the earlier version acquires: a token above the newest one that it reads, which must be the newest afterwards.
  await insertOwner(clickhouse, { log: 'http', epoch: 8, owner: 'again' })
  expect(await clickhouse.control.query(newestOwner, {})).toEqual([{ owner: 'leases_v1' }])
  await expect(insertPosition(clickhouse, { log: 'http', epoch: 8, owner: 'again' }, 4)).rejects.toMatchObject({ fault: 'fenced' })
  expect((await acquireLease(clickhouse, 'c/t/1/0')).status).toBe('outranked')
  expect(await clickhouse.control.query(newestPosition, {})).toEqual([{ owner: outcome.lease.owner, first: 3 }])
  await store.close()
})

test('P2: a store of the earlier version keeps the source that was used last, and an empty one has none yet', async () => {
  for (const [used, expected] of [
    [[['http', '10:00']], 'http'],
    [
      [
        ['http', '10:00'],
        ['c/t/1/0', '11:00'],
        ['c/old/12/3', '10:59'],
      ],
      'c/t',
    ],
    [
      [
        ['c/t/1/0', '09:00'],
        ['http', '10:00'],
      ],
      'http',
    ],
    [[], undefined],
  ] as const) {
    const { clickhouse, close } = await openTestStore(before)
    for (const [log, time] of used)
      await clickhouse.control.command(
        `INSERT INTO log_watermarks_v1 SETTINGS async_insert=0 VALUES ('${log}', (1, 'o', '2026-10-01 ${time}:00', '2026-10-01 ${time}:00', 5, 0, 'host'))`,
      )
    await migrate(clickhouse)
    expect((await readSource(clickhouse.control))?.source).toBe(expected)
    await close()
  }
})

test('the views have the same columns and types as before the fences read leases_v1', async () => {
  const { clickhouse, close } = await openTestStore(before)
  const columns = await clickhouse.control.query(columnsOfViews, {})
  expect(columns.length).toBeGreaterThan(100)
  await migrate(clickhouse, { migrations: all.slice(0, 35) })
  expect(await clickhouse.control.query(columnsOfViews, {})).toEqual(columns)
  await close()
})

function insertOwner({ control }: ClickHouse, { log, epoch, owner }: { log: string; epoch: number; owner: string }): Promise<void> {
  return control.insert({ table: 'log_owners_v1', columns: ['log', 'epoch', 'owner'], text: row([log, epoch, owner]) })
}

function insertPosition({ ingest }: ClickHouse, { log, epoch, owner }: { log: string; epoch: number; owner: string }, first: number): Promise<void> {
  const columns = ['log', 'epoch', 'owner', 'first', 'through']
  return ingest.insert({ table: 'log_positions_inbox_v1', columns, text: row([log, epoch, owner, first, first]), tag: leaseTag(log) })
}

const newestOwner = defineQuery({
  name: 'test_newest_owner',
  sql: `SELECT owner FROM log_owners_v1 WHERE log = 'http' ORDER BY epoch DESC, owner DESC LIMIT 1`,
  params: z.object({}),
  row: z.object({ owner: z.string() }),
})

const newestPosition = defineQuery({
  name: 'test_newest_position',
  sql: `SELECT newest.2 AS owner, newest.3 AS first FROM (SELECT max(newest) AS newest FROM log_positions_v1 WHERE log = 'http' GROUP BY log)`,
  params: z.object({}),
  row: z.object({ owner: z.string(), first: z.coerce.number() }),
})

const columnsOfViews = defineQuery({
  name: 'test_columns_of_views',
  sql: `SELECT table, name, type FROM system.columns
        WHERE database = currentDatabase() AND table IN (SELECT name FROM system.tables WHERE database = currentDatabase() AND engine = 'MaterializedView')
        ORDER BY table, position`,
  params: z.object({}),
  row: z.object({ table: z.string(), name: z.string(), type: z.string() }),
})
