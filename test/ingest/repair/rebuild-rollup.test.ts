import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { readPartnershipDays } from '../../../aggregator/usage/partnership-days.ts'
import { refreshPartnershipDays } from '../../../aggregator/usage/refresh-partnership-days.ts'
import { type HttpLog, openHttpLog } from '../../../ingest/http/http-log.ts'
import { insertIncarnation } from '../../../ingest/kafka/incarnation.ts'
import { publishWatermark } from '../../../ingest/log/watermark.ts'
import { type RebuildOutcome, rebuildRollup } from '../../../ingest/repair/rebuild-rollup.ts'
import type { ClickHouse, Lane } from '../../../sql/clickhouse.ts'
import { StoreError } from '../../../sql/errors.ts'
import { acquireLease, type Lease } from '../../../sql/lease.ts'
import { defineQuery } from '../../../sql/query.ts'
import type { TestEvent } from '../../support/clients/client.ts'
import { openTestStore, type TestStore } from '../../support/engines/embedded-store.ts'
import { compareRawWithRollup } from '../../support/oracles/stored-sums.ts'
import { untilSo } from '../../support/until-so.ts'
import { submissionOf } from '../../support/worlds/judged.ts'

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

/** By hand: 5 + 7 on the 5th and 1 on the 20th of January, 2 on the 3rd of February. */
const RIGHT = [
  { day: '2026-01-05', value: '12', events: 2 },
  { day: '2026-01-20', value: '1', events: 1 },
  { day: '2026-02-03', value: '2', events: 1 },
]

test('P3: a rollup that is ahead of raw, which settling cannot mend, is right again, and partnership days follow', async () => {
  await falsify()
  await refreshPartnershipDays(store.clickhouse)
  expect(await compareRawWithRollup(store.clickhouse)).toEqual({ ahead: 2, behind: 0 })
  expect(await days()).not.toEqual(RIGHT)

  // The 5th differs, the 9th is not in raw at all.
  expect(await rebuild()).toEqual({ status: 'rebuilt', result: { keys: 2, events: 3, differencesBefore: 2 } })
  expect(await compareRawWithRollup(store.clickhouse)).toEqual({ ahead: 0, behind: 0 })
  expect(await days()).toEqual(RIGHT)
  await refreshPartnershipDays(store.clickhouse)
  expect(await days()).toEqual(RIGHT)
  expect(await rebuild()).toEqual({ status: 'rebuilt', result: { keys: 2, events: 3, differencesBefore: 0 } })
})

test('P6: what the aggregator computed while it was rebuilt is not kept as right', async () => {
  await falsify()
  for (const step of [0, 4]) {
    const { clickhouse } = failAt(store.clickhouse, { step, fault: 'none', before: () => refreshPartnershipDays(store.clickhouse) })
    expect((await rebuildRollup(clickhouse, '2026-01', log.betweenBatches)).status).toBe('rebuilt')
    expect(await days()).toEqual(RIGHT)
    await falsify()
  }
  await rebuild()
})

test('P3: a month of which raw has nothing has an empty rollup afterwards', async () => {
  await store.clickhouse.control.command(rollupRow('2025-12-24', 9))
  const outcomes = [await rebuild('2025-12'), await rebuild('2025-12')]
  expect(outcomes).toEqual([1, 0].map((differencesBefore) => ({ status: 'rebuilt', result: { keys: 0, events: 0, differencesBefore } })))
  expect(await compareRawWithRollup(store.clickhouse)).toEqual({ ahead: 0, behind: 0 })
  expect(await days()).toEqual(RIGHT)
})

describe('P3 P6: killed at any step, with the aggregator beside it, no day stands under an old number; repeated, all is right', () => {
  for (const fault of ['lost before', 'answer lost'] as const) {
    test(fault, async () => {
      let met = true
      for (let step = 0; met; step += 1) {
        await falsify()
        await refreshPartnershipDays(store.clickhouse)
        const faulty = failAt(store.clickhouse, { step, fault, before: () => refreshPartnershipDays(store.clickhouse) })
        const outcome = rebuildRollup(faulty.clickhouse, '2026-01', log.betweenBatches)
        await outcome.catch((error: unknown) => expect(error).toBeInstanceOf(StoreError))
        met = faulty.met()
        expect(await days(), `after step ${step}`).toEqual(await plainDays())
        expect((await rebuild()).status).toBe('rebuilt')
        expect(await days(), `repeated after step ${step}`).toEqual(RIGHT)
        await refreshPartnershipDays(store.clickhouse)
        expect(await days(), `kept after step ${step}`).toEqual(RIGHT)
        expect(await compareRawWithRollup(store.clickhouse)).toEqual({ ahead: 0, behind: 0 })
        if (!met) expect(step, 'each step was killed once').toBe(7)
      }
    }, 240_000)
  }
})

test('P2 P3: events that arrive during a rebuild wait, and count once', async () => {
  await falsify()
  let arriving: Promise<unknown> | undefined
  const heard = async () => {
    arriving ??= log.submit(submissionOf([event('during', '2026-01-06', 3), event('a', '2026-01-05', 5)]))
    // Time enough for a batch: the owner's heartbeat moves twice, and is sent where the batch would be.
    for (let beats = 0, before = await heartbeat(); beats < 2; ) {
      const now = await heartbeat()
      if (now > before) [beats, before] = [beats + 1, now]
    }
    expect(await rawEvents()).toBe(4)
  }
  const { clickhouse } = failAt(store.clickhouse, { step: 4, fault: 'none', before: heard })
  expect(await rebuildRollup(clickhouse, '2026-01', log.betweenBatches)).toMatchObject({ status: 'rebuilt', result: { events: 3 } })
  expect(await arriving).toEqual([{ status: 'counted' }, { status: 'duplicate' }])
  expect(await compareRawWithRollup(store.clickhouse)).toEqual({ ahead: 0, behind: 0 })
  expect(await days()).toEqual([RIGHT[0], { day: '2026-01-06', value: '3', events: 1 }, RIGHT[1], RIGHT[2]])
})

describe('where other processes count', () => {
  const topic = 'cluster/rebuilt'
  const TAKEN = `${topic}/1/0`
  let reader: Lease
  const beat = (released: boolean) => publishWatermark(store.clickhouse.control, reader, { asOfMs: Date.now(), settledThrough: -1, released })
  const refused = (reason: unknown): RebuildOutcome => ({ status: 'rejected', reason: reason as string })
  beforeAll(async () => {
    await insertIncarnation(store.clickhouse.control, { topic, incarnation: 1, partitions: 2, starts: [0, 0], reason: 'test' })
    reader = await taken(TAKEN)
  })

  test('it is refused while one of them lives, naming it, and nothing is changed', async () => {
    await beat(false)
    await falsify()
    const before = await plainDays()
    for (const betweenBatches of [log.betweenBatches, elsewhere])
      expect(await rebuildRollup(store.clickhouse, '2026-01', betweenBatches)).toEqual(
        refused(expect.stringMatching(/\(process \d+\) counts events. Stop it first: `met/)),
      )
    expect(await plainDays()).toEqual(before)
    await beat(true)
    // The http log of this test is owned by a process that lives, too: this one, as seen by another.
    expect(await rebuildRollup(store.clickhouse, '2026-01', elsewhere)).toEqual(refused(expect.stringContaining(`(process ${process.pid})`)))
  })

  test('P2 P3: an owner that only sleeps is refused when it wakes up', async () => {
    await beat(true)
    expect((await rebuild()).status).toBe('rebuilt')
    await expect(beat(false)).rejects.toMatchObject({ fault: 'fenced' })
    expect(await compareRawWithRollup(store.clickhouse)).toEqual({ ahead: 0, behind: 0 })
  })

  test('P3: one that takes its log meanwhile is noticed, and the rollup is as it was', async () => {
    await falsify()
    const before = await plainDays()
    for (const step of [1, 3]) {
      const { clickhouse } = failAt(store.clickhouse, { step, fault: 'none', before: () => taken(TAKEN) })
      expect(await rebuildRollup(clickhouse, '2026-01', log.betweenBatches)).toEqual(
        refused(expect.stringMatching(/took .*meanwhile; the rollup is as it was/)),
      )
      expect(await plainDays()).toEqual(before)
      expect(await days()).toEqual(before)
      // What an overtaken one still counts must not run into the sums of the one that overtook it.
      if (step === 1) expect(await store.clickhouse.reads.query(rebuiltCount, {})).toEqual([{ rows: 0 }])
    }
    const { clickhouse } = failAt(store.clickhouse, { step: 4, fault: 'none', before: () => taken(TAKEN) })
    expect(await rebuildRollup(clickhouse, '2026-01', log.betweenBatches)).toEqual(
      refused(expect.stringMatching(/the rollup of 2026-01 may lack what it wrote/)),
    )
    expect((await rebuild()).status).toBe('rebuilt')
  })
})

function event(event_id: string, day: string, value: number): TestEvent {
  return { event_id, project_id: 'p', metric: 'ai_tokens', value, timestamp: `${day}T12:00:00Z` }
}

function rebuild(month = '2026-01'): Promise<RebuildOutcome> {
  return rebuildRollup(store.clickhouse, month, log.betweenBatches)
}

/** A process that holds no log itself. */
function elsewhere<T>(work: (held: undefined) => Promise<T>): Promise<T> {
  return work(undefined)
}

async function taken(name: string): Promise<Lease> {
  const outcome = await acquireLease(store.clickhouse, name)
  if (outcome.status !== 'taken') throw new Error('not taken')
  return outcome.ownership
}

/** Too much on a day that raw has, and something on a day that it has not. */
async function falsify(): Promise<void> {
  await store.clickhouse.control.command(rollupRow('2026-01-05', 100))
  await store.clickhouse.control.command(rollupRow('2026-01-09', 50))
}

function rollupRow(day: string, value: number): string {
  return `INSERT INTO project_usage_per_day_v1 SETTINGS async_insert=0
    SELECT 'p', toDate('${day}'), 'ai_tokens', 'http', toDecimal128(${value}, 9), toDecimal256(${value}, 9), 1, toDateTime64('${day} 00:00:00', 3)`
}

async function days() {
  return (await readPartnershipDays(store.clickhouse, 'ps', SPAN)).map(({ day, value, events }) => ({ day, value, events }))
}

/** The same, straight from the rollup: what an answer must be, whatever is kept. */
function plainDays() {
  return store.clickhouse.reads.query(rollupDays, {})
}

async function rawEvents(): Promise<number | undefined> {
  return (await store.clickhouse.reads.query(rawCount, {}))[0]?.events
}

async function heartbeat(): Promise<number> {
  let beat: number | undefined
  await untilSo(async () => {
    beat = (await store.clickhouse.reads.query(lastBeat, {}))[0]?.beat_ms
    return beat !== undefined
  })
  return beat as number
}

interface Failing {
  /** Which change of the store, counted from 0. */
  readonly step: number
  readonly fault: 'none' | 'lost before' | 'answer lost'
  /** Runs before the change is sent. */
  before(): Promise<unknown>
}

/** The same store, but one change of it meets the fault: it never arrives, or its answer is lost. */
function failAt(clickhouse: ClickHouse, { step, fault, before }: Failing): { clickhouse: ClickHouse; met: () => boolean } {
  let changes = 0
  let met = false
  const change = async (send: () => Promise<void>) => {
    changes += 1
    if (changes - 1 !== step) return send()
    await before()
    met = true
    if (fault !== 'lost before') await send()
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

const lastBeat = defineQuery({
  name: 'test_last_beat',
  sql: `SELECT toUnixTimestamp64Milli(max(newest).written_at) AS beat_ms FROM log_watermarks_v1 WHERE log = 'http'`,
  params: z.object({}),
  row: z.object({ beat_ms: z.coerce.number() }),
})
