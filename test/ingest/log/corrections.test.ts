import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { audit } from '../../../aggregator/audits/audit.ts'
import { type HttpLog, openHttpLog } from '../../../ingest/http/http-log.ts'
import { detectDuplicates } from '../../../ingest/log/detect-duplicates.ts'
import { IdentityMap } from '../../../ingest/log/look-up.ts'
import type { Corrected, StoredCorrection } from '../../../ingest/log/stored-corrections.ts'
import type { StoredEvent } from '../../../ingest/log/stored-events.ts'
import { rebuildRollup } from '../../../ingest/repair/rebuild-rollup.ts'
import { defineQuery } from '../../../sql/query.ts'
import { openTestStore, type TestStore } from '../../support/engines/embedded-store.ts'
import { deleteFromRollup } from '../../support/oracles/rollup-faults.ts'
import { queriesOf } from '../../support/query-trace.ts'
import { untilSo } from '../../support/until-so.ts'
import { submissionOf } from '../../support/worlds/submission.ts'

const quiet = { info: () => {}, warn: () => {}, error: () => {} }

let store: TestStore
let log: HttpLog
beforeAll(async () => {
  store = await openTestStore()
  log = await openHttpLog({ clickhouse: store.clickhouse, logger: quiet, onLost: () => {}, limits: { heartbeatEveryMs: 200 } })
})
afterAll(async () => {
  await log.stop()
  await store.close()
})

/** The outcome of each event: its verdict, or the reason of its rejection. */
async function send(events: readonly object[]): Promise<string[]> {
  const verdicts = await log.submit(submissionOf(events))
  return verdicts.map((verdict) => (verdict.status === 'rejected' ? verdict.rejection.reason : verdict.status))
}

/** Functions that make the events and corrections of one project. */
function projectOf(project_id: string) {
  const event = (event_id: string, value: string, more: object = {}) => ({
    event_id,
    project_id,
    metric: 'ai_tokens',
    value,
    timestamp: '2026-01-10T00:00:00Z',
    ...more,
  })
  const correct = (event_id: string, corrects: string, value?: string) => ({
    event_id,
    project_id,
    corrects,
    ...(value === undefined ? { action: 'void' } : { action: 'amend', value }),
    reason: 'test',
  })
  return { event, correct, totals: () => totalsOf(project_id) }
}

test('P2 P3: a void takes the value of its event out of the total, and an amendment replaces it, the latest one applies', async () => {
  const { event, correct, totals } = projectOf('void')
  expect(await send([event('a', '5'), event('b', '7.5')])).toEqual(['counted', 'counted'])
  expect(await send([correct('c1', 'a')])).toEqual(['counted'])
  expect(await totals()).toEqual({ total: '7.5', peak: '7.5', events: 2, corrections: 1, voided: 1, changes: ['c1 a 1 void 0 -5 1'] })
  expect(await send([correct('c2', 'b', '3'), correct('c3', 'b', '4'), correct('c4', 'a', '1.25')])).toEqual(['counted', 'counted', 'counted'])
  expect(await totals()).toMatchObject({ total: '5.25', events: 2, corrections: 4, voided: 0 })
  expect(await send([correct('c5', 'b')])).toEqual(['counted'])
  expect((await totals()).changes).toEqual([
    'c1 a 1 void 0 -5 1',
    'c4 a 2 amend 1.25 1.25 -1',
    'c2 b 1 amend 3 -4.5 0',
    'c3 b 2 amend 4 1 0',
    'c5 b 3 void 0 -4 1',
  ])
})

test('P2: a correction may be in the batch of its event, after it, and not before it', async () => {
  const { event, correct, totals } = projectOf('batch')
  expect(await send([correct('early', 'a'), event('a', '5'), correct('c1', 'a', '3'), correct('c2', 'a', '2')])).toEqual([
    'unknown_event',
    'counted',
    'counted',
    'counted',
  ])
  expect(await totals()).toMatchObject({ total: '2', changes: ['c1 a 1 amend 3 -2 0', 'c2 a 2 amend 2 -1 0'] })
  // The rejected correction does not use up its identity: resent after the event, it counts.
  expect(await send([correct('early', 'a')])).toEqual(['counted'])
})

test('P2: events and corrections share their identities: a copy is a duplicate, and any other use of an identity is a conflict', async () => {
  const { event, correct, totals } = projectOf('identity')
  await send([event('a', '5'), event('b', '1'), correct('c', 'a', '3')])
  const again = [correct('c', 'a', '3'), correct('c', 'a', '4'), correct('c', 'b', '3'), correct('c', 'a'), correct('b', 'a'), event('c', '9')]
  const outcomes = ['duplicate', 'conflict', 'conflict', 'conflict', 'conflict', 'conflict']
  expect(await send(again)).toEqual(outcomes)
  // In one batch with the correction, where nothing is stored yet.
  const other = projectOf('identity-in-batch')
  const events = [other.event('a', '5'), other.event('b', '1'), other.correct('c', 'a', '3')]
  const copies = [other.correct('c', 'a', '3'), other.correct('c', 'b', '3'), other.correct('b', 'a'), other.event('c', '9')]
  expect(await send([...events, ...copies])).toEqual(['counted', 'counted', 'counted', 'duplicate', 'conflict', 'conflict', 'conflict'])
  // A corrected event keeps its identity and the value that was sent.
  await send([correct('v', 'b')])
  expect(await send([event('a', '5'), event('a', '3'), event('b', '1')])).toEqual(['duplicate', 'conflict', 'duplicate'])
  expect(await totals()).toMatchObject({ total: '3', events: 2, corrections: 2, voided: 1 })
})

test('P7: a correction of an event that does not exist, or of a correction, is rejected as unknown_event', async () => {
  const { event, correct } = projectOf('unknown')
  await send([event('a', '5'), correct('c', 'a')])
  const verdicts = await log.submit(submissionOf([correct('d', 'nothing'), correct('e', 'c'), projectOf('other').correct('f', 'a')]))
  expect(verdicts).toEqual([
    { status: 'rejected', rejection: { reason: 'unknown_event', message: expect.stringContaining('Send the event first') } },
    { status: 'rejected', rejection: { reason: 'unknown_event', message: expect.stringContaining('cannot be corrected itself') } },
    { status: 'rejected', rejection: { reason: 'unknown_event', message: expect.stringContaining('Send the event first') } },
  ])
})

test('an event of a metric that counts events can be voided, and not amended', async () => {
  await store.clickhouse.control.command(
    "INSERT INTO metrics_v1 (metric, revision, kind, unit, description, display, created_at) SETTINGS async_insert=0 VALUES ('builds', 1, 'count', 'build', '', '', now())",
  )
  const { event, correct, totals } = projectOf('count')
  const submission = submissionOf([event('a', '1'), correct('c1', 'a', '2'), correct('c2', 'a')])
  const [first, ...corrections] = submission.validated
  if (first?.status !== 'valid') throw new Error('not valid')
  const built = { ...first, event: { ...first.event, metric: 'builds' } }
  const verdicts = await log.submit({ ...submission, validated: [built, ...corrections] })
  expect(verdicts.map(({ status }) => status)).toEqual(['counted', 'rejected', 'counted'])
  expect(verdicts[1]).toMatchObject({ rejection: { reason: 'invalid_value', message: expect.stringContaining('Send a void') } })
  expect(await totals()).toMatchObject({ total: '0', events: 1, voided: 1 })
})

test('P3: all corrections of one event in one batch are stored in one part', async () => {
  const { event, correct } = projectOf('one-part')
  const corrections = Array.from({ length: 9_000 }, (_, index) => correct(`c${index}`, index % 3 === 0 ? 'b' : 'a', String(index)))
  await send([event('a', '5'), event('b', '5', { timestamp: '2026-02-10T00:00:00Z' })])
  expect(new Set(await send(corrections))).toEqual(new Set(['counted']))
  const parts = await store.clickhouse.reads.query(partsOfEvents, { project: 'one-part' })
  expect(parts.map(({ corrects, parts: count, rows }) => [corrects, count, rows])).toEqual([
    ['a', 1, 6_000],
    ['b', 1, 3_000],
  ])
})

test('P3: a rebuild, and a repair that an audit requests, give the sums after corrections, and an audit computes them from raw', async () => {
  const { clickhouse } = store
  const { event, correct, totals } = projectOf('audited')
  await send([event('a', '5'), event('b', '7'), correct('c1', 'a', '2'), correct('c2', 'a', '3'), correct('c3', 'b')])
  const before = await totals()
  expect(before).toMatchObject({ total: '3', peak: '7', events: 2, corrections: 3, voided: 1 })
  const auditDay = () => audit(clickhouse, { from: '2026-01-01', end: '2026-02-01', projectId: 'audited' }, log.runBetweenBatches)
  expect(await auditDay()).toMatchObject({ eventsRecounted: 2, differences: [] })
  const key = { project: 'audited', day: '2026-01-10', metric: 'ai_tokens' }
  await deleteFromRollup(clickhouse, key)
  expect((await auditDay()).differences).toMatchObject([{ raw_total: '3', rollup_total: '0', raw_corrections: '3', raw_voided: '1' }])
  await untilSo(async () => (await totals()).total === '3')
  expect(await totals()).toEqual(before)
  await deleteFromRollup(clickhouse, key)
  const rebuilt = await rebuildRollup(clickhouse, '2026-01', { runBetweenBatches: log.runBetweenBatches, note: async () => {} })
  expect(rebuilt).toMatchObject({ status: 'rebuilt' })
  expect(await totals()).toEqual(before)
  // A correction with a wrong difference: the rollup has what was stored, and the audit what the values say.
  await clickhouse.control.command(`
    INSERT INTO usage_corrections_v1 (project_id, corrects, revision, event_id, usage_date, metric, action, value, reason, added_total, added_voided, log, rank)
    SETTINGS async_insert=0 VALUES ('audited', 'a', 3, 'wrong', '2026-01-10', 'ai_tokens', 'amend', 4, '', 4, 0, 'http', 0)`)
  expect((await auditDay()).differences).toMatchObject([{ raw_total: '4', rollup_total: '7', raw_corrections: '4', rollup_corrections: '4' }])
})

test('P3: a correction that was rejected before its event came through another source is rejected by a replay too, once a later one counts', async () => {
  const [validated] = submissionOf([projectOf('replayed').correct('c1', 'a')]).validated
  if (validated === undefined) throw new Error('no correction')
  const verdictAfter = async (later: Corrected[]) => {
    const events = new IdentityMap<StoredEvent>()
    events.set('replayed', 'a', {
      metric: 'ai_tokens',
      value: '10',
      usageDate: '2026-01-10',
      labels: '',
      text: '',
      correctionBatch: '',
      log: 'http',
      offset: 3,
    })
    const corrected = new IdentityMap<Corrected[]>()
    corrected.set('replayed', 'a', later)
    const stored = {
      events,
      corrections: new IdentityMap<StoredCorrection>(),
      corrected,
      notAmendable: new Set<string>(),
      closedBatches: new IdentityMap<true>(),
      window: undefined,
    }
    const record = { log: 'topic', offset: 5, validated, receivedMs: 0, ingestKeyId: '' }
    return (await detectDuplicates([record], undefined, async () => stored)).verdicts
  }
  expect(await verdictAfter([{ revision: 1, action: 'amend', value: '7', fromOffset: 31 }])).toMatchObject([
    { status: 'rejected', rejection: { reason: 'unknown_event', message: expect.stringContaining('id of its own') } },
  ])
  expect(await verdictAfter([{ revision: 1, action: 'amend', value: '7', fromOffset: 0 }])).toMatchObject([
    { status: 'counted', effect: { revision: 2, addedTotal: '-7', addedVoided: 1 } },
  ])
})

test('a batch without corrections sends no statement for them', async () => {
  const { event } = projectOf('plain')
  const queries = await queriesOf(() => send([event('a', '5'), event('b', '7')]))
  expect(queries.filter((name) => /correct|not_amendable/.test(name))).toEqual([])
  await send([event('a', '5')])
  // Duplicates of events are found in raw, and not looked up among the corrections.
  expect((await queriesOf(() => send([event('a', '5')]))).filter((name) => /correct|not_amendable/.test(name))).toEqual([])
})

async function totalsOf(project: string) {
  const [sums] = await store.clickhouse.reads.query(sumsOfProject, { project })
  const changes = await store.clickhouse.reads.query(changesOfProject, { project })
  return { ...sums, changes: changes.map(({ change }) => change) }
}

const OfProject = z.object({ project: z.string() })

const sumsOfProject = defineQuery({
  name: 'test_sums_of_project',
  sql: `SELECT toString(sum(total)) AS total, toString(max(peak)) AS peak, sum(events) AS events, sum(corrections) AS corrections, sum(voided) AS voided
        FROM project_usage_per_day_v1 WHERE project_id = {project: String}`,
  params: OfProject,
  row: z.object({ total: z.string(), peak: z.string(), events: z.coerce.number(), corrections: z.coerce.number(), voided: z.coerce.number() }),
})

const changesOfProject = defineQuery({
  name: 'test_changes_of_project',
  sql: `SELECT concat(event_id, ' ', corrects, ' ', toString(revision), ' ', action, ' ', toString(value), ' ', toString(added_total), ' ', toString(added_voided)) AS change
        FROM usage_corrections_v1 FINAL WHERE project_id = {project: String} ORDER BY corrects, revision`,
  params: OfProject,
  row: z.object({ change: z.string() }),
})

const partsOfEvents = defineQuery({
  name: 'test_parts_of_events',
  sql: `SELECT corrects, uniqExact(_part) AS parts, count() AS rows FROM usage_corrections_v1 WHERE project_id = {project: String} GROUP BY corrects ORDER BY corrects`,
  params: OfProject,
  row: z.object({ corrects: z.string(), parts: z.coerce.number(), rows: z.coerce.number() }),
})
