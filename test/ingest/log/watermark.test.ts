import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { HTTP_LOG, type HttpLog, openHttpLog } from '../../../ingest/http/http-log.ts'
import { PartitionWatermark } from '../../../ingest/kafka/partition-watermark.ts'
import { findLiveOwner, OWNER_TIMEOUT_MS, publishWatermark } from '../../../ingest/log/watermark.ts'
import { dayOf, MS_PER_DAY } from '../../../metering/timestamp.ts'
import { acquireLease, type Lease } from '../../../sql/lease.ts'
import { defineQuery } from '../../../sql/query.ts'
import { queryOne } from '../../../sql/query-one.ts'
import { openTestStore, type TestStore } from '../../support/engines/embedded-store.ts'
import { newOwner, readOn, useTopic } from '../../support/kafka/log-owner.ts'
import { MemoryTopic } from '../../support/kafka/memory-topic.ts'
import { untilSo } from '../../support/until-so.ts'

const quiet = { info: () => {}, warn: () => {}, error: () => {} }
const HOUR_MS = 3_600_000
const { now } = Date

let store: TestStore
beforeAll(async () => {
  store = await openTestStore()
})
afterAll(() => store.close())
afterEach(() => vi.restoreAllMocks())

/** Sets the clock of this host, not that of the store. */
function setHostClock(aheadMs: number): void {
  vi.spyOn(Date, 'now').mockImplementation(() => now() + aheadMs)
}

async function acquire(name: string): Promise<Lease> {
  const outcome = await acquireLease(store.clickhouse, name)
  if (outcome.status !== 'acquired') throw new Error(outcome.status)
  return outcome.lease
}

function publish(lease: Lease, number: number): Promise<void> {
  return publishWatermark(store.clickhouse.control, lease, { number, asOfMs: now(), settledThrough: -1, released: false })
}

/** A heartbeat that was written by the store's clock as it was then. */
async function writtenAt({ name, epoch, owner }: Lease, { number, writtenMs }: { number: number; writtenMs: number }): Promise<void> {
  await store.clickhouse.control.command(
    `INSERT INTO log_watermarks_v2 SELECT '${name}', (${epoch}, '${owner}', ${number}, fromUnixTimestamp64Milli(${writtenMs}), fromUnixTimestamp64Milli(${writtenMs}), fromUnixTimestamp64Milli(${writtenMs}), -1, 0, 'host')`,
  )
}

test('a clock of the store that is set back neither silences a living owner nor keeps a dead one alive', async () => {
  const lease = await acquire('set-back')
  await writtenAt(lease, { number: 1, writtenMs: now() + HOUR_MS })
  expect(await findLiveOwner(store.clickhouse.control, lease.name, OWNER_TIMEOUT_MS)).toBeUndefined()
  await publish(lease, 2)
  expect(await findLiveOwner(store.clickhouse.control, lease.name, OWNER_TIMEOUT_MS)).toContain(`process ${process.pid}`)
})

test('a heartbeat is evidence of its day only while the clocks of its host and of the store agree to within five minutes', async () => {
  const { control, reads } = store.clickhouse
  await control.command('TRUNCATE TABLE heartbeat_days_v1')
  const lease = await acquire('evidence')
  setHostClock(6 * 60_000)
  await publish(lease, 1)
  expect(await reads.query(heartbeatDays, {})).toEqual([])
  setHostClock(4 * 60_000)
  for (const number of [2, 3, 4]) await publish(lease, number)
  expect(await reads.query(heartbeatDays, {})).toEqual([{ day: dayOf(now()) }])
})

test('P1: whatever is done to the clock of the host, the owner of the http log sends heartbeats, and its watermark is never in the future', async () => {
  const log: HttpLog = await openHttpLog({ clickhouse: store.clickhouse, logger: quiet, onLost: () => {}, limits: { heartbeatEveryMs: 20 } })
  for (const aheadMs of [0, -HOUR_MS, 10 * MS_PER_DAY, 0]) {
    setHostClock(aheadMs)
    const before = await lastHeartbeat()
    // The heartbeat after the next one, because the next one may have begun before the clock was set.
    await untilSo(async () => (await lastHeartbeat()).number >= before.number + 2)
    const { asOfMs } = await lastHeartbeat()
    expect(asOfMs).toBeLessThanOrEqual(now())
    if (aheadMs >= 0) expect(asOfMs).toBeGreaterThan(now() - HOUR_MS / 2)
  }
  await log.stop()
})

const HEARTBEATS = { heartbeatEveryMs: 2_000 }

test('P1: the watermark of a partition that was noted by a clock ahead is given up when the clock is right again', async () => {
  const topic = new MemoryTopic('test/ahead', 1)
  const append = (id: string) =>
    topic.append(0, JSON.stringify({ event_id: id, project_id: 'p', metric: 'ai_tokens', value: '1', timestamp: '2026-01-01T00:00:00Z' }))
  append('before')
  await useTopic(store.clickhouse, topic)
  const owner = newOwner(store.clickhouse, topic)
  await owner.acquire()
  const watermark = new PartitionWatermark(owner, HEARTBEATS)
  const [aheadMs, rightMs] = [now() + MS_PER_DAY, now()]
  watermark.note({ asOfMs: aheadMs, end: 1 })
  // Acknowledged while the clock is right again, before the noted end is settled.
  append('after')
  watermark.note({ asOfMs: rightMs, end: 2 })
  await readOn(owner, topic, 1)
  await watermark.advance()
  expect(owner.owned.asOfMs).toBe(0)
  await readOn(owner, topic, 1)
  await watermark.advance()
  expect(owner.owned.asOfMs).toBe(rightMs)
  // An owner that published the future claims nothing, until an end that it notes now is settled.
  await owner.owned.publishWatermark({ asOfMs: aheadMs, settledThrough: 1, released: false })
  const successor = newOwner(store.clickhouse, topic)
  await successor.acquire()
  const next = new PartitionWatermark(successor, HEARTBEATS)
  next.note({ asOfMs: rightMs, end: 3 })
  await next.advance()
  expect(successor.owned.asOfMs).toBe(0)
  for (const { owned } of [owner, successor]) owned.close()
})

function lastHeartbeat() {
  return queryOne(store.clickhouse.reads, lastWatermark, { log: HTTP_LOG })
}

const lastWatermark = defineQuery({
  name: 'test_last_heartbeat_of_log',
  sql: `SELECT newest.number AS number, toUnixTimestamp64Milli(newest.as_of) AS asOfMs
        FROM (SELECT max(newest) AS newest FROM log_watermarks_v2 WHERE log = {log: String})`,
  params: z.object({ log: z.string() }),
  row: z.object({ number: z.coerce.number(), asOfMs: z.coerce.number() }),
})

const heartbeatDays = defineQuery({
  name: 'test_heartbeat_days',
  sql: 'SELECT day FROM heartbeat_days_v1',
  params: z.object({}),
  row: z.object({ day: z.string() }),
})
