import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import type { Lane } from '../../sql/clickhouse.ts'
import { defineQuery, defineStatement } from '../../sql/query.ts'
import { readUnlessWritten } from '../../sql/read-by-key.ts'
import type { Writes } from '../../sql/writes.ts'
import { openTestStore, type TestStore } from '../support/engines/embedded-store.ts'

const HEARTBEAT = { table: 'heartbeat_days_v1', columns: ['day'], text: '2026-01-01\n' }
const copyHeartbeats = defineStatement({
  name: 'copy_heartbeats',
  sql: 'INSERT INTO heartbeat_days_v1 (day) SELECT day + 1 FROM heartbeat_days_v1',
  params: z.object({}),
})
const heartbeats = defineQuery({
  name: 'heartbeats_since',
  sql: 'SELECT uniqExact(day) AS days FROM heartbeat_days_v1 WHERE day >= {from: Date}',
  params: z.object({ from: z.string() }),
  row: z.object({ days: z.coerce.number() }),
})

let store: TestStore
beforeAll(async () => {
  store = await openTestStore()
})
afterAll(() => store.close())

/** The lane with the number of queries that it ran. */
function counted(lane: Lane): { lane: Lane; queries: () => number } {
  let queries = 0
  const query: Lane['query'] = (...asked) => {
    queries += 1
    return lane.query(...asked)
  }
  return { lane: { ...lane, query }, queries: () => queries }
}

function writesOf({ writes }: Lane): Writes {
  if (writes === undefined) throw new Error('The embedded engine counts its writes.')
  return writes
}

test('a write of any lane changes the state: an insert that of its table, a statement or command that of all tables', async () => {
  const { ingest, control, reads, work } = store.clickhouse
  const writes = writesOf(reads)
  const states = () => [writes.state(), writes.state(HEARTBEAT.table), writes.state('projects_inbox_v2')]
  const changedBy = async (write: () => Promise<unknown>) => {
    const before = states()
    await write()
    return states().map((state, index) => state !== before[index])
  }
  expect(await changedBy(() => reads.query(heartbeats, { from: '2026-01-01' }))).toEqual([false, false, false])
  expect(await changedBy(() => ingest.insert(HEARTBEAT))).toEqual([true, true, false])
  expect(await changedBy(() => work.execute(copyHeartbeats, {}))).toEqual([true, true, true])
  expect(await changedBy(() => control.command('OPTIMIZE TABLE heartbeat_days_v1'))).toEqual([true, true, true])
  expect(await changedBy(() => ingest.insert({ ...HEARTBEAT, text: 'no day\n' }).catch(() => {}))).toEqual([true, true, false])
  expect(await changedBy(async () => (await store.clickhouse.openLane()).insert(HEARTBEAT))).toEqual([true, true, false])
})

test('what is read without a key is read again only after something was written', async () => {
  const { lane, queries } = counted(store.clickhouse.reads)
  const read = async (from: string) => (await readUnlessWritten(lane, heartbeats, { from }))[0]?.days
  const before = (await read('2027-01-01')) ?? Number.NaN
  expect([await read('2027-01-01'), queries()]).toEqual([before, 1])
  expect([await read('2028-01-01'), queries()]).toEqual([before, 2])
  await store.clickhouse.ingest.insert({ ...HEARTBEAT, text: '2027-05-05\n' })
  expect([await read('2027-01-01'), queries()]).toEqual([before + 1, 3])
})

test('what is read while something is written is not used again, and nothing is where others can write', async () => {
  const { lane, queries } = counted(store.clickhouse.reads)
  const read = () => readUnlessWritten(lane, heartbeats, { from: '2026-06-01' })
  let end = () => {}
  const write = writesOf(lane).during('any_v1', () => new Promise<void>((resolve) => (end = resolve)))
  await read()
  end()
  await write
  await read()
  expect(queries()).toBe(2)
  const { writes: _, ...ofServer } = lane
  for (const expected of [3, 4]) {
    await readUnlessWritten(ofServer, heartbeats, { from: '2026-06-01' })
    expect(queries()).toBe(expected)
  }
})
