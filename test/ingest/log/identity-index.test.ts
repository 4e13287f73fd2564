import { afterEach, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { openHttpLog } from '../../../ingest/http/http-log.ts'
import { PartitionReader } from '../../../ingest/kafka/partition-reader.ts'
import type { BatchControl, FetchedBatch, GroupReader } from '../../../ingest/kafka/topic.ts'
import { completeIndex as completeFromRaw } from '../../../ingest/log/identity-index.ts'
import { KnownIdentities } from '../../../ingest/log/known-identities.ts'
import type { ClickHouse, Lane } from '../../../sql/clickhouse.ts'
import { StoreError } from '../../../sql/errors.ts'
import { type Migration, migrate, readMigrations } from '../../../sql/migrate.ts'
import { defineQuery } from '../../../sql/query.ts'
import type { TestEvent } from '../../support/clients/client.ts'
import { openTestStore, type TestStore } from '../../support/engines/embedded-store.ts'
import { newOwner, readOn, useTopic } from '../../support/kafka/log-owner.ts'
import { MemoryTopic } from '../../support/kafka/memory-topic.ts'
import { queriesOf } from '../../support/query-trace.ts'
import { untilSo } from '../../support/until-so.ts'
import { storeInDoubt } from '../../support/worlds/store-in-doubt.ts'
import { storeRawEvents, storeRawEventsOfBefore } from '../../support/worlds/store-raw-events.ts'
import { submissionOf } from '../../support/worlds/submission.ts'

const quiet = { info: () => {}, warn: () => {}, error: () => {} }
const VIEW = 'identity_hashes_mv_v1'

let store: TestStore
let clickhouse: ClickHouse
const open = async (migrations?: readonly Migration[]) => {
  store = await openTestStore(migrations)
  clickhouse = store.clickhouse
}
beforeEach(() => open())
afterEach(() => store.close())

test('P2: after a crash between the part of raw and that of the index, the owner adds what is missing before it looks anything up', async () => {
  await completeIndex()
  const events = eventsOf('torn', 3)
  await withoutView(() => storeInDoubt(clickhouse, events))
  // Two rows too many hide the lack from the count, so that nothing but the in-doubt range is left to find it.
  await clickhouse.control.command("INSERT INTO identity_hashes_v1 SELECT number, 1, '2026-01-01' FROM numbers(3) SETTINGS async_insert = 0")
  expect(await indexedEvents()).toBe(0)

  const log = await openHttpLog({ clickhouse, logger: quiet, onLost: () => {} })
  expect(await indexedEvents()).toBe(3)
  expect(await statusesOf(log, events)).toEqual(['duplicate', 'duplicate', 'duplicate'])
  await untilSo(async () => log.stats().logs[0]?.filterComplete === true)
  expect(await statusesOf(log, events)).toEqual(['duplicate', 'duplicate', 'duplicate'])
  await log.stop()
})

test('P2: a partition adds the identities of its in-doubt range before it reads the range again', async () => {
  await completeIndex()
  const topic = new MemoryTopic('test/torn', 1)
  const events = eventsOf('torn', 3)
  for (const event of events) topic.appendEvent(event)
  await useTopic(clickhouse, topic)
  await withoutView(async () => {
    const crashing = newOwner(clickhouse, topic)
    await crashing.acquire()
    await readOn(crashing, topic, 3)
  })
  await clickhouse.control.command("INSERT INTO identity_hashes_v1 SELECT number, 1, '2026-01-01' FROM numbers(3) SETTINGS async_insert = 0")
  for (const event of events) topic.appendEvent(event)

  const owner = newOwner(clickhouse, topic)
  await owner.acquire()
  while (await readOn(owner, topic, 3));
  expect(owner.owned.stats()).toMatchObject({ counted: 0, duplicates: 3 })
  expect(await indexedEvents()).toBe(3)
})

test('P2: a database from before the index is indexed in the background, and its events are duplicates before and after', async () => {
  const all = await readMigrations()
  const withIndex = all.findIndex(({ name }) => name.includes('identity_hashes'))
  await store.close()
  await open(all.slice(0, withIndex))
  await storeRawEventsOfBefore(
    clickhouse,
    ['2025-11-30', '2025-12-01', '2026-01-31'].map((day, index) => ['old', `e${index}`, 'ai_tokens', `${day}T10:00:00Z`, '1', `${day}T10:00:00Z`]),
  )
  await migrate(clickhouse, { migrations: all })
  expect(await indexedEvents()).toBe(0)
  const again = ['new-0', 'new-1', 'new-2', 'e0', 'e1', 'e2'].map((event_id) => eventOf('old', event_id))

  const log = await openHttpLog({ clickhouse, logger: quiet, onLost: () => {} })
  expect(await statusesOf(log, again)).toEqual(['counted', 'counted', 'counted', 'duplicate', 'duplicate', 'duplicate'])
  await untilSo(async () => log.stats().logs[0]?.filterComplete === true)
  expect(await indexedEvents()).toBe(6)
  expect(new Set(await statusesOf(log, again))).toEqual(new Set(['duplicate']))
  await log.stop()
  expect(await clickhouse.reads.query(indexedMonths, {})).toEqual([{ month: 0 }, { month: 202511 }, { month: 202512 }, { month: 202601 }])
})

test('P2: the months are read only after every insert that began before the view, also one that began in the same second, has ended', async () => {
  await clickhouse.control.command('CREATE TABLE test_slow (n UInt8) ENGINE = Null')
  const lane = await clickhouse.openLane()
  let slow: Promise<void> | undefined
  await withoutView(async () => {
    // Both times are whole seconds for ClickHouse: late in one, they are rounded to different ones.
    await untilSo(async () => Date.now() % 1000 > 600 && Date.now() % 1000 < 750)
    slow = lane.command('INSERT INTO test_slow SELECT sleepEachRow(0.1) FROM numbers(25) SETTINGS max_block_size = 1')
    await untilSo(async () => (await runningSlow()) === 1)
  })
  const runningAtMonths: number[] = []
  const query: Lane['query'] = async (queried, params) => {
    if (queried.name === 'months_to_index') runningAtMonths.push(await runningSlow())
    return clickhouse.reads.query(queried, params)
  }
  await completeFromRaw({ work: clickhouse.work, reads: { ...clickhouse.reads, query } }, quiet, new AbortController().signal)
  expect(runningAtMonths).toEqual([0])
  await slow
})

test('P2: an index that lost rows is not trusted: it is completed again, and nothing counts twice meanwhile', async () => {
  const events = eventsOf('lost', 3)
  const first = await openHttpLog({ clickhouse, logger: quiet, onLost: () => {} })
  await statusesOf(first, events)
  await first.stop()
  await clickhouse.control.command('TRUNCATE TABLE identity_hashes_v1')

  const log = await openHttpLog({ clickhouse, logger: quiet, onLost: () => {} })
  expect(await statusesOf(log, events)).toEqual(['duplicate', 'duplicate', 'duplicate'])
  await untilSo(async () => log.stats().logs[0]?.filterComplete === true)
  expect(await indexedEvents()).toBe(3)
  await log.stop()
})

test('P2: what other logs have in doubt after a crash of the store does not make the index untrusted', async () => {
  await completeIndex()
  await withoutView(() => storeInDoubt(clickhouse, eventsOf('torn', 3)))
  const topic = new MemoryTopic('test/beside', 1)
  await useTopic(clickhouse, topic)
  const partition = newOwner(clickhouse, topic)
  expect(await queriesOf(() => partition.acquire())).not.toContain('months_to_index')
  await untilSo(async () => partition.owned.stats().filterComplete)
  partition.owned.close()
})

test('P2: an event whose hash is in the index but whose identity is not in raw counts, because a hash only says where to look', async () => {
  await storeRawEvents(clickhouse, [['p', 'x', 'ai_tokens', '2026-01-10T00:00:00Z', '1', '2026-01-10T00:00:00Z']])
  await clickhouse.control.command("ALTER TABLE raw_usage_events_v1 DELETE WHERE event_id = 'x' SETTINGS mutations_sync = 1")
  const log = await openHttpLog({ clickhouse, logger: quiet, onLost: () => {} })
  await untilSo(async () => log.stats().logs[0]?.filterComplete === true)
  expect(await statusesOf(log, [eventOf('p', 'x'), eventOf('p', 'y')])).toEqual(['counted', 'counted'])
  await log.stop()
})

test('P1: duplicates whose look-up takes too long are looked up in smaller groups: reading goes on, and the lease stays', async () => {
  const topic = new MemoryTopic('test/slow', 1)
  const events = Array.from({ length: 400 }, (_, index) => eventOf('slow', `e${index}`))
  for (const event of [...events, ...events]) topic.appendEvent(event)
  const slow = { ...clickhouse, reads: findingPerSecond(clickhouse.reads, 100) }
  const identities = new KnownIdentities({ clickhouse: slow, logger: quiet, filterBytesMax: 2 ** 20, lookUpSecondsMax: 1 })
  const partitionLog = newOwner(slow, topic, { identities })
  const group: GroupReader = { seek: () => {}, pause: () => {}, resume: () => {}, rejoin: () => {}, commit: async () => {}, stop: async () => {} }
  const control: BatchControl = { heartbeat: async () => {}, resolve: () => {} }
  const batch = { batchEventsMax: 400, batchBytesMax: 2 ** 20, batchMonthsMax: 24, batchDaysMax: 400 }
  const limits = { ...batch, retryAfterMsMin: 10, retryAfterMsMax: 100, ownerTimeoutMs: 1_000, heartbeatEveryMs: 2_000 }
  const reader = new PartitionReader({ partitionLog, groupReader: () => group, control: clickhouse.control, logger: quiet, limits })
  reader.assign()
  await untilSo(async () => reader.state.status === 'reading')
  await reader.onBatch(topic.fetch(0, 0, 800) as FetchedBatch, control)
  expect(partitionLog.owned.stats()).toMatchObject({ counted: 400, duplicates: 400, reacquisitions: 0 })
  await reader.end()
})

/** The first owner of a log marks the index as complete. */
async function completeIndex(): Promise<void> {
  const log = await openHttpLog({ clickhouse, logger: quiet, onLost: () => {} })
  await untilSo(async () => log.stats().logs[0]?.filterComplete === true)
  await log.stop()
}

test('P2: the heartbeat of a log goes on while a look-up takes long, so that no other process takes the log over', async () => {
  await completeIndex()
  let [waiting, lookUps] = [false, 0]
  const query: Lane['query'] = async (queried, params) => {
    // The look-up is answered only after two more heartbeats.
    if (waiting && queried.name === 'stored_events_of_months') {
      lookUps += 1
      for (let beats = 0; beats < 2; beats += 1) await nextHeartbeat()
    }
    return clickhouse.reads.query(queried, params)
  }
  const slow = { ...clickhouse, reads: { ...clickhouse.reads, query } }
  const log = await openHttpLog({ clickhouse: slow, logger: quiet, onLost: () => {}, limits: { heartbeatEveryMs: 20 } })
  expect(await statusesOf(log, eventsOf('long', 1))).toEqual(['counted'])
  waiting = true
  expect(await statusesOf(log, eventsOf('long', 1))).toEqual(['duplicate'])
  expect([lookUps, log.stats().logs[0]?.reacquisitions]).toEqual([1, 0])
  await log.stop()
})

async function nextHeartbeat(): Promise<void> {
  const written = async () => (await clickhouse.control.query(lastHeartbeat, {}))[0]?.writtenAt
  const before = await written()
  await untilSo(async () => (await written()) !== before)
}

const lastHeartbeat = defineQuery({
  name: 'test_heartbeat_written_at',
  sql: "SELECT toString(max(newest).written_at) AS writtenAt FROM log_watermarks_v2 WHERE log = 'http'",
  params: z.object({}),
  row: z.object({ writtenAt: z.string() }),
})

function eventOf(project_id: string, event_id: string, timestamp = '2026-01-10T00:00:00Z'): TestEvent {
  return { event_id, project_id, metric: 'ai_tokens', value: '1', timestamp }
}

/** One event for each month, so that each is a separate part of raw. */
function eventsOf(project: string, months: number): TestEvent[] {
  return Array.from({ length: months }, (_, month) => eventOf(project, `e${month}`, `2026-0${month + 1}-10T00:00:00Z`))
}

async function statusesOf(log: Awaited<ReturnType<typeof openHttpLog>>, events: readonly TestEvent[]): Promise<string[]> {
  return (await log.submit(submissionOf(events))).map(({ status }) => status)
}

/** Raw gets the rows that are written meanwhile, and the index does not: exactly what a kill between the two parts leaves. */
async function withoutView(work: () => Promise<void>): Promise<void> {
  const statement = (await readMigrations()).flatMap(({ statements }) => statements).find((each) => each.includes(`VIEW IF NOT EXISTS ${VIEW} `))
  if (statement === undefined) throw new Error(`No migration creates ${VIEW}.`)
  await clickhouse.control.command(`DROP VIEW ${VIEW}`)
  await work()
  await clickhouse.control.command(statement)
}

/** A store that finds this many identities per second, and stops a look-up at its time limit. */
function findingPerSecond(lane: Lane, rate: number): Lane {
  const query: Lane['query'] = (queried, params) => {
    const identities = String(params['identities'] ?? '').split('\n').length - 1
    const seconds = identities / rate
    if (seconds > Number(queried.settings['max_execution_time'])) throw new StoreError('unavailable', 'injected: time-out', { code: 159 })
    return lane.query(queried, params)
  }
  return { ...lane, query }
}

/** How many rows of raw have their identity in the index. */
async function indexedEvents(): Promise<number> {
  const [{ events } = { events: Number.NaN }] = await clickhouse.reads.query(eventsInIndex, {})
  return events
}

async function runningSlow(): Promise<number> {
  const [{ running } = { running: Number.NaN }] = await clickhouse.control.query(slowInserts, {})
  return running
}

const slowInserts = defineQuery({
  name: 'test_slow_inserts',
  sql: "SELECT count() AS running FROM system.processes WHERE query_kind = 'Insert' AND query LIKE 'INSERT INTO test_slow%'",
  params: z.object({}),
  row: z.object({ running: z.coerce.number() }),
})

const eventsInIndex = defineQuery({
  name: 'events_in_index',
  sql: `SELECT count() AS events FROM raw_usage_events_v1
        WHERE murmurHash3_32(concat(project_id, '\\x1F', event_id)) IN (SELECT toUInt32(intDiv(hash, 2097152)) FROM identity_hashes_v1)`,
  params: z.object({}),
  row: z.object({ events: z.coerce.number() }),
})

const indexedMonths = defineQuery({
  name: 'indexed_months',
  sql: 'SELECT month FROM identity_hash_months_v1 FINAL ORDER BY month',
  params: z.object({}),
  row: z.object({ month: z.number() }),
})
