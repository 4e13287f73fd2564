import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type ClickHouse, openClickHouse } from '../../sql/clickhouse.ts'
import { acquireLease, currentLeaseHolder, type Lease, leaseTag } from '../../sql/lease.ts'
import { migrate } from '../../sql/migrate.ts'
import { defineQuery } from '../../sql/query.ts'
import { openServerSession } from '../../sql/server-session.ts'
import { row } from '../../sql/tab-separated.ts'
import { clickHouseForTests } from '../support/engines/clickhouse-server.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'
import { untilSo } from '../support/until-so.ts'
import { FENCED_INBOXES, type FencedInbox } from '../support/worlds/fenced-inboxes.ts'

/** Each process that writes has connections of its own; three stand for as many processes. */
const CLIENTS = 3
const TAKES = 12

for (const engine of ['embedded', 'server'] as const) {
  describe(`the fence, ${engine} engine`, () => {
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

    test('every inbox there is is tried here', async () => {
      const inboxes = await clickhouse.reads.query(nullTables, {})
      expect(inboxes.map(({ name }) => name)).toEqual(FENCED_INBOXES.map(({ table }) => table).sort())
    })

    for (const inbox of FENCED_INBOXES) {
      test(`${inbox.table}: what an old owner sends late is refused, and nothing of it is stored`, async () => {
        const log = `fence/${inbox.table}`
        const old = await take(clickhouse, log)
        await send(clickhouse, inbox, [[old, 1]])
        const stored = await storedBy(inbox, log)
        expect(stored).toHaveLength(1)

        const young = await take(clientAt(clients, 1), log)
        await expect(send(clickhouse, inbox, [[old, 2]])).rejects.toMatchObject({ name: 'StoreError', fault: 'fenced', code: 395 })
        expect(await storedBy(inbox, log)).toEqual(stored)

        // One row of the old owner among the young's refuses them all.
        const mixed = send(
          clickhouse,
          inbox,
          [young, young, old, young].map((owner, index) => [owner, 3 + index]),
        )
        await expect(mixed).rejects.toMatchObject({ fault: 'fenced' })
        expect(await running(log)).toEqual([])
        expect(await storedBy(inbox, log)).toEqual(stored)

        await send(clientAt(clients, 1), inbox, [[young, 9]])
        expect(await storedBy(inbox, log)).not.toEqual(stored)
      })
    }

    test('a take has an owner and an epoch that were never there, and names the one below', async () => {
      const [first, second, third] = [await take(clickhouse, 'row'), await take(clickhouse, 'row'), await take(clickhouse, 'row')]
      expect([first.epoch, second.epoch, third.epoch]).toEqual([1, 2, 3])
      expect(new Set([first.owner, second.owner, third.owner]).size).toBe(3)
      expect([first.previous, second.previous]).toEqual([undefined, { epoch: 1, owner: first.owner }])
      expect(third.previous).toEqual({ epoch: 2, owner: second.owner })
      expect((await take(clickhouse, 'another')).epoch).toBe(1)
    })

    test('a log that is retired is taken by nobody any more, but can be retired again', async () => {
      const log = 'retired'
      const old = await take(clickhouse, log)
      expect((await acquireLease(clickhouse, log, { forGood: true })).status).toBe('taken')
      expect((await acquireLease(clientAt(clients, 1), log)).status).toBe('outranked')
      await expect(send(clickhouse, inboxOf('usage_events_inbox_v1'), [[old, 1]])).rejects.toMatchObject({ fault: 'fenced' })
      expect((await acquireLease(clickhouse, log, { forGood: true })).status).toBe('taken')
    })

    test('P2: of many takes at once one owner is left, and only it can write', async () => {
      const log = 'many'
      const outcomes = await Promise.all(Array.from({ length: TAKES }, (_, index) => acquireLease(clientAt(clients, index % CLIENTS), log)))
      const taken = outcomes.flatMap((outcome) => (outcome.status === 'taken' ? [outcome.ownership] : []))
      const newest = await Promise.all(taken.map(async ({ log, owner }) => (await currentLeaseHolder(clickhouse, log)) === owner))
      expect(newest.filter((each) => each)).toHaveLength(1)

      const sent = await Promise.allSettled(
        taken.map((each, index) => send(clientAt(clients, index % CLIENTS), inboxOf('usage_events_inbox_v1'), [[each, index]])),
      )
      expect(sent.map(({ status }) => status === 'fulfilled')).toEqual(newest)
      expect(await storedBy(inboxOf('usage_events_inbox_v1'), log)).toHaveLength(1)
    })

    test('P3: a take kills the insert that still runs for its log and no other, and waits until it is gone', async () => {
      const raw = inboxOf('usage_events_inbox_v1')
      for (const statement of SLOW_VIEW) await clickhouse.control.command(statement)
      const [old, another] = [await take(clickhouse, 'slow'), await take(clickhouse, 'slow-not')]
      const rows = (owner: Lease) => SLOW_ROWS.map((number): [Lease, number] => [owner, number])
      const killed = send(clientAt(clients, 1), raw, rows(old)).then(
        () => undefined,
        (error: unknown) => error,
      )
      const untouched = send(clientAt(clients, 2), raw, rows(another))
      // Raw's parts stand, and the views behind it are under way: the moment that leaves a torn pair.
      await untilSo(async () => (await stored('slow')).raw > 0 && (await stored('slow-not')).raw > 0)
      await take(clickhouse, 'slow')
      const left = await stored('slow')
      expect(await running('slow')).toEqual([])
      expect(left.behind).toBe(0)
      expect(await killed).toMatchObject({ name: 'StoreError', fault: 'unavailable', code: 394 })
      await untouched
      expect(await stored('slow')).toEqual(left)
      expect(await stored('slow-not')).toEqual({ raw: SLOW_ROWS.length, behind: SLOW_ROWS.length })
      await clickhouse.control.command('DROP VIEW slow_mv_v1')
    })

    test('errors are told apart by their codes, never by their words', async () => {
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

test('a take kills nothing of another Meterline on the same server, though its log has the same name', async () => {
  const server = await clickHouseForTests()
  const [mine, another] = await Promise.all([1, 2].map(() => openClickHouse({ engine: 'server', url: server.newDatabase() })))
  if (mine === undefined || another === undefined) throw new Error('not opened')
  for (const each of [mine, another]) await migrate(each)
  for (const statement of SLOW_VIEW) await another.control.command(statement)
  const owner = await take(another, 'same')
  const sent = send(another, inboxOf('usage_events_inbox_v1'), [[owner, 1]])
  await untilSo(async () => (await another.reads.query(runningFor, { tag: leaseTag('same') })).length === 1)
  await take(mine, 'same')
  await sent
  expect(await another.reads.query(storedSlowly, { log: 'same' })).toEqual([{ raw: 1, behind: 1 }])
  for (const each of [mine, another]) await each.close()
  await server.stop()
})

test('P2: an insert that its client gave up on runs on at the server; a take ends it before it looks at what is stored', async () => {
  const server = await clickHouseForTests()
  const url = server.newDatabase()
  const clickhouse = await openClickHouse({ engine: 'server', url })
  const impatient = await openServerSession(url)
  await migrate(clickhouse)
  for (const statement of SLOW_VIEW) await clickhouse.control.command(statement)
  const { table, columns, fields } = inboxOf('usage_events_inbox_v1')
  const { log, epoch, owner } = await take(clickhouse, 'late')
  const text = SLOW_ROWS.map((number) => row([log, epoch, owner, ...fields(number, log)])).join('')
  const settings = { async_insert: 0, log_comment: leaseTag(log) }
  const sent = impatient.insert({ table, columns: ['log', 'epoch', 'owner', ...columns], settings, text: Buffer.from(text) }, 1_000)
  await expect(sent).rejects.toMatchObject({ name: 'StoreError', fault: 'unavailable' })
  const running = () => clickhouse.reads.query(runningFor, { tag: leaseTag(log) })
  expect(await running()).toHaveLength(1)
  await take(clickhouse, log)
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

async function take(clickhouse: ClickHouse, log: string): Promise<Lease> {
  const outcome = await acquireLease(clickhouse, log)
  if (outcome.status !== 'taken') throw new Error(`${log} was taken by another owner.`)
  return outcome.ownership
}

async function send({ ingest }: ClickHouse, { table, columns, fields }: FencedInbox, rows: readonly (readonly [Lease, number])[]): Promise<void> {
  const text = rows.map(([{ log, epoch, owner }, number]) => row([log, epoch, owner, ...fields(number, log)])).join('')
  await ingest.insert({ table, columns: ['log', 'epoch', 'owner', ...columns], text, tag: leaseTag(rows[0]?.[0].log ?? '') })
}

/** Beside the rollup's view: one that takes its time, 0.6 s a row. */
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

/** Tables that merge no rows. */
const PLAIN = ['statement_recounts_v1', 'statement_lines_v1', 'statements_v1']

function storedRows(target: string, mark: string) {
  return defineQuery({
    name: `test_stored_in_${target}`,
    sql: `SELECT toString(tuple(*)) AS stored FROM ${target}${PLAIN.includes(target) ? '' : ' FINAL'} WHERE ${mark} = {log: String} ORDER BY stored`,
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
