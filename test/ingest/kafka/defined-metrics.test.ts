import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { decodeEvent } from '../../../ingest/event/decode-body.ts'
import { KnownMetrics } from '../../../ingest/event/known-metrics.ts'
import { validateEvent } from '../../../ingest/event/pipeline.ts'
import { auditTopic } from '../../../ingest/kafka/audit-topic.ts'
import { PartitionReader } from '../../../ingest/kafka/partition-reader.ts'
import type { BatchControl, FetchedBatch, GroupReader, Topic } from '../../../ingest/kafka/topic.ts'
import { defineQuery } from '../../../sql/query.ts'
import { openTestStore, type TestStore } from '../../support/engines/embedded-store.ts'
import { holdLane } from '../../support/engines/held-lane.ts'
import { storedOfTopic } from '../../support/kafka/log-oracle.ts'
import { newOwner, useTopic } from '../../support/kafka/log-owner.ts'
import { MemoryTopic } from '../../support/kafka/memory-topic.ts'
import { untilSo } from '../../support/until-so.ts'

const LIMITS = {
  ...{ batchEventsMax: 100, batchBytesMax: 2 ** 20, batchMonthsMax: 24, batchDaysMax: 400 },
  ...{ retryAfterMsMin: 10, retryAfterMsMax: 100, ownerTimeoutMs: 1_000, heartbeatEveryMs: 2_000 },
}
const quiet = { info: () => {}, warn: () => {}, error: () => {} }
const control: BatchControl = { heartbeat: async () => {}, resolve: () => {} }
const GROUP: GroupReader = { seek: () => {}, pause: () => {}, resume: () => {}, rejoin: () => {}, commit: async () => {}, stop: async () => {} }

let store: TestStore
beforeAll(async () => {
  store = await openTestStore()
})
afterAll(() => store.close())

const define = (metric: string, kind: string) =>
  store.clickhouse.control.command(`INSERT INTO metrics_v1 (metric, revision, kind, unit) VALUES ('${metric}', 1, '${kind}', 'image')`)

test('P3 P7: records of a metric are rejected and kept until it is defined, and counted from the next batch on; a replay and the audit agree', async () => {
  const topic = new MemoryTopic('test/defined', 1)
  await useTopic(store.clickhouse, topic)
  const append = (event_id: string, metric: string, value?: string) =>
    topic.append(0, JSON.stringify({ event_id, project_id: 'p', metric, value, timestamp: '2026-01-01T00:00:00Z' }))
  const metrics = new KnownMetrics(store.clickhouse.reads)
  const reader = new PartitionReader({
    partitionLog: newOwner(store.clickhouse, topic),
    groupReader: () => GROUP,
    control: store.clickhouse.control,
    metrics,
    logger: quiet,
    limits: LIMITS,
  })
  reader.assign()
  const isReading = () => untilSo(async () => reader.state.status === 'reading')
  await isReading()
  const read = () => reader.onBatch(topic.fetch(0, reader.partitionLog.next, 100) as FetchedBatch, control)

  append('early', 'images', '3')
  append('of-nine', 'ai_tokens', '1')
  await read()
  expect(await offsets()).toEqual({ counted: [1], rejected: [0] })

  await define('images', 'cumulative')
  await define('shots', 'count')
  append('late', 'images', '4')
  append('shot', 'shots')
  append('wrong', 'shots', '2')
  append('again', 'images', '5')
  await read()
  const after = { counted: [1, 2, 3, 5], rejected: [0, 4] }
  expect(await offsets()).toEqual(after)

  // What was rejected stays so when the log is read again: only sending it again counts it.
  expect(await reader.replayFrom(0)).toBe(true)
  await read()
  await isReading()
  expect(await offsets()).toEqual(after)
  expect((await auditTopic(store.clickhouse, topic as unknown as Topic, metrics)).differences).toEqual([])
  await reader.end()

  async function offsets() {
    const { counted, rejected } = await storedOfTopic(store.clickhouse, topic)
    const offsetsOf = (places: readonly string[]) => places.map((place) => Number(/@(\d+)/.exec(place)?.[1]))
    return { counted: offsetsOf(counted), rejected: offsetsOf(rejected) }
  }
})

test('records have the labels that are declared when they are read; nothing of labels is rejected, and what is ignored is counted', async () => {
  const topic = new MemoryTopic('test/labels', 1)
  await useTopic(store.clickhouse, topic)
  await define('renders', 'cumulative')
  const held = holdLane(store.clickhouse.reads)
  const metrics = new KnownMetrics(held.lane)
  const reader = new PartitionReader({
    ...{ partitionLog: newOwner(store.clickhouse, topic), groupReader: () => GROUP, control: store.clickhouse.control },
    ...{ metrics, logger: quiet, limits: LIMITS },
  })
  reader.assign()
  await untilSo(async () => reader.state.status === 'reading')
  const read = () => reader.onBatch(topic.fetch(0, reader.partitionLog.next, 100) as FetchedBatch, control)
  const append = (event_id: string, labels: unknown) =>
    topic.append(0, JSON.stringify({ event_id, project_id: 'labelled', metric: 'renders', value: 1, timestamp: '2026-01-01T00:00:00Z', labels }))

  append('early', { model: 'a' })
  const reading = read()
  await untilSo(async () => held.waiting() > 0)
  // What is declared while the catalogue is being read may be missing in it: other events wait for the next read, and are not taken as they are.
  expect(metrics.mayBeOutdatedFor(validatedWith({ model: 'b' }, metrics))).toBe(true)
  held.release()
  await reading
  expect(metrics.mayBeOutdatedFor(validatedWith({ model: 'b' }, metrics))).toBe(false)

  await store.clickhouse.control.command(
    `INSERT INTO metrics_v1 (metric, revision, kind, unit, labels) VALUES ('renders', 2, 'cumulative', 'image', ['model'])`,
  )
  await metrics.refresh()
  append('late', { model: 'b', color: 'red' })
  append('early', { model: 'c' })
  await read()
  expect(await reader.replayFrom(0)).toBe(true)
  await read()
  await untilSo(async () => reader.state.status === 'reading')
  const rows = await store.clickhouse.control.query(labelsOfEvents, {})
  expect(rows).toEqual([
    { id: 'early', labels: '' },
    { id: 'late', labels: '{"model":"b"}' },
  ])
  // Of "early" once, of "late" twice, because the topic was read again; the labels of the copy are declared.
  expect(metrics.ignoredLabels).toBe(3)
  await reader.end()
})

const labelsOfEvents = defineQuery({
  name: 'test_labels_of_events',
  sql: `SELECT event_id AS id, labels FROM raw_usage_events_v1 FINAL WHERE metric = 'renders' ORDER BY id`,
  params: z.object({}),
  row: z.object({ id: z.string(), labels: z.string() }),
})

function validatedWith(labels: object, metrics: KnownMetrics) {
  const event = { event_id: 'other', project_id: 'labelled', metric: 'renders', value: 1, timestamp: '2026-01-01T00:00:00Z', labels }
  return validateEvent(decodeEvent(Buffer.from(JSON.stringify(event))), { receivedMs: Date.now(), allowedProjects: 'all', metrics })
}
