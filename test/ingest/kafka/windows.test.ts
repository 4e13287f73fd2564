import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { effectiveEvents } from '../../../aggregator/usage/effective-usage.ts'
import { auditTopic } from '../../../ingest/kafka/audit-topic.ts'
import type { Topic } from '../../../ingest/kafka/topic.ts'
import { windowRecordOf, windowRecordText } from '../../../metering/window-record.ts'
import type { ClickHouse, Lane } from '../../../sql/clickhouse.ts'
import { defineQuery } from '../../../sql/query.ts'
import { openTestStore, type TestStore } from '../../support/engines/embedded-store.ts'
import { FAULTS, faultOnce } from '../../support/engines/faulty-lane.ts'
import { drain, newOwner, readOn, useTopic } from '../../support/kafka/log-owner.ts'
import { correctionOf, event } from '../../support/kafka/made-topic.ts'
import { MemoryTopic } from '../../support/kafka/memory-topic.ts'

let store: TestStore
let clickhouse: ClickHouse
beforeAll(async () => {
  store = await openTestStore()
  clickhouse = store.clickhouse
})
afterAll(() => store.close())

const DAY = '2026-01-10'
const windowOf = (topic: MemoryTopic) => ({ projectId: event(topic, 'x', DAY).project_id, metric: 'ai_tokens', from: DAY, to: '2026-01-11' })
const record = (topic: MemoryTopic, action: 'close' | 'revert', batch = 'b1') =>
  JSON.parse(windowRecordText(windowRecordOf(batch, action, windowOf(topic), 'test')))
const ofBatch = (topic: MemoryTopic, id: string, value: string) => ({ ...event(topic, id, DAY), value, correction_batch: 'b1' })

/** A topic of one partition with these records, in force. */
async function topicOf(name: string, recordsOf: (topic: MemoryTopic) => readonly object[]): Promise<MemoryTopic> {
  const topic = new MemoryTopic(`test/${name.replaceAll(' ', '-')}`, 1)
  for (const each of recordsOf(topic)) topic.append(0, JSON.stringify(each))
  await useTopic(clickhouse, topic)
  return topic
}

/** Two events, one of them corrected, are replaced by two others; one that comes later counts beside them. */
const replaced = (topic: MemoryTopic) => [
  ...[event(topic, 'a', DAY), event(topic, 'b', '2026-01-11'), correctionOf(topic, 'c', 'a', '70')],
  ...[ofBatch(topic, 'n1', '5'), ofBatch(topic, 'n2', '6'), record(topic, 'close')],
  ...[event(topic, 'late', DAY), record(topic, 'close'), ofBatch(topic, 'n3', '9')],
]
const REPLACED = ['late 7.5', 'n1 5', 'n2 6']

/** What counts: each event with its effective value, whether the rollup has the same, and the offsets of rejected records. */
async function readCounted(topic: MemoryTopic) {
  const { projectId } = windowOf(topic)
  const events = (await clickhouse.reads.query(countedEvents, { projectId })).map(({ counted }) => counted)
  const [sums] = await clickhouse.reads.query(rollupAgainstEvents, { projectId })
  const rejected = (await clickhouse.reads.query(rejectedOffsets, { log: `${topic.name}/1/0` })).map(({ offset }) => offset)
  return { events, differs: sums?.differs, rejected }
}

async function readUntilItFails(topic: MemoryTopic, lane: Lane): Promise<void> {
  const owner = newOwner(clickhouse, topic, { lane })
  await owner.acquire()
  while (await readOn(owner, topic, 1));
}

describe('P1 P2 P3: a batch is closed as a whole or not at all, whatever a crash leaves', () => {
  // Half of a closing is never stored: its corrections are one block of one month, and so one part (test/ingest/log/windows.test.ts).
  for (const table of ['log_positions_inbox_v1', 'usage_corrections_inbox_v1', 'rejected_events_inbox_v1'])
    for (const fault of FAULTS.filter((each) => table !== 'usage_corrections_inbox_v1' || each !== 'half stored'))
      test(`a closing whose insert into ${table} has the fault "${fault}" is completed by the next owner`, async () => {
        const topic = await topicOf(`window ${table} ${fault}`, (each) => replaced(each).filter((it) => !('corrects' in it)))
        const owner = newOwner(clickhouse, topic)
        await owner.acquire()
        for (let reads = 0; reads < (table === 'rejected_events_inbox_v1' ? 6 : 4); reads += 1) await readOn(owner, topic, 1)
        const before = (await readCounted(topic)).events
        const { lane, sendLate, occurred } = faultOnce(clickhouse.ingest, table, fault)
        await expect(readUntilItFails(topic, lane)).rejects.toMatchObject({ name: 'StoreError' })
        expect(occurred()).toBe(true)
        if (table !== 'rejected_events_inbox_v1') expect([before, ['n1 5', 'n2 6']]).toContainEqual((await readCounted(topic)).events)
        await drain(clickhouse, topic, 1)
        for (const arrived of await Promise.all(sendLate())) expect(arrived).toBe('fenced')
        expect(await readCounted(topic)).toEqual({ events: REPLACED, differs: 0, rejected: [7] })
      })

  test('a closing that is stored without what its view adds to the rollup is recounted', async () => {
    const topic = await topicOf('window torn', replaced)
    await clickhouse.control.command('DETACH TABLE usage_corrections_rollup_mv_v1 SYNC')
    const owner = newOwner(clickhouse, topic)
    await owner.acquire()
    for (let reads = 0; reads < 6; reads += 1) await readOn(owner, topic, 1)
    await clickhouse.control.command('ATTACH TABLE usage_corrections_rollup_mv_v1')
    expect((await readCounted(topic)).differs).toBe(1)
    // The amendment of an earlier batch was torn as well, and that batch was acknowledged. A closing of its own is the range in doubt.
    await drain(clickhouse, topic, 1)
    expect((await readCounted(topic)).events).toEqual(REPLACED)
  })
})

test('P3: an event of a batch does not hide that the rollup lacks another event of its day', async () => {
  const topic = await topicOf('window hidden', (each) => [ofBatch(each, 'n1', '5'), event(each, 'a', DAY)])
  const owner = newOwner(clickhouse, topic)
  await owner.acquire()
  await readOn(owner, topic, 1)
  await clickhouse.control.command('DETACH TABLE project_usage_per_day_mv_v1 SYNC')
  await readOn(owner, topic, 1)
  await clickhouse.control.command('ATTACH TABLE project_usage_per_day_mv_v1')
  expect((await readCounted(topic)).differs).toBe(1)
  await drain(clickhouse, topic, 1)
  expect(await readCounted(topic)).toEqual({ events: ['a 7.5'], differs: 0, rejected: [] })
})

test('P2 P3: a topic that is read again, as a whole or after a switch of the source, changes nothing, and its audit finds no difference', async () => {
  const topic = await topicOf('window replayed', (each) => [...replaced(each), record(each, 'revert'), correctionOf(each, 'd', 'late')])
  await drain(clickhouse, topic, 1)
  const reverted = { events: ['a 70', 'b 7.5'], differs: 0, rejected: [8] }
  expect(await readCounted(topic)).toEqual(reverted)
  const owner = newOwner(clickhouse, topic)
  await owner.acquire()
  while (await readOn(owner, topic, 1));
  expect(await owner.replayFrom(0)).toBe(true)
  while (await readOn(owner, topic, 1));
  expect(await readCounted(topic)).toEqual(reverted)
  expect(await auditTopic(clickhouse, topic as unknown as Topic)).toMatchObject({ differences: [], counted: 8, duplicates: 1, refused: 1 })
})

const OfProject = z.object({ projectId: z.string() })

const countedEvents = defineQuery({
  name: 'test_events_with_values',
  sql: `SELECT concat(event_id, ' ', toString(value)) AS counted FROM ${effectiveEvents('project_id = {projectId: String}')} ORDER BY counted`,
  params: OfProject,
  row: z.object({ counted: z.string() }),
})

const rollupAgainstEvents = defineQuery({
  name: 'test_rollup_against_events',
  sql: `SELECT toUInt8(total != rollup_total OR events != rollup_events) AS differs
        FROM (SELECT sum(toDecimal256(value, 9)) AS total, toInt64(count()) AS events FROM ${effectiveEvents('project_id = {projectId: String}')}) AS counted
        CROSS JOIN (SELECT sum(total) AS rollup_total, sum(events) - sum(voided) AS rollup_events FROM project_usage_per_day_v1 WHERE project_id = {projectId: String}) AS rollup`,
  params: OfProject,
  row: z.object({ differs: z.number() }),
})

const rejectedOffsets = defineQuery({
  name: 'test_rejected_offsets',
  sql: `SELECT toUInt32(offset) AS offset FROM rejected_events_v1 FINAL WHERE log = {log: String} ORDER BY offset`,
  params: z.object({ log: z.string() }),
  row: z.object({ offset: z.number() }),
})
