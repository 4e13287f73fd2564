import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type HttpLog, openHttpLog } from '../../../ingest/http/http-log.ts'
import { PartitionReader } from '../../../ingest/kafka/partition-reader.ts'
import type { BatchControl, FetchedBatch, GroupReader } from '../../../ingest/kafka/topic.ts'
import { EventsUnavailable, type Submission } from '../../../ingest/log/event-log.ts'
import { TOUCHED_PER_BATCH_MAX } from '../../../ingest/log/touched-days.ts'
import { monthNumberOf } from '../../../metering/month.ts'
import type { Insert, Lane } from '../../../sql/clickhouse.ts'
import { StoreError } from '../../../sql/errors.ts'
import { defineQuery } from '../../../sql/query.ts'
import { openTestStore, type TestStore } from '../../support/engines/embedded-store.ts'
import { foldTopic, storedOfTopic } from '../../support/kafka/log-oracle.ts'
import { newOwner, useTopic } from '../../support/kafka/log-owner.ts'
import { MemoryTopic } from '../../support/kafka/memory-topic.ts'
import { compareRawWithRollup } from '../../support/oracles/stored-sums.ts'
import { untilSo } from '../../support/until-so.ts'
import { submissionOf } from '../../support/worlds/submission.ts'

const quiet = { info: () => {}, warn: () => {}, error: () => {} }
let store: TestStore
beforeAll(async () => {
  store = await openTestStore()
})
afterAll(() => store.close())

test('P6: an event of a day that the store cannot hold is refused by the store itself, should validation let it pass; the others count', async () => {
  const log = await openHttpLog({ clickhouse: store.clickhouse, logger: quiet, onLost: () => {} })
  const submission = submissionOf(
    ['a', 'b', 'c'].map((event_id) => ({ event_id, project_id: 'wrapped', metric: 'ai_tokens', value: 1, timestamp: '2026-01-31T00:00:00Z' })),
  )
  const validated = submission.validated.map((each) =>
    each.status === 'valid' && each.event.eventId === 'b' ? { ...each, event: { ...each.event, timestampMs: Date.UTC(2200, 11, 31) } } : each,
  )
  const verdicts = await log.submit({ ...submission, validated })
  expect(verdicts.map((verdict) => (verdict.status === 'rejected' ? verdict.rejection.reason : verdict.status))).toEqual([
    'counted',
    'refused_by_store',
    'counted',
  ])
  expect(await store.clickhouse.reads.query(storedDays, { project: 'wrapped' })).toEqual([{ day: '2026-01-31', raw: 2, rollup: 2 }])
  await log.stop()
})

/** Events of this many months, the oldest first, each of another day. */
function eventsOfMonths(project_id: string, count: number) {
  return Array.from({ length: count }, (_, index) => ({
    event_id: `e${index}`,
    project_id,
    metric: 'ai_tokens',
    value: '1',
    timestamp: new Date(Date.UTC(2010, index, 1 + (index % 28))).toISOString(),
  }))
}

const ofNow = (project_id: string) => submissionOf([{ event_id: 'now', project_id, metric: 'ai_tokens', value: '1', timestamp: new Date().toISOString() }])
const byKey = (submission: Submission, ingestKeyId: string): Submission => ({ ...submission, ingestKeyId })

const EVENTS = 'usage_events_inbox_v1'
const CORRECTIONS = 'usage_corrections_inbox_v1'

interface InsertedBatch {
  readonly table: string
  readonly projects: ReadonlySet<string>
  readonly events: number
  readonly months: number
}

/** The same lane, with what each insert of events or of corrections touches. An insert of more months than `monthsMax` takes too long, and is not stored. */
function watchInserts(lane: Lane, monthsMax = Number.POSITIVE_INFINITY): { lane: Lane; inserts: InsertedBatch[] } {
  const inserts: InsertedBatch[] = []
  const insert = async (each: Insert) => {
    if (each.table === EVENTS || each.table === CORRECTIONS) {
      const rows = String(each.text)
        .trimEnd()
        .split('\n')
        .map((line) => line.split('\t'))
      const timeOf = (fields: readonly string[]) => (each.table === EVENTS ? Number(fields[3]) : Date.parse(fields[DAY_OF_CORRECTION] ?? ''))
      const months = new Set(rows.map((fields) => monthNumberOf(timeOf(fields)))).size
      inserts.push({ table: each.table, projects: new Set(rows.map(([project = '']) => project)), events: rows.length, months })
      if (months > monthsMax) throw new StoreError('unavailable', 'injected: Timeout exceeded', { code: 159 })
    }
    await lane.insert(each)
  }
  return { lane: { ...lane, insert }, inserts }
}

/** The column usage_date. */
const DAY_OF_CORRECTION = 5

async function openWatchedLog(monthsMax?: number) {
  const { lane, inserts } = watchInserts(store.clickhouse.ingest, monthsMax)
  const log = await openHttpLog({ clickhouse: { ...store.clickhouse, ingest: lane }, logger: quiet, onLost: () => {} })
  return { log, inserts }
}

/** Voids of the events of eventsOfMonths, with the days that the api has looked up or, as in a topic, without them. */
function voidsOfMonths(project_id: string, count: number) {
  return eventsOfMonths(project_id, count).map(({ event_id: corrects }) => ({
    event_id: `v-${corrects}`,
    project_id,
    corrects,
    action: 'void',
    reason: 'test',
  }))
}

describe('one insert of the http log', () => {
  test('a request of 60 months is written 24 months at a time, and the event of another key is in the insert after the first', async () => {
    const { log, inserts } = await openWatchedLog()
    const many = log.submit(byKey(submissionOf(eventsOfMonths('many', 60)), 'past'))
    const now = log.submit(byKey(ofNow('beside'), 'now'))
    expect((await now).map(({ status }) => status)).toEqual(['counted'])
    expect(inserts.map(({ months }) => months)).toEqual([24, 1])
    expect(new Set((await many).map(({ status }) => status))).toEqual(new Set(['counted']))
    expect(inserts.map(({ months }) => months)).toEqual([24, 1, 24, 12])
    expect(await compareRawWithRollup(store.clickhouse)).toEqual({ ahead: 0, behind: 0 })
    await log.stop()
  })

  test('corrections of events of 60 months are written 24 months at a time, and the event of another key is stored after the first ones', async () => {
    const { log, inserts } = await openWatchedLog()
    const events = eventsOfMonths('voided', 60)
    await log.submit(submissionOf(events))
    const voids = submissionOf(voidsOfMonths('voided', 60))
    const validated = voids.validated.map((each, index) => ({ ...each, usageDate: events[index]?.timestamp.slice(0, 10) ?? '' }))
    inserts.splice(0)
    const many = log.submit(byKey({ ...voids, validated }, 'past'))
    await log.submit(byKey(ofNow('beside-voids'), 'now'))
    expect(inserts.map(({ table, months }) => [table, months])).toEqual([...[CORRECTIONS, CORRECTIONS].map((table) => [table, 12]), [EVENTS, 1]])
    expect(new Set((await many).map(({ status }) => status))).toEqual(new Set(['counted']))
    expect(inserts.slice(3).map(({ table, months }) => [table, months])).toEqual([12, 12, 12].map((months) => [CORRECTIONS, months]))
    expect(await store.clickhouse.reads.query(countOf, { project: 'voided' })).toEqual([{ raw: 60, rollup: 60, voided: 60 }])
    await log.stop()
  })

  test('an insert touches at most 400 days', async () => {
    const { log, inserts } = await openWatchedLog()
    const days = Array.from({ length: 500 }, (_, day) => ({
      ...eventsOfMonths('days', 1)[0],
      event_id: `d${day}`,
      timestamp: new Date(Date.UTC(2024, 0, 1 + day)).toISOString(),
    }))
    await log.submit(submissionOf(days as Parameters<typeof submissionOf>[0]))
    expect(inserts.map(({ events }) => events)).toEqual([400, 100])
    await log.stop()
  })

  test('P1: after a time-out the emitter sends again, and the request passes in smaller inserts, each event counted once', async () => {
    const { log, inserts } = await openWatchedLog(5)
    const submission = submissionOf(eventsOfMonths('slow', 24))
    for (const months of [24, 12, 6]) {
      await expect(log.submit(submission)).rejects.toThrow(EventsUnavailable)
      expect(inserts.at(-1)).toMatchObject({ months })
      await untilSo(async () => acceptsEvents(log))
    }
    await log.submit(submission)
    expect(inserts[3]).toMatchObject({ months: 3 })
    expect(Math.max(...inserts.slice(3).map(({ months }) => months))).toBeLessThanOrEqual(5)
    expect(await store.clickhouse.reads.query(countOf, { project: 'slow' })).toEqual([{ raw: 24, rollup: 24, voided: 0 }])
    await log.stop()
  })
})

/** After three failed batches it accepts events again although it is not ready before one of them is stored. */
function acceptsEvents(log: HttpLog): boolean {
  const readiness = log.readiness()
  return readiness.ready || readiness.reason.startsWith('nothing was stored')
}

describe('one insert of a partition', () => {
  const control: BatchControl = { heartbeat: async () => {}, resolve: () => {} }

  /** Reads a topic with events of this many months; the test plays the consumer group. */
  async function readTopic(name: string, months: number, monthsMax?: number, more: readonly object[] = []) {
    const topic = new MemoryTopic(`test/${name}`, 1)
    for (const event of [...eventsOfMonths(name, months), ...more]) topic.append(0, JSON.stringify(event))
    await useTopic(store.clickhouse, topic)
    const { lane, inserts } = watchInserts(store.clickhouse.ingest, monthsMax)
    const group: GroupReader = { seek: () => {}, pause: () => {}, resume: () => {}, rejoin: () => {}, commit: async () => {}, stop: async () => {} }
    const batch = { ...TOUCHED_PER_BATCH_MAX, batchEventsMax: 100, batchBytesMax: 2 ** 20 }
    const limits = { ...batch, retryAfterMsMin: 1, retryAfterMsMax: 10, ownerTimeoutMs: 1_000, heartbeatEveryMs: 2_000 }
    const reader = new PartitionReader({
      partitionLog: newOwner(store.clickhouse, topic, { lane }),
      groupReader: () => group,
      control: store.clickhouse.control,
      logger: quiet,
      limits,
    })
    reader.assign()
    await untilSo(async () => reader.state.status === 'reading')
    const throughs: number[] = []
    const records = months + more.length
    while (reader.partitionLog.next < records) {
      await untilSo(async () => reader.state.status === 'reading')
      await reader.onBatch(topic.fetch(0, reader.partitionLog.next, records) as FetchedBatch, { ...control, resolve: (offset) => throughs.push(offset) })
    }
    await reader.end()
    return { topic, inserts, throughs }
  }

  test('a batch of 60 months is written in parts, each of which ends at the offset where 24 months are reached', async () => {
    const { topic, inserts, throughs } = await readTopic('parts', 60)
    expect(inserts.map(({ months }) => months)).toEqual([24, 24, 12])
    expect(throughs).toEqual([23, 47, 59])
    expect(await storedOfTopic(store.clickhouse, topic)).toEqual({ ...foldTopic(topic), rollup: [] })
  })

  test('corrections of a topic, whose days are known only when they are counted, are inserted 12 months at a time', async () => {
    const { inserts } = await readTopic('topic-voids', 30, undefined, voidsOfMonths('topic-voids', 30))
    expect(inserts.map(({ table, months }) => [table, months])).toEqual([
      ...[24, 6].map((months) => [EVENTS, months]),
      ...[12, 12, 6].map((months) => [CORRECTIONS, months]),
    ])
    expect(await store.clickhouse.reads.query(countOf, { project: 'topic-voids' })).toEqual([{ raw: 30, rollup: 30, voided: 30 }])
  })

  test('P1: a batch that takes too long is read again in smaller parts until they pass, and every event is counted once', async () => {
    const { topic, inserts } = await readTopic('slow-disk', 30, 2)
    expect(inserts.slice(0, 5).map(({ months }) => months)).toEqual([24, 12, 6, 3, 1])
    expect(await storedOfTopic(store.clickhouse, topic)).toEqual({ ...foldTopic(topic), rollup: [] })
  })
})

const countOf = defineQuery({
  name: 'test_count_of',
  sql: `SELECT (SELECT count() FROM raw_usage_events_v1 WHERE project_id = {project: String}) AS raw, sum(events) AS rollup, sum(voided) AS voided
        FROM project_usage_per_day_v1 WHERE project_id = {project: String}`,
  params: z.object({ project: z.string() }),
  row: z.object({ raw: z.coerce.number(), rollup: z.coerce.number(), voided: z.coerce.number() }),
})

const storedDays = defineQuery({
  name: 'test_stored_days',
  sql: `SELECT usage_date AS day, sum(events) AS rollup, (SELECT count() FROM raw_usage_events_v1 WHERE project_id = {project: String}) AS raw
        FROM project_usage_per_day_v1 WHERE project_id = {project: String} GROUP BY usage_date`,
  params: z.object({ project: z.string() }),
  row: z.object({ day: z.string(), raw: z.coerce.number(), rollup: z.coerce.number() }),
})
