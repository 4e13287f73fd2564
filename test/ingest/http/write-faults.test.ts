import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { HTTP_LOG, type HttpLog, openHttpLog } from '../../../ingest/http/http-log.ts'
import { EventsUnavailable } from '../../../ingest/log/event-log.ts'
import type { ClickHouse } from '../../../sql/clickhouse.ts'
import { defineQuery } from '../../../sql/query.ts'
import { openTestStore, type TestStore } from '../../support/engines/embedded-store.ts'
import { acquisitionsOf, FAULTS, type Fault, type FaultyLane, failingLane, faultOnce as faultOnceIn } from '../../support/engines/faulty-lane.ts'
import { compareRawWithRollup } from '../../support/oracles/stored-sums.ts'
import { untilSo } from '../../support/until-so.ts'
import { submissionOf } from '../../support/worlds/submission.ts'

const quiet = { info: () => {}, warn: () => {}, error: () => {} }
let store: TestStore
beforeAll(async () => {
  store = await openTestStore()
})
afterAll(() => store.close())

describe('P1 P2: after any fault of a write, an emitter that sends again is counted once', () => {
  const tables = ['log_positions_inbox_v1', 'usage_events_inbox_v1', 'usage_corrections_inbox_v1', 'rejected_events_inbox_v1']
  for (const [step, table] of tables.entries()) {
    for (const fault of FAULTS) {
      test(`an insert into ${table} with the fault "${fault}" is answered as unavailable, and the events sent again count once`, async () => {
        const { clickhouse, sendLate } = faultOnce(store.clickhouse, table, fault)
        const log = await openHttpLog({ clickhouse, logger: quiet, onLost: () => {} })
        const project = `p-${step}-${fault.replaceAll(' ', '-')}`
        const submission = submissionOf([
          { event_id: 'one', project_id: project, metric: 'ai_tokens', value: 5, timestamp: '2026-01-31T23:00:00Z' },
          { event_id: 'two', project_id: project, metric: 'ai_tokens', value: 7, timestamp: '2026-02-01T01:00:00Z' },
          { event_id: 'two', project_id: project, metric: 'ai_tokens', value: 8, timestamp: '2026-02-01T01:00:00Z' },
          { event_id: 'amends-one', project_id: project, corrects: 'one', action: 'amend', value: '6', reason: 'test' },
          { event_id: 'voids-two', project_id: project, corrects: 'two', action: 'void', reason: 'test' },
        ])
        await expect(log.submit(submission)).rejects.toThrow(EventsUnavailable)
        const verdicts = await submitUntilAccepted(log, submission)
        const [lateFault] = await Promise.all(sendLate())
        expect(verdicts.map(({ status }) => status).filter((status) => status !== 'counted' && status !== 'duplicate')).toEqual(['rejected'])
        expect(await storedOf(project)).toEqual({ raw: 2, rollup: 2, total: '6' })
        expect(await compareRawWithRollup(store.clickhouse)).toEqual({ ahead: 0, behind: 0 })
        if (fault === 'late') expect(lateFault).toBe('fenced')
        await log.stop()
      })
    }
  }
})

test('P1: while its lease is acquired again the log acknowledges nothing and is not ready', async () => {
  const { clickhouse } = faultOnce(store.clickhouse, 'usage_events_inbox_v1', 'not sent')
  const log = await openHttpLog({ clickhouse, logger: quiet, onLost: () => {} })
  const failing = log.submit(submissionOf([{ event_id: 'x', project_id: 'recovering', metric: 'ai_tokens', value: 5, timestamp: '2026-01-31T23:00:00Z' }]))
  await expect(failing).rejects.toThrow(/nothing counts twice/)
  expect(log.readiness()).toEqual({ ready: false, reason: 'the log is recovering from a failed write' })
  await expect(log.submit(submissionOf([]))).rejects.toThrow(EventsUnavailable)
  await log.stop()
})

test('P1: a log that is stopped while it is in doubt is not released', async () => {
  const watermark = async () => (await store.clickhouse.reads.query(lastWatermark, {}))[0]
  const before = await watermark()
  const { clickhouse } = faultOnce(store.clickhouse, 'usage_events_inbox_v1', 'response lost')
  const log = await openHttpLog({ clickhouse, logger: quiet, onLost: () => {} })
  const failing = log.submit(submissionOf([{ event_id: 'x', project_id: 'doubt', metric: 'ai_tokens', value: 5, timestamp: '2026-01-31T23:00:00Z' }]))
  const stopped = log.stop()
  await expect(failing).rejects.toThrow(EventsUnavailable)
  await stopped
  const after = await watermark()
  expect(after?.epoch).toBeGreaterThan(before?.epoch ?? 0)
  expect(after?.released).toBe(0)
})

test('P2: an overtaken owner stops permanently and reports that it is lost', async () => {
  let lost: Error | undefined
  const old = await openHttpLog({ clickhouse: store.clickhouse, logger: quiet, onLost: (error) => (lost = error) })
  const young = await openHttpLog({ clickhouse: store.clickhouse, logger: quiet, onLost: () => {} })
  const submission = submissionOf([{ event_id: 'x', project_id: 'overtaken', metric: 'ai_tokens', value: 5, timestamp: '2026-01-31T23:00:00Z' }])
  const failing = old.submit(submission)
  await new Promise((resolve) => setImmediate(resolve))
  // It waits behind a batch that fails, so it is rejected as well.
  const locked = old.runBetweenBatches(async () => 'locked')
  await expect(locked).rejects.toThrow('The log cannot be locked right now: a write to it failed')
  await expect(failing).rejects.toThrow(EventsUnavailable)
  await old.stop()
  expect(lost?.message).toContain('Another process has taken over the log http')
  expect((await young.submit(submission)).map(({ status }) => status)).toEqual(['counted'])
  expect(await storedOf('overtaken')).toEqual({ raw: 1, rollup: 1, total: '5' })
  await young.stop()
})

test('P2: an owner that is overtaken while it stops reports that it is lost, with work waiting or without', async () => {
  for (const waiting of [1, 0]) {
    let lost: Error | undefined
    const old = await openHttpLog({ clickhouse: store.clickhouse, logger: quiet, onLost: (error) => (lost = error) })
    const young = await openHttpLog({ clickhouse: store.clickhouse, logger: quiet, onLost: () => {} })
    const event = { event_id: 'x', project_id: 'overtaken-stopping', metric: 'ai_tokens', value: 5, timestamp: '2026-01-31T23:00:00Z' }
    const failing = Array.from({ length: waiting }, () => old.submit(submissionOf([event])))
    const stopped = old.stop()
    for (const each of failing) await expect(each).rejects.toThrow(EventsUnavailable)
    await stopped
    expect(old.stats().logs).toMatchObject([{ owned: false }])
    expect(old.readiness()).toEqual({ ready: false, reason: 'another process has taken over the log' })
    expect(lost?.message).toContain('Another process has taken over the log http')
    await young.stop()
  }
})

test('P1: a log whose writes always fail acquires its lease less and less often while emitters retry, and is not ready meanwhile', async () => {
  let failing = true
  const clickhouse = { ...store.clickhouse, ingest: failingLane(store.clickhouse.ingest, 'usage_events_inbox_v1', () => failing) }
  const limits = { retryAfterMsMin: 100, retryAfterMsMax: 400 }
  const log = await openHttpLog({ clickhouse, logger: quiet, onLost: () => {}, limits })
  const [before, startedMs] = [await acquisitionsOf(store.clickhouse, HTTP_LOG), performance.now()]
  const accepted = submitUntilAccepted(
    log,
    submissionOf([{ event_id: 'x', project_id: 'always', metric: 'ai_tokens', value: 5, timestamp: '2026-01-31T23:00:00Z' }]),
  )
  await untilSo(async () => (await acquisitionsOf(store.clickhouse, HTTP_LOG)) >= before + 5)
  expect(performance.now() - startedMs).toBeGreaterThan(100 + 200 + 400 + 400)
  expect(log.readiness().ready).toBe(false)
  failing = false
  expect((await accepted).map(({ status }) => status)).toEqual(['counted'])
  expect(log.readiness()).toEqual({ ready: true })
  await log.stop()
})

/** The same store, except that one insert of the log into `table` has the fault. */
function faultOnce(clickhouse: ClickHouse, table: string, fault: Fault): { clickhouse: ClickHouse; sendLate: FaultyLane['sendLate'] } {
  const { lane, sendLate } = faultOnceIn(clickhouse.ingest, table, fault)
  return { clickhouse: { ...clickhouse, ingest: lane }, sendLate }
}

async function submitUntilAccepted(log: HttpLog, submission: Parameters<HttpLog['submit']>[0]) {
  for (;;) {
    try {
      return await log.submit(submission)
    } catch (error) {
      if (!(error instanceof EventsUnavailable)) throw error
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}

async function storedOf(project: string) {
  const [row] = await store.clickhouse.reads.query(storedOfProject, { project })
  return row
}

const lastWatermark = defineQuery({
  name: 'test_last_watermark',
  sql: `SELECT newest.epoch AS epoch, newest.released AS released FROM (SELECT max(newest) AS newest FROM log_watermarks_v2)`,
  params: z.object({}),
  row: z.object({ epoch: z.coerce.number(), released: z.number() }),
})

const storedOfProject = defineQuery({
  name: 'test_stored_of_project',
  sql: `SELECT (SELECT count() FROM raw_usage_events_v1 WHERE project_id = {project: String}) AS raw, sum(events) AS rollup, sum(total) AS total
        FROM project_usage_per_day_v1 WHERE project_id = {project: String}`,
  params: z.object({ project: z.string() }),
  row: z.object({ raw: z.coerce.number(), rollup: z.coerce.number(), total: z.string() }),
})
