import { randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type ClickHouse, openClickHouse } from '../../../sql/clickhouse.ts'
import { classifyStoreError } from '../../../sql/errors.ts'
import { migrate } from '../../../sql/migrate.ts'
import { defineQuery } from '../../../sql/query.ts'
import { queryOne } from '../../../sql/query-one.ts'
import { openServerSession } from '../../../sql/server-session.ts'
import type { MeterlineClient, TestEvent } from '../../support/clients/client.ts'
import { clickHouseForTests, READER, type TestClickHouse } from '../../support/engines/clickhouse-server.ts'
import { type FaultyProxy, openFaultyProxy, type ProxyFault } from '../../support/engines/faulty-proxy.ts'
import { runMeterline } from '../../support/engines/service-process.ts'
import { compareRawWithRollup } from '../../support/oracles/stored-sums.ts'
import { untilSo } from '../../support/until-so.ts'
import { startTestService } from '../../support/worlds/test-service.ts'

const EVENTS = 3_000
const STATEMENT_MS_MAX = 30_000
const SECRETS = { ADMIN_TOKEN: 'admin-token-for-tests-0123456789abcdef', MASTER_KEY: randomBytes(32).toString('base64') }

let server: TestClickHouse
const closers: (() => unknown)[] = []
beforeAll(async () => {
  server = await clickHouseForTests()
})
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})
afterAll(() => server.stop())

describe('P1 P2 P3: what only a server can do to an insert', () => {
  let world: World
  let events = 0
  const nextEvents = () => eventsFrom(events)
  beforeAll(async () => {
    world = await startBehindProxy()
  })
  afterAll(() => world.close())

  const faults: Record<string, readonly ProxyFault[]> = {
    'a connection that breaks within an insert': ['cut within the request'],
    'a connection that breaks before the answer': ['cut before the answer'],
    'a proxy that repeats an insert': ['sent again'],
    'a proxy that sends an insert twice at once': ['sent twice at once'],
    'a limit of memory that an insert reaches at several points': [1, 2, 4, 8, 16].map((mebibytes) => ({ memoryBytesMax: mebibytes * 1024 ** 2 })),
  }
  for (const [name, each] of Object.entries(faults)) {
    test(`${name} neither loses an event nor counts one twice`, async () => {
      let refused = 0
      for (const fault of each) {
        const occurred = world.proxy.faultNext('usage_events_inbox_v1', fault)
        refused += await sendUntilAcknowledged(world.client, nextEvents())
        expect(occurred()).toBe(true)
        events += EVENTS
        await expectCountedOnce(world, events)
      }
      expect(refused).toBeGreaterThan(0)
    })
  }

  const states = {
    'has too many parts': ['parts_to_delay_insert = 1, parts_to_throw_insert = 1', 'parts_to_delay_insert, parts_to_throw_insert'],
    'is read-only': ['table_readonly = 1', 'table_readonly'],
  }
  for (const [name, [setting, reset]] of Object.entries(states)) {
    test(`while a table ${name} events are answered 503 and none is acknowledged; afterwards all of them count once`, async () => {
      for (const table of ['raw_usage_events_v1', 'project_usage_per_day_v1', 'log_positions_v1']) {
        const { client, clickhouse } = world
        await sendUntilAcknowledged(client, nextEvents())
        events += EVENTS
        await clickhouse.control.command(`SYSTEM STOP MERGES ${table}`)
        await clickhouse.control.command(`ALTER TABLE ${table} MODIFY SETTING ${setting}`)
        expect(await client.send(nextEvents()), table).toMatchObject({ status: 503, body: { success: false } })
        await clickhouse.control.command(`ALTER TABLE ${table} RESET SETTING ${reset}`)
        await clickhouse.control.command(`SYSTEM START MERGES ${table}`)
        await sendUntilAcknowledged(client, nextEvents())
        events += EVENTS
        await expectCountedOnce(world, events)
      }
    })
  }
})

test('P2: a statement that writes what the server computes runs once, even if a proxy repeats it', async () => {
  const url = server.newDatabase()
  const proxy = await openFaultyProxy(url)
  const session = await openServerSession(proxy.url)
  closers.push(proxy.close, session.close)
  await session.run('CREATE TABLE computed_v1 (number UInt64) ENGINE = MergeTree ORDER BY number', STATEMENT_MS_MAX)
  for (const fault of ['sent again', 'sent twice at once'] as const) {
    const occurred = proxy.faultNext('computed_v1', fault)
    await session.write('INSERT INTO computed_v1 SELECT number FROM numbers(3)', STATEMENT_MS_MAX).catch((error: unknown) => {
      expect(classifyStoreError(error)).toMatchObject({ fault: 'unavailable' })
    })
    expect(occurred()).toBe(true)
    expect(await session.run('SELECT count() FROM computed_v1', STATEMENT_MS_MAX)).toBe('3\n')
    await session.run('TRUNCATE TABLE computed_v1', STATEMENT_MS_MAX)
  }
})

test('a process whose ClickHouse user may not write exits with code 1 and names the missing permission', async () => {
  const url = new URL(server.newDatabase())
  const owner = await openClickHouse({ engine: 'server', url: url.toString() })
  closers.push(owner.close)
  await migrate(owner)
  if (process.env['CLICKHOUSE_URL']) return // its users are not ours
  Object.assign(url, { username: READER, password: READER })
  const { code, stderr } = await runMeterline(['start'], { ...SECRETS, PORT: '0', CLICKHOUSE_URL: url.toString() })
  expect(code).toBe(1)
  expect(stderr).toMatch(/^error: .*Not enough privileges.*grant/)
})

test('P2: two Meterlines on one server count the same ids separately, and a failed insert of one does not disturb the other', async () => {
  const [one, other] = [await startBehindProxy(), await startBehindProxy()]
  closers.push(one.close, other.close)
  for (const { client } of [one, other]) await sendUntilAcknowledged(client, eventsFrom(0))
  one.proxy.faultNext('usage_events_inbox_v1', 'cut before the answer')
  await sendUntilAcknowledged(one.client, eventsFrom(EVENTS))
  await sendUntilAcknowledged(other.client, eventsFrom(EVENTS / 2))
  await expectCountedOnce(one, 2 * EVENTS)
  await expectCountedOnce(other, 1.5 * EVENTS)
  const acquisitions = await Promise.all([one, other].map(async ({ clickhouse }) => (await queryOne(clickhouse.reads, httpAcquisitions, {})).acquisitions))
  expect(acquisitions).toEqual([2, 1])
})

interface World {
  readonly client: MeterlineClient
  readonly proxy: FaultyProxy
  /** Not through the proxy. */
  readonly clickhouse: ClickHouse
  close(): Promise<void>
}

async function startBehindProxy(): Promise<World> {
  const url = server.newDatabase()
  const proxy = await openFaultyProxy(url)
  const service = await startTestService({ ...SECRETS, CLICKHOUSE_URL: proxy.url })
  const clickhouse = await openClickHouse({ engine: 'server', url })
  await service.client.createIngestKey()
  const close = async () => {
    await service.stop()
    await clickhouse.close()
    proxy.close()
  }
  return { client: service.client, clickhouse, proxy, close }
}

/** Over three months, so that an insert has several parts. */
function eventsFrom(first: number): TestEvent[] {
  return Array.from({ length: EVENTS }, (_, index) => {
    const number = first + index
    return { event_id: `e-${number}`, project_id: `p-${number % 7}`, metric: 'ai_tokens', value: 1, timestamp: `2026-0${1 + (number % 3)}-05T12:00:00Z` }
  })
}

/** Returns how often the events were not acknowledged. */
async function sendUntilAcknowledged(client: MeterlineClient, events: readonly TestEvent[]): Promise<number> {
  let refused = 0
  await untilSo(async () => {
    const { status } = await client.send(events)
    if (status === 200) return true
    expect(status).toBe(503)
    refused += 1
    return false
  })
  return refused
}

/** Without FINAL, so that a second row of an event is seen even if a merge would remove it. */
async function expectCountedOnce({ client, clickhouse }: World, events: number): Promise<void> {
  expect(await queryOne(clickhouse.reads, storedEvents, {})).toEqual({ rows: events, counted: events })
  expect(await compareRawWithRollup(clickhouse)).toEqual({ ahead: 0, behind: 0 })
  expect((await client.audit()).body).toMatchObject({ differences: [], events_recounted: String(events) })
}

const storedEvents = defineQuery({
  name: 'test_stored_events',
  sql: 'SELECT toUInt32(count()) AS rows, (SELECT toUInt32(sum(total)) FROM project_usage_per_day_v1) AS counted FROM raw_usage_events_v1',
  params: z.object({}),
  row: z.object({ rows: z.number(), counted: z.number() }),
})

const httpAcquisitions = defineQuery({
  name: 'test_http_acquisitions',
  sql: "SELECT toUInt32(sum(acquisitions)) AS acquisitions FROM leases_v1 WHERE name = 'http'",
  params: z.object({}),
  row: z.object({ acquisitions: z.number() }),
})
