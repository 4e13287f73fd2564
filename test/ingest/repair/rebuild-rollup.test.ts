import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { readPartnershipDays } from '../../../aggregator/usage/partnership-days.ts'
import { refreshPartnershipDays } from '../../../aggregator/usage/refresh-partnership-days.ts'
import { type HttpLog, openHttpLog } from '../../../ingest/http/http-log.ts'
import { insertIncarnation } from '../../../ingest/kafka/incarnation.ts'
import { publishWatermark } from '../../../ingest/log/watermark.ts'
import { type RebuildOptions, type RebuildOutcome, rebuildRollup } from '../../../ingest/repair/rebuild-rollup.ts'
import type { ClickHouse, Lane } from '../../../sql/clickhouse.ts'
import { StoreError } from '../../../sql/errors.ts'
import { acquireLease, type Lease } from '../../../sql/lease.ts'
import { defineQuery } from '../../../sql/query.ts'
import type { TestEvent } from '../../support/clients/client.ts'
import { openTestStore, type TestStore } from '../../support/engines/embedded-store.ts'
import { compareRawWithRollup } from '../../support/oracles/stored-sums.ts'
import { untilSo } from '../../support/until-so.ts'
import { submissionOf } from '../../support/worlds/submission.ts'

const quiet = { info: () => {}, warn: () => {}, error: () => {} }
const SPAN = { first: '2026-01-01', last: '2026-02-28', end: '2026-03-01' }
let store: TestStore
let log: HttpLog
beforeAll(async () => {
  store = await openTestStore()
  const { clickhouse } = store
  await clickhouse.control.command(
    `INSERT INTO projects_v1 (project_id, revision, partner_id, name, status, created_at) SETTINGS async_insert=0 VALUES ('p', 1, 'ps', 'p', 'active', now64(3) - 60)`,
  )
  log = await openHttpLog({ clickhouse, logger: quiet, onLost: () => {}, limits: { heartbeatEveryMs: 50 } })
  await log.submit(submissionOf([event('a', '2026-01-05', 5), event('b', '2026-01-05', 7), event('c', '2026-01-20', 1), event('d', '2026-02-03', 2)]))
})
afterAll(async () => {
  await log.stop()
  await store.close()
})

/** Computed by hand: 5 + 7 on 5 January, 1 on 20 January, 2 on 3 February. */
const RIGHT = [
  { day: '2026-01-05', value: '12', events: 2 },
  { day: '2026-01-20', value: '1', events: 1 },
  { day: '2026-02-03', value: '2', events: 1 },
]

test('P3: a rebuild corrects a rollup that is ahead of raw, which reconciling cannot, and partnership days follow', async () => {
  await falsify()
  await refreshPartnershipDays(store.clickhouse)
  expect(await compareRawWithRollup(store.clickhouse)).toEqual({ ahead: 2, behind: 0 })
  expect(await days()).not.toEqual(RIGHT)

  // 5 January differs, and 9 January is not in raw at all.
  expect(await rebuild()).toEqual({ status: 'rebuilt', result: { keys: 2, events: 3, differencesBefore: 2 } })
  expect(await compareRawWithRollup(store.clickhouse)).toEqual({ ahead: 0, behind: 0 })
  expect(await days()).toEqual(RIGHT)
  await refreshPartnershipDays(store.clickhouse)
  expect(await days()).toEqual(RIGHT)
  expect(await rebuild()).toEqual({ status: 'rebuilt', result: { keys: 2, events: 3, differencesBefore: 0 } })
})

test('P6: partnership days that were computed during a rebuild are not used after it', async () => {
  await falsify()
  for (const step of [0, 6]) {
    const { clickhouse } = failAt(store.clickhouse, { step, fault: 'none', before: () => refreshPartnershipDays(store.clickhouse) })
    expect((await rebuildRollup(clickhouse, '2026-01', locking(log.runBetweenBatches))).status).toBe('rebuilt')
    expect(await days()).toEqual(RIGHT)
    await falsify()
  }
  await rebuild()
})

test('P3: the rollup of a month without events in raw is empty after a rebuild', async () => {
  await store.clickhouse.control.command(rollupRow('2025-12-24', 9))
  const outcomes = [await rebuild('2025-12'), await rebuild('2025-12')]
  expect(outcomes).toEqual([1, 0].map((differencesBefore) => ({ status: 'rebuilt', result: { keys: 0, events: 0, differencesBefore } })))
  expect(await compareRawWithRollup(store.clickhouse)).toEqual({ ahead: 0, behind: 0 })
  expect(await days()).toEqual(RIGHT)
})

describe('P3 P6: a rebuild that fails at any step, while the aggregator runs', () => {
  for (const fault of ['not sent', 'response lost'] as const) {
    test(`after a change with the fault "${fault}" no day has outdated totals, and repeating the rebuild corrects all of them`, async () => {
      let met = true
      for (let step = 0; met; step += 1) {
        await falsify()
        await refreshPartnershipDays(store.clickhouse)
        const faulty = failAt(store.clickhouse, { step, fault, before: () => refreshPartnershipDays(store.clickhouse) })
        const outcome = rebuildRollup(faulty.clickhouse, '2026-01', locking(log.runBetweenBatches))
        await outcome.catch((error: unknown) => expect(error).toBeInstanceOf(StoreError))
        met = faulty.met()
        expect(await days(), `after step ${step}`).toEqual(await plainDays())
        expect((await rebuild()).status).toBe('rebuilt')
        expect(await days(), `repeated after step ${step}`).toEqual(RIGHT)
        await refreshPartnershipDays(store.clickhouse)
        expect(await days(), `materialized after step ${step}`).toEqual(RIGHT)
        expect(await compareRawWithRollup(store.clickhouse)).toEqual({ ahead: 0, behind: 0 })
        if (!met) expect(step, 'each step failed once').toBe(10)
      }
    }, 240_000)
  }
})

test('P2 P3: events that arrive during a rebuild wait, and count once', async () => {
  await falsify()
  let arriving: Promise<unknown> | undefined
  const submitDuring = async () => {
    arriving ??= log.submit(submissionOf([event('during', '2026-01-06', 3), event('a', '2026-01-05', 5)]))
    // Long enough for a batch: two heartbeats of the owner are written meanwhile, on the lane that the batch would use.
    for (let heartbeats = 0, before = await lastHeartbeatMs(); heartbeats < 2; ) {
      const now = await lastHeartbeatMs()
      if (now > before) [heartbeats, before] = [heartbeats + 1, now]
    }
    expect(await rawEvents()).toBe(4)
  }
  const { clickhouse } = failAt(store.clickhouse, { step: 6, fault: 'none', before: submitDuring })
  expect(await rebuildRollup(clickhouse, '2026-01', locking(log.runBetweenBatches))).toMatchObject({ status: 'rebuilt', result: { events: 3 } })
  expect(await arriving).toEqual([{ status: 'counted' }, { status: 'duplicate' }])
  expect(await compareRawWithRollup(store.clickhouse)).toEqual({ ahead: 0, behind: 0 })
  expect(await days()).toEqual([RIGHT[0], { day: '2026-01-06', value: '3', events: 1 }, RIGHT[1], RIGHT[2]])
})

describe('a rebuild beside other processes that count', () => {
  const topic = 'cluster/rebuilt'
  const PARTITION_LOG = `${topic}/1/0`
  let readerLease: Lease
  let heartbeats = 0
  const publish = (released: boolean) => {
    heartbeats += 1
    return publishWatermark(store.clickhouse.control, readerLease, { number: heartbeats, asOfMs: Date.now(), settledThrough: -1, released })
  }
  const rejected = (reason: unknown): RebuildOutcome => ({ status: 'rejected', reason: reason as string })
  beforeAll(async () => {
    await insertIncarnation(store.clickhouse.control, { topic, incarnation: 1, partitions: 2, starts: [0, 0], reason: 'test' })
    readerLease = await acquire(PARTITION_LOG)
  })

  test('a rebuild is rejected while another process that counts is alive; it names that process, changes nothing and is not audited', async () => {
    await publish(false)
    notes = 0
    await falsify()
    const before = await plainDays()
    for (const runBetweenBatches of [log.runBetweenBatches, elsewhere])
      expect(await rebuildRollup(store.clickhouse, '2026-01', locking(runBetweenBatches))).toEqual(
        rejected(expect.stringMatching(/\(process \d+\) counts events. Stop it first: `met/)),
      )
    expect(await plainDays()).toEqual(before)
    expect(notes).toBe(0)
    await publish(true)
    // The owner of this test's http log is alive as well: it is this process, as another process sees it.
    expect(await rebuildRollup(store.clickhouse, '2026-01', locking(elsewhere))).toEqual(rejected(expect.stringContaining(`(process ${process.pid})`)))
  })

  test('P2 P3: the fence refuses the writes of an owner that was suspended during a rebuild', async () => {
    await publish(true)
    expect((await rebuild()).status).toBe('rebuilt')
    expect(notes).toBe(1)
    await expect(publish(false)).rejects.toMatchObject({ fault: 'fenced' })
    expect(await compareRawWithRollup(store.clickhouse)).toEqual({ ahead: 0, behind: 0 })
  })

  test('P3: a process that takes over a log during a rebuild is detected, and the rollup is unchanged', async () => {
    await falsify()
    const before = await plainDays()
    for (const step of [1, 5]) {
      const { clickhouse } = failAt(store.clickhouse, { step, fault: 'none', before: () => acquire(PARTITION_LOG) })
      expect(await rebuildRollup(clickhouse, '2026-01', locking(log.runBetweenBatches))).toEqual(
        rejected(expect.stringMatching(/took over .*meanwhile; the rollup is unchanged/)),
      )
      expect(await plainDays()).toEqual(before)
      expect(await days()).toEqual(before)
      // What an overtaken rebuild still counts must not get into the sums of the rebuild that overtook it.
      if (step === 1) expect(await store.clickhouse.reads.query(rebuiltCount, {})).toEqual([{ rows: 0 }])
    }
    const { clickhouse } = failAt(store.clickhouse, { step: 6, fault: 'none', before: () => acquire(PARTITION_LOG) })
    expect(await rebuildRollup(clickhouse, '2026-01', locking(log.runBetweenBatches))).toEqual(
      rejected(expect.stringMatching(/the rollup of 2026-01 may lack what it wrote/)),
    )
    expect((await rebuild()).status).toBe('rebuilt')
  })
})

function event(event_id: string, day: string, value: number): TestEvent {
  return { event_id, project_id: 'p', metric: 'ai_tokens', value, timestamp: `${day}T12:00:00Z` }
}

let notes = 0
function locking(runBetweenBatches: RebuildOptions['runBetweenBatches']): RebuildOptions {
  const note = async () => {
    notes += 1
  }
  return { runBetweenBatches, note }
}

function rebuild(month = '2026-01'): Promise<RebuildOutcome> {
  return rebuildRollup(store.clickhouse, month, locking(log.runBetweenBatches))
}

/** A process that has no log to lock. */
function elsewhere<T>(work: () => Promise<T>): Promise<T> {
  return work()
}

async function acquire(name: string): Promise<Lease> {
  const outcome = await acquireLease(store.clickhouse, name)
  if (outcome.status !== 'acquired') throw new Error(outcome.status)
  return outcome.lease
}

/** Adds too much to a day that is in raw, and something to a day that is not. */
async function falsify(): Promise<void> {
  await store.clickhouse.control.command(rollupRow('2026-01-05', 100))
  await store.clickhouse.control.command(rollupRow('2026-01-09', 50))
}

function rollupRow(day: string, value: number): string {
  return `INSERT INTO project_usage_per_day_v1 (project_id, usage_date, metric, log, peak, total, events, last_event_at) SETTINGS async_insert=0
    SELECT 'p', toDate('${day}'), 'ai_tokens', 'http', toDecimal128(${value}, 9), toDecimal256(${value}, 9), 1, toDateTime64('${day} 00:00:00', 3)`
}

async function days() {
  return (await readPartnershipDays(store.clickhouse, 'ps', SPAN)).map(({ day, value, events }) => ({ day, value, events }))
}

/** The same from the rollup alone: what an answer must be, whatever is materialized. */
function plainDays() {
  return store.clickhouse.reads.query(rollupDays, {})
}

async function rawEvents(): Promise<number | undefined> {
  return (await store.clickhouse.reads.query(rawCount, {}))[0]?.events
}

async function lastHeartbeatMs(): Promise<number> {
  let writtenMs: number | undefined
  await untilSo(async () => {
    writtenMs = (await store.clickhouse.reads.query(lastHeartbeat, {}))[0]?.writtenMs
    return writtenMs !== undefined
  })
  return writtenMs as number
}

interface FailureOptions {
  /** Which change of the store fails, counted from 0. */
  readonly step: number
  readonly fault: 'none' | 'not sent' | 'response lost'
  /** Runs before the change is sent. */
  before(): Promise<unknown>
}

/** The same store, except that one change of it has the fault: it never arrives, or its answer is lost. */
function failAt(clickhouse: ClickHouse, { step, fault, before }: FailureOptions): { clickhouse: ClickHouse; met: () => boolean } {
  let changes = 0
  let met = false
  const change = async (send: () => Promise<void>) => {
    changes += 1
    if (changes - 1 !== step) return send()
    await before()
    met = true
    if (fault !== 'not sent') await send()
    if (fault !== 'none') throw new StoreError('unavailable', `injected: ${fault}`)
  }
  const laneOf = (lane: Lane): Lane => ({
    ...lane,
    execute: (statement, params, tag) => change(() => lane.execute(statement, params, tag)),
    insert: (insert) => (insert.table === 'rollup_rebuilds_v1' ? change(() => lane.insert(insert)) : lane.insert(insert)),
  })
  return { clickhouse: { ...clickhouse, reads: laneOf(clickhouse.reads), control: laneOf(clickhouse.control) }, met: () => met }
}

const rollupDays = defineQuery({
  name: 'test_rollup_days',
  sql: `SELECT usage_date AS day, sum(total) AS value, sum(events) AS events FROM project_usage_per_day_v1
        WHERE usage_date >= '2026-01-01' AND usage_date < '2026-03-01' GROUP BY usage_date ORDER BY usage_date`,
  params: z.object({}),
  row: z.object({ day: z.string(), value: z.string(), events: z.coerce.number() }),
})

const rawCount = defineQuery({
  name: 'test_raw_count',
  sql: 'SELECT count() AS events FROM raw_usage_events_v1 FINAL',
  params: z.object({}),
  row: z.object({ events: z.coerce.number() }),
})

const rebuiltCount = defineQuery({
  name: 'test_rebuilt_count',
  sql: 'SELECT count() AS rows FROM rebuilt_usage_per_day_v1',
  params: z.object({}),
  row: z.object({ rows: z.coerce.number() }),
})

const lastHeartbeat = defineQuery({
  name: 'test_last_heartbeat',
  sql: `SELECT toUnixTimestamp64Milli(max(newest).written_at) AS writtenMs FROM log_watermarks_v2 WHERE log = 'http'`,
  params: z.object({}),
  row: z.object({ writtenMs: z.coerce.number() }),
})
