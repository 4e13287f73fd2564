import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type ClickHouse, openClickHouse } from '../../sql/clickhouse.ts'
import { acquireLease, isLeaseHeld, type Lease, leaseTag } from '../../sql/lease.ts'
import { migrate } from '../../sql/migrate.ts'
import { defineQuery } from '../../sql/query.ts'
import { openServerSession } from '../../sql/server-session.ts'
import { row } from '../../sql/tab-separated.ts'
import { clickHouseForTests } from '../support/engines/clickhouse-server.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'
import { untilSo } from '../support/until-so.ts'
import type { FencedInbox } from '../support/worlds/fenced-inbox.ts'
import { FENCED_INBOXES } from '../support/worlds/fenced-inboxes.ts'

/** Each writing process has its own connections; three clients stand for three processes. */
const CLIENTS = 3
const ACQUISITIONS = 12

for (const engine of ['embedded', 'server'] as const) {
  describe(`leases and the fence, ${engine} engine`, () => {
    let clients: ClickHouse[]
    let clickhouse: ClickHouse
    let close: () => Promise<void>
    beforeAll(async () => {
      const opened = engine === 'embedded' ? await openEmbedded() : await openServer()
      clients = opened.clients
      close = opened.close
      clickhouse = clientAt(clients, 0)
      await migrate(clickhouse)
    })
    afterAll(() => close())

    test('every inbox of the database is covered by these tests', async () => {
      const inboxes = await clickhouse.reads.query(nullTables, {})
      expect(inboxes.map(({ name }) => name)).toEqual(FENCED_INBOXES.map(({ table }) => table).sort())
    })

    for (const inbox of FENCED_INBOXES) {
      test(`${inbox.table}: a late insert of a replaced owner is rejected, and none of its rows is stored`, async () => {
        const log = `fence/${inbox.table}`
        const old = await acquire(clickhouse, log)
        await send(clickhouse, inbox, [[old, 1]])
        const stored = await storedBy(inbox, log)
        expect(stored).toHaveLength(1)

        const newer = await acquire(clientAt(clients, 1), log)
        await expect(send(clickhouse, inbox, [[old, 2]])).rejects.toMatchObject({ name: 'StoreError', fault: 'fenced', code: 395 })
        expect(await storedBy(inbox, log)).toEqual(stored)

        // One row of the old owner among rows of the newer one makes the fence reject the whole insert.
        const mixed = send(
          clickhouse,
          inbox,
          [newer, newer, old, newer].map((owner, index) => [owner, 3 + index]),
        )
        await expect(mixed).rejects.toMatchObject({ fault: 'fenced' })
        expect(await running(log)).toEqual([])
        expect(await storedBy(inbox, log)).toEqual(stored)

        await send(clientAt(clients, 1), inbox, [[newer, 9]])
        expect(await storedBy(inbox, log)).not.toEqual(stored)
      })
    }

    test('every lease has a new owner and a greater epoch, and counts the acquisitions of its name, lost ones too', async () => {
      const [first, second] = [await acquire(clickhouse, 'row'), await acquire(clickhouse, 'row')]
      expect([second.epoch - first.epoch, first.acquisitions, second.acquisitions]).toEqual([1, 1, 2])
      await clickhouse.control.insert({ table: 'leases_v1', columns: ['name', 'epoch', 'owner'], text: `row\t${first.epoch}\tlate\n` })
      const third = await acquire(clickhouse, 'row')
      expect([third.epoch - second.epoch, third.acquisitions]).toEqual([1, 4])
      expect(new Set([first.owner, second.owner, third.owner]).size).toBe(3)
      expect((await acquire(clickhouse, 'another')).acquisitions).toBe(1)
    })

    test('a retired lease cannot be acquired any more, but it can be retired again', async () => {
      const log = 'retired'
      const old = await acquire(clickhouse, log)
      expect((await acquireLease(clickhouse, log, { retire: true })).status).toBe('acquired')
      expect((await acquireLease(clientAt(clients, 1), log)).status).toBe('outranked')
      await expect(send(clickhouse, inboxOf('usage_events_inbox_v1'), [[old, 1]])).rejects.toMatchObject({ fault: 'fenced' })
      expect((await acquireLease(clickhouse, log, { retire: true })).status).toBe('acquired')
    })

    test('P2: of many concurrent acquisitions one owner remains, and only it can write', async () => {
      const log = 'many'
      const outcomes = await Promise.all(Array.from({ length: ACQUISITIONS }, (_, index) => acquireLease(clientAt(clients, index % CLIENTS), log)))
      const acquired = outcomes.flatMap((outcome) => (outcome.status === 'acquired' ? [outcome.lease] : []))
      const newest = await Promise.all(acquired.map((lease) => isLeaseHeld(clickhouse, lease)))
      expect(newest.filter((each) => each)).toHaveLength(1)

      const sent = await Promise.allSettled(
        acquired.map((each, index) => send(clientAt(clients, index % CLIENTS), inboxOf('usage_events_inbox_v1'), [[each, index]])),
      )
      expect(sent.map(({ status }) => status === 'fulfilled')).toEqual(newest)
      expect(await storedBy(inboxOf('usage_events_inbox_v1'), log)).toHaveLength(1)
    })

    test('P3: an acquisition kills the running insert of its own lease only, and waits until it is gone', async () => {
      const raw = inboxOf('usage_events_inbox_v1')
      for (const statement of SLOW_VIEW) await clickhouse.control.command(statement)
      const [old, another] = [await acquire(clickhouse, 'slow'), await acquire(clickhouse, 'slow-not')]
      const rows = (owner: Lease) => SLOW_ROWS.map((number): [Lease, number] => [owner, number])
      const killed = send(clientAt(clients, 1), raw, rows(old)).then(
        () => undefined,
        (error: unknown) => error,
      )
      const untouched = send(clientAt(clients, 2), raw, rows(another))
      // The parts of raw are stored and its views are still running: a kill at this moment leaves raw ahead of the rollup.
      await untilSo(async () => (await stored('slow')).raw > 0 && (await stored('slow-not')).raw > 0)
      await acquire(clickhouse, 'slow')
      const left = await stored('slow')
      expect(await running('slow')).toEqual([])
      expect(left.behind).toBe(0)
      expect(await killed).toMatchObject({ name: 'StoreError', fault: 'unavailable', code: 394 })
      await untouched
      expect(await stored('slow')).toEqual(left)
      expect(await stored('slow-not')).toEqual({ raw: SLOW_ROWS.length, behind: SLOW_ROWS.length })
      await clickhouse.control.command('DROP VIEW slow_mv_v1')
    })

    test('errors are classified by their codes, never by the text of their messages', async () => {
      const position = { table: 'log_positions_inbox_v1', columns: ['first'], text: 'no number, but: Code: 395. DB::Exception: (MEMORY_LIMIT_EXCEEDED)\n' }
      await expect(clickhouse.ingest.insert(position)).rejects.toMatchObject({ fault: 'refused', code: 27 })
      await expect(clickhouse.ingest.command("SELECT throwIf(1, 'Code: 241. DB::Exception: (X)')")).rejects.toMatchObject({ fault: 'fenced', code: 395 })
      await expect(clickhouse.ingest.command('SELECT 1 FROM no_such_table')).rejects.toMatchObject({ fault: 'fault', code: 60 })
      await expect(clickhouse.ingest.command('SELEKT 1')).rejects.toMatchObject({ fault: 'fault', code: 62 })
      await expect(clickhouse.ingest.command(TOO_SLOW)).rejects.toMatchObject({ fault: 'unavailable', code: 159 })
      await expect(clickhouse.ingest.command(TOO_LARGE)).rejects.toMatchObject({ fault: 'unavailable', code: 241 })
    })

    async function storedBy({ target, mark }: FencedInbox, log: string): Promise<string[]> {
      const rows = await clickhouse.reads.query(storedRows(target, mark), { log })
      return rows.map(({ stored }) => stored)
    }

    async function stored(log: string) {
      const [found] = await clickhouse.reads.query(storedSlowly, { log })
      return found ?? { raw: 0, behind: 0 }
    }

    async function running(log: string): Promise<unknown[]> {
      return clickhouse.reads.query(runningFor, { tag: leaseTag(log) })
    }
  })
}

test('an acquisition kills no insert of another Meterline on the same server, even if its lease has the same name', async () => {
  const server = await clickHouseForTests()
  const [mine, another] = await Promise.all([1, 2].map(() => openClickHouse({ engine: 'server', url: server.newDatabase() })))
  if (mine === undefined || another === undefined) throw new Error('not opened')
  for (const each of [mine, another]) await migrate(each)
  for (const statement of SLOW_VIEW) await another.control.command(statement)
  const owner = await acquire(another, 'same')
  const sent = send(another, inboxOf('usage_events_inbox_v1'), [[owner, 1]])
  await untilSo(async () => (await another.reads.query(runningFor, { tag: leaseTag('same') })).length === 1)
  await acquire(mine, 'same')
  await sent
  expect(await another.reads.query(storedSlowly, { log: 'same' })).toEqual([{ raw: 1, behind: 1 }])
  for (const each of [mine, another]) await each.close()
  await server.stop()
})

test('P2: an insert whose client timed out keeps running on the server until an acquisition ends it', async () => {
  const server = await clickHouseForTests()
  const url = server.newDatabase()
  const clickhouse = await openClickHouse({ engine: 'server', url })
  const impatient = await openServerSession(url)
  await migrate(clickhouse)
  for (const statement of SLOW_VIEW) await clickhouse.control.command(statement)
  const { table, columns, fields } = inboxOf('usage_events_inbox_v1')
  const { name: log, epoch, owner } = await acquire(clickhouse, 'late')
  const text = SLOW_ROWS.map((number) => row([log, epoch, owner, ...fields(number, log)])).join('')
  const settings = { async_insert: 0, log_comment: leaseTag(log) }
  const sent = impatient.insert({ table, columns: ['log', 'epoch', 'owner', ...columns], settings, text: Buffer.from(text) }, 1_000)
  await expect(sent).rejects.toMatchObject({ name: 'StoreError', fault: 'unavailable' })
  const running = () => clickhouse.reads.query(runningFor, { tag: leaseTag(log) })
  expect(await running()).toHaveLength(1)
  await acquire(clickhouse, log)
  expect(await running()).toEqual([])
  expect(await clickhouse.reads.query(storedSlowly, { log })).toMatchObject([{ behind: 0 }])
  await impatient.close()
  await clickhouse.close()
  await server.stop()
})

async function openEmbedded() {
  const directory = makeTemporaryDirectory()
  const clients = await openClients(() => openClickHouse({ engine: 'embedded', directory: directory.path }))
  const close = async () => {
    for (const each of clients) await each.close()
    directory.remove()
  }
  return { clients, close }
}

async function openServer() {
  const server = await clickHouseForTests()
  const url = server.newDatabase()
  const clients = await openClients(() => openClickHouse({ engine: 'server', url }))
  const close = async () => {
    for (const each of clients) await each.close()
    await server.stop()
  }
  return { clients, close }
}

async function openClients(open: () => Promise<ClickHouse>): Promise<ClickHouse[]> {
  const clients: ClickHouse[] = []
  while (clients.length < CLIENTS) clients.push(await open())
  return clients
}

function clientAt(clients: readonly ClickHouse[], index: number): ClickHouse {
  const client = clients[index]
  if (client === undefined) throw new Error(`There is no client ${index}.`)
  return client
}

function inboxOf(table: string): FencedInbox {
  const inbox = FENCED_INBOXES.find((each) => each.table === table)
  if (inbox === undefined) throw new Error(`There is no inbox ${table}.`)
  return inbox
}

async function acquire(clickhouse: ClickHouse, log: string): Promise<Lease> {
  const outcome = await acquireLease(clickhouse, log)
  if (outcome.status !== 'acquired') throw new Error(`The lease ${log} was acquired by another owner.`)
  return outcome.lease
}

async function send({ ingest }: ClickHouse, { table, columns, fields }: FencedInbox, rows: readonly (readonly [Lease, number])[]): Promise<void> {
  const text = rows.map(([{ name: log, epoch, owner }, number]) => row([log, epoch, owner, ...fields(number, log)])).join('')
  await ingest.insert({ table, columns: ['log', 'epoch', 'owner', ...columns], text, tag: leaseTag(rows[0]?.[0].name ?? '') })
}

/** A view like that of the rollup, but slow: 0.6 s per row. */
const SLOW_VIEW = [
  'CREATE TABLE slow_v1 (log String) ENGINE = MergeTree ORDER BY log',
  'CREATE MATERIALIZED VIEW slow_mv_v1 TO slow_v1 AS SELECT log FROM raw_usage_events_v1 WHERE sleepEachRow(0.6) = 0',
]
const SLOW_ROWS = [1, 2, 3, 4]

const storedSlowly = defineQuery({
  name: 'test_stored_slowly',
  sql: `SELECT toUInt32(count()) AS raw, (SELECT toUInt32(count()) FROM slow_v1 WHERE log = {log: String}) AS behind
        FROM raw_usage_events_v1 WHERE log = {log: String}`,
  params: z.object({ log: z.string() }),
  row: z.object({ raw: z.number(), behind: z.number() }),
})

const TOO_SLOW = 'SELECT sum(sleepEachRow(0.1)) FROM numbers(100) SETTINGS max_block_size = 1, max_execution_time = 1'
const TOO_LARGE = 'SELECT groupArray(number) FROM numbers(10000000) SETTINGS max_memory_usage = 1000000'

/** Tables that merge no rows, where FINAL is not allowed. */
const UNMERGED = ['sealed_keys_v1', 'statement_recounts_v1', 'statement_lines_v1', 'statements_v1']

function storedRows(target: string, mark: string) {
  return defineQuery({
    name: `test_stored_in_${target}`,
    sql: `SELECT toString(tuple(*)) AS stored FROM ${target}${UNMERGED.includes(target) ? '' : ' FINAL'} WHERE ${mark} = {log: String} ORDER BY stored`,
    params: z.object({ log: z.string() }),
    row: z.object({ stored: z.string() }),
  })
}

const nullTables = defineQuery({
  name: 'test_null_tables',
  sql: `SELECT name FROM system.tables WHERE database = currentDatabase() AND engine = 'Null' ORDER BY name`,
  params: z.object({}),
  row: z.object({ name: z.string() }),
})

const runningFor = defineQuery({
  name: 'test_running_for',
  sql: `SELECT query_id FROM system.processes WHERE current_database = currentDatabase() AND Settings['log_comment'] = {tag: String}`,
  params: z.object({ tag: z.string() }),
  row: z.object({ query_id: z.string() }),
})
