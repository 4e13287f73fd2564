import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { audit } from '../../../aggregator/audits/audit.ts'
import { readProjectUsage } from '../../../aggregator/usage/project-usage.ts'
import { type HttpLog, openHttpLog } from '../../../ingest/http/http-log.ts'
import { rebuildRollup } from '../../../ingest/repair/rebuild-rollup.ts'
import { windowRecordOf, windowRecordText } from '../../../metering/window-record.ts'
import { defineQuery } from '../../../sql/query.ts'
import { openTestStore, type TestStore } from '../../support/engines/embedded-store.ts'
import { deleteFromRollup } from '../../support/oracles/rollup-faults.ts'
import { submissionOf } from '../../support/worlds/submission.ts'

const quiet = { info: () => {}, warn: () => {}, error: () => {} }
const openLog = () => openHttpLog({ clickhouse: store.clickhouse, logger: quiet, onLost: () => {}, limits: { heartbeatEveryMs: 200 } })

let store: TestStore
let log: HttpLog
beforeAll(async () => {
  store = await openTestStore()
  log = await openLog()
})
afterAll(async () => {
  await log.stop()
  await store.close()
})

const JANUARY = { first: '2026-01-01', last: '2026-01-31', end: '2026-02-01' }

/** What the events and batches of one project are made of. */
function projectOf(projectId: string, metric = 'ai_tokens') {
  const event = (event_id: string, value: string, day = '2026-01-10', more: object = {}) => ({
    ...{ event_id, project_id: projectId, metric, value, timestamp: `${day}T08:00:00Z` },
    ...more,
  })
  const ofBatch = (batch: string, event_id: string, value: string, day?: string) => event(event_id, value, day, { correction_batch: batch })
  const record = (action: 'close' | 'revert', batch: string, from = '2026-01-10', to = '2026-01-11') =>
    JSON.parse(windowRecordText(windowRecordOf(batch, action, { projectId, metric, from, to }, 'a test')))
  const correct = (event_id: string, corrects: string, value?: string) => ({
    ...{ event_id, project_id: projectId, corrects, reason: 'test' },
    ...(value === undefined ? { action: 'void' } : { action: 'amend', value }),
  })
  return { event, ofBatch, correct, close: record.bind(undefined, 'close'), revert: record.bind(undefined, 'revert'), days: () => daysOf(projectId, metric) }
}

/** The value of each day with usage, as readers get it. */
async function daysOf(projectId: string, metric: string): Promise<Record<string, string>> {
  const { days } = await readProjectUsage(store.clickhouse, projectId, JANUARY)
  return Object.fromEntries(
    days.flatMap(({ day, usage }) => (metric in usage && usage[metric as 'ai_tokens'] !== '0' ? [[day, usage[metric as 'ai_tokens']]] : [])),
  )
}

async function verdictsOf(events: readonly object[]) {
  return await log.submit(submissionOf(events))
}

async function send(...events: readonly object[]): Promise<string[]> {
  return (await verdictsOf(events)).map((verdict) => (verdict.status === 'rejected' ? verdict.rejection.reason : verdict.status))
}

for (const metric of ['ai_tokens', 'database_size_bytes'])
  test(`P2 P3: a closed batch replaces the ${metric} of its days in one step, and a revert restores what counted before`, async () => {
    const project = projectOf(`replaced-${metric}`, metric)
    const { event, ofBatch, correct, close, revert, days } = project
    await send(event('a', '50'), event('b', '7'), event('outside', '3', '2026-01-12'), event('c', '9', '2026-01-11'), correct('fix', 'b', '70'))
    const before = await days()
    expect(before).toEqual(
      metric === 'ai_tokens' ? { '2026-01-10': '120', '2026-01-11': '9', '2026-01-12': '3' } : { '2026-01-10': '70', '2026-01-11': '9', '2026-01-12': '3' },
    )
    expect(await send(ofBatch('b1', 'n1', '5'), ofBatch('b1', 'n2', '6'))).toEqual(['counted', 'counted'])
    expect(await days()).toEqual(before)
    expect(await send(close('b1'))).toEqual(['counted'])
    const after = { '2026-01-10': metric === 'ai_tokens' ? '11' : '6', '2026-01-12': '3' }
    expect(await days()).toEqual(after)
    expect(await send(close('b1'), ofBatch('b1', 'n1', '5'))).toEqual(['duplicate', 'duplicate'])
    // Usage that arrives later counts beside that of the batch.
    await send(event('late', '100'))
    expect(await days()).toEqual({ ...after, '2026-01-10': metric === 'ai_tokens' ? '111' : '100' })
    await send(correct('late-void', 'late'))
    expect(await send(revert('b1'))).toEqual(['counted'])
    expect(await days()).toEqual(before)
    expect(await send(revert('b1'))).toEqual(['duplicate'])
    const audited = () => audit(store.clickhouse, { from: '2026-01-01', end: '2026-02-01', projectId: `replaced-${metric}` }, log.runBetweenBatches)
    expect((await audited()).differences).toEqual([])
    await rebuildRollup(store.clickhouse, '2026-01', { runBetweenBatches: log.runBetweenBatches, note: async () => {} })
    expect(await days()).toEqual(before)
    expect((await audited()).differences).toEqual([])
  })

test('P2: an event of an open batch waits: it does not count, cannot be corrected, and no other event passes as its copy', async () => {
  const { event, ofBatch, correct, close, days } = projectOf('waiting')
  await send(event('old', '4'))
  expect(await send(ofBatch('w1', 'a', '5'))).toEqual(['counted'])
  const [early, copy, other, sameAsOld] = await verdictsOf([correct('c', 'a', '1'), event('a', '5'), ofBatch('w2', 'a', '5'), ofBatch('w1', 'old', '4')])
  expect(early).toMatchObject({ rejection: { reason: 'unknown_event', message: expect.stringContaining('correction batch w1, which is not closed') } })
  expect(copy).toMatchObject({ rejection: { reason: 'conflict', message: expect.stringContaining('was sent to the correction batch w1') } })
  expect(other).toMatchObject({ rejection: { reason: 'conflict', message: expect.stringContaining('was sent to the correction batch w1') } })
  expect(sameAsOld).toMatchObject({ rejection: { reason: 'conflict', message: expect.stringContaining('an id that no other event has') } })
  expect(await days()).toEqual({ '2026-01-10': '4' })
  expect(await send(close('w1'), correct('c', 'a', '1'))).toEqual(['counted', 'counted'])
  expect(await days()).toEqual({ '2026-01-10': '1' })
})

test('P2: an event that comes after the closing of its batch is rejected, also when the batch was empty', async () => {
  const { event, ofBatch, close, days } = projectOf('empty')
  expect(await send(close('e1'))).toEqual(['counted'])
  const [late] = await verdictsOf([ofBatch('e1', 'a', '5')])
  expect(late).toMatchObject({ rejection: { reason: 'invalid_correction', message: expect.stringContaining('was closed before it') } })
  expect(await send(close('e1'), event('a', '5'))).toEqual(['duplicate', 'counted'])
  expect(await days()).toEqual({ '2026-01-10': '5' })
})

test('P2: a batch of other days or of another metric changes nothing of them, whatever its events are', async () => {
  const { event, ofBatch, close, days } = projectOf('bounds')
  const other = projectOf('bounds', 'mcp_calls')
  await send(event('a', '5'), other.event('b', '2'), ofBatch('o1', 'c', '9', '2026-01-20'), other.ofBatch('o1', 'd', '9'))
  expect(await send(close('o1', '2026-01-11', '2026-01-11'))).toEqual(['counted'])
  expect([await days(), await other.days()]).toEqual([{ '2026-01-10': '5' }, { '2026-01-10': '2' }])
})

test('P2: what comes behind a closing in the same request is after it', async () => {
  const { event, ofBatch, close, days } = projectOf('same-request')
  await send(event('old', '1'))
  expect(await send(ofBatch('q1', 'a', '2'), close('q1'), event('b', '4'), ofBatch('q1', 'c', '8'))).toEqual([
    'counted',
    'counted',
    'counted',
    'invalid_correction',
  ])
  expect(await days()).toEqual({ '2026-01-10': '6' })
})

test('P2: batches of the same days are reverted in the reverse order of their closing', async () => {
  const { event, ofBatch, close, revert, days } = projectOf('stacked')
  expect(await send(revert('s1'))).toEqual(['invalid_correction'])
  await send(event('a', '1'), ofBatch('s1', 'b', '2'), ofBatch('s2', 'c', '4'))
  await send(close('s1'))
  await send(close('s2', '2026-01-10', '2026-01-10'))
  expect(await days()).toEqual({ '2026-01-10': '4' })
  const [tooEarly] = await verdictsOf([revert('s1')])
  expect(tooEarly).toMatchObject({ rejection: { message: expect.stringContaining('batch s2 has replaced some of these days since') } })
  expect(await send(revert('s2', '2026-01-10', '2026-01-10'))).toEqual(['counted'])
  expect(await days()).toEqual({ '2026-01-10': '2' })
  expect(await send(revert('s1'))).toEqual(['counted'])
  expect(await days()).toEqual({ '2026-01-10': '1' })
})

test('P3: all corrections of a closed batch are stored in one part, and after a lost part of the rollup the next owner adds them again', async () => {
  const { event, ofBatch, close, days } = projectOf('one-part')
  const many = Array.from({ length: 9_000 }, (_, index) => index)
  await send(...many.map((index) => event(`e${index}`, '1', index % 2 === 0 ? '2026-01-10' : '2026-01-11')))
  await send(...many.map((index) => ofBatch('p1', `n${index}`, '2', index % 2 === 0 ? '2026-01-10' : '2026-01-11')))
  expect(await send(close('p1'))).toEqual(['counted'])
  const [stored] = await store.clickhouse.reads.query(partsOfBatch, { batch: 'p1' })
  expect(stored).toEqual({ parts: 1, rows: 18_001, offsets: 1 })
  expect(await days()).toEqual({ '2026-01-10': '9000', '2026-01-11': '9000' })
  const key = { project: 'one-part', day: '2026-01-11', metric: 'ai_tokens' }
  await deleteFromRollup(store.clickhouse, key)
  await store.clickhouse.control.command('TRUNCATE TABLE log_watermarks_v2')
  await log.stop()
  await store.clickhouse.control.command('TRUNCATE TABLE log_watermarks_v2')
  log = await openLog()
  expect(await days()).toEqual({ '2026-01-10': '9000', '2026-01-11': '9000' })
})

const partsOfBatch = defineQuery({
  name: 'test_parts_of_batch',
  sql: `SELECT uniqExact(_part) AS parts, count() AS rows, uniqExact(offset) AS offsets FROM usage_corrections_v1 WHERE correction_batch = {batch: String}`,
  params: z.object({ batch: z.string() }),
  row: z.object({ parts: z.coerce.number(), rows: z.coerce.number(), offsets: z.coerce.number() }),
})
