import { afterAll, beforeAll, expect, test } from 'vitest'
import { openAssignedPartitions } from '../../../ingest/kafka/assigned-partitions.ts'
import { PartitionReader } from '../../../ingest/kafka/partition-reader.ts'
import type { BatchControl, FetchedBatch, GroupReader } from '../../../ingest/kafka/topic.ts'
import { TOUCHED_PER_BATCH_MAX } from '../../../ingest/log/touched-days.ts'
import type { Lane } from '../../../sql/clickhouse.ts'
import { openTestStore, type TestStore } from '../../support/engines/embedded-store.ts'
import { acquisitionsOf, failingLane, faultOnce } from '../../support/engines/faulty-lane.ts'
import { foldTopic, storedOfTopic } from '../../support/kafka/log-oracle.ts'
import { newOwner, useTopic } from '../../support/kafka/log-owner.ts'
import { memoryGroup } from '../../support/kafka/memory-group.ts'
import { MemoryTopic } from '../../support/kafka/memory-topic.ts'
import { untilSo } from '../../support/until-so.ts'

const quiet = { info: () => {}, warn: () => {}, error: () => {} }
const control: BatchControl = { heartbeat: async () => {}, resolve: () => {} }
const LIMITS = {
  ...TOUCHED_PER_BATCH_MAX,
  batchEventsMax: 100,
  batchBytesMax: 2 ** 20,
  retryAfterMsMin: 10,
  retryAfterMsMax: 100,
  ownerTimeoutMs: 1_000,
  heartbeatEveryMs: 2_000,
}

let store: TestStore
beforeAll(async () => {
  store = await openTestStore()
})
afterAll(() => store.close())

/** No broker of one node holds an election, so the test gives the records the epochs of their leaders. */
function withEpochs(batch: FetchedBatch, epochOf: (offset: number) => number): FetchedBatch {
  return { ...batch, records: batch.records.map((record) => ({ ...record, batchContext: { partitionLeaderEpoch: epochOf(Number(record.offset)) } })) }
}

/** A reader of a topic with 20 events, and the offsets it was sent to. The test plays the consumer group. */
async function startReader(name: string, { lane = store.clickhouse.ingest, ...limits }: { lane?: Lane; batchEventsMax?: number } = {}) {
  const topic = new MemoryTopic(`test/${name}`, 1)
  for (let index = 0; index < 20; index += 1)
    topic.append(0, JSON.stringify({ event_id: `e${index}`, project_id: name, metric: 'ai_tokens', value: '1', timestamp: '2026-01-01T00:00:00Z' }))
  await useTopic(store.clickhouse, topic)
  const seeks: number[] = []
  const group: GroupReader = {
    seek: (_, offset) => void seeks.push(offset),
    pause: () => {},
    resume: () => {},
    rejoin: () => {},
    commit: async () => {},
    stop: async () => {},
  }
  const reader = new PartitionReader({
    partitionLog: newOwner(store.clickhouse, topic, { lane }),
    groupReader: () => group,
    control: store.clickhouse.control,
    logger: quiet,
    limits: { ...LIMITS, ...limits },
  })
  reader.assign()
  await untilSo(async () => reader.state.status === 'reading')
  const fetch = (offset: number, recordsMax: number) => topic.fetch(0, offset, recordsMax) as FetchedBatch
  return { topic, reader, seeks, fetch }
}

test('P1: after a batch that begins beyond the position reading is sent back once, and the next batch may follow a gap', async () => {
  const { topic, reader, seeks, fetch } = await startReader('gap')
  expect(seeks).toEqual([0])
  await reader.onBatch(fetch(5, 5), control)
  expect(seeks).toEqual([0, 0])
  expect(reader.partitionLog.next).toBe(0)
  // As after aborted transactions: there is no readable record before offset 5.
  topic.partitions[0]?.splice(0, 5)
  await reader.onBatch(fetch(5, 100), control)
  expect(reader.partitionLog.next).toBe(20)
  expect(await storedOfTopic(store.clickhouse, topic)).toEqual({ ...foldTopic(topic), rollup: [] })
})

test('P1: unread events that retention deletes while the log is read stop it, and are not mistaken for a gap', async () => {
  const { topic, reader, fetch } = await startReader('retention')
  await reader.onBatch(fetch(0, 5), control)
  topic.partitions[0]?.splice(0, 10)
  topic.begins[0] = 10
  // The consumer goes on at the new begin of its own accord, also after it was sent back.
  await reader.onBatch(fetch(10, 100), control)
  await reader.onBatch(fetch(10, 100), control)
  expect(reader.state).toMatchObject({ status: 'stopped', incident: { kind: 'log_begin_above_position' } })
  expect(reader.partitionLog.next).toBe(5)
})

test('P1: a batch that was fetched before a replay is dropped, not mistaken for a gap', async () => {
  const { reader, seeks, fetch } = await startReader('replay-meets-batch')
  await reader.onBatch(fetch(0, 10), control)
  await reader.onBatch(fetch(10, 5), control)
  const replayed = reader.replayFrom(0)
  const stale = reader.onBatch(fetch(15, 5), control)
  expect(await replayed).toBe(true)
  await stale
  expect(reader.partitionLog.next).toBe(0)
  expect(seeks.at(-1)).toBe(0)
})

test('an acquisition of the lease counts as repeated only after an error, not for a replay or a rebalance', async () => {
  const { reader, fetch } = await startReader('reacquisitions', { lane: faultOnce(store.clickhouse.ingest, 'usage_events_inbox_v1', 'not sent').lane })
  const isReading = () => untilSo(async () => reader.state.status === 'reading')
  await reader.onBatch(fetch(0, 10), control)
  await isReading()
  await reader.onBatch(fetch(0, 10), control)
  expect(reader.partitionLog.owned.stats().reacquisitions).toBe(1)
  expect(await reader.replayFrom(5)).toBe(true)
  reader.assign()
  await isReading()
  expect(reader.partitionLog.owned.stats().reacquisitions).toBe(1)
})

test('P1: an extent that was queried before a batch does not make the log look truncated after it', async () => {
  const { topic, reader, fetch } = await startReader('old-extent')
  await reader.onBatch(fetch(0, 10), control)
  const next = reader.partitionLog.next
  await reader.onBatch(fetch(10, 10), control)
  await reader.observe({ begin: 0, end: 12, stableEnd: 12 }, { queriedMs: Date.now(), next })
  expect(reader.state.status).toBe('reading')
  topic.partitions[0]?.splice(3)
  await reader.observe({ begin: 0, end: 3, stableEnd: 3 }, { queriedMs: Date.now(), next: reader.partitionLog.next })
  expect(reader.state).toMatchObject({ status: 'stopped', incident: { kind: 'log_end_below_position' } })
})

test('P1: a batch that always fails is tried less and less often although its lease is acquired each time, and the log is not ready meanwhile', async () => {
  const topic = new MemoryTopic('test/failing', 1)
  await useTopic(store.clickhouse, topic)
  topic.appendEvent({ event_id: 'e', project_id: 'failing', metric: 'ai_tokens', value: '1', timestamp: '2026-01-01T00:00:00Z' })
  let failing = true
  const openLane = async () => failingLane(await store.clickhouse.openLane(), 'usage_events_inbox_v1', () => failing)
  const group = memoryGroup(topic)
  const limits = { retryAfterMsMin: 100, retryAfterMsMax: 400, heartbeatEveryMs: 50 }
  const partitions = await openAssignedPartitions({ clickhouse: { ...store.clickhouse, openLane }, topic: group.topic, logger: quiet, limits })
  const startedMs = performance.now()
  group.assign([0])
  await untilSo(async () => (await acquisitionsOf(store.clickhouse, `${topic.name}/1/0`)) >= 6)
  expect(performance.now() - startedMs).toBeGreaterThan(100 + 200 + 400 + 400)
  expect(partitions.readiness()).toMatchObject({ ready: false })
  await untilSo(async () => JSON.stringify(partitions.readiness()).includes('nothing was stored after'))
  failing = false
  await untilSo(async () => partitions.readiness().ready && partitions.stats().logs[0]?.counted === 1)
  await partitions.stop()
})

test('P1: after a change of the leader the last record is read again, and the log stops if it was replaced, as by an unclean election', async () => {
  const { topic, reader, seeks, fetch } = await startReader('leader-epochs')
  // 10 records of each leader.
  const read = (offset: number, replacedFrom = Number.POSITIVE_INFINITY) =>
    reader.onBatch(
      withEpochs(fetch(offset, 10), (each) => (each >= replacedFrom ? 9 : Math.floor(each / 10))),
      control,
    )
  await read(0)
  await read(10)
  expect([reader.partitionLog.next, seeks.at(-1)]).toEqual([10, 9])
  await read(9)
  expect(reader.partitionLog.next).toBe(19)
  await read(19)
  expect(reader.partitionLog.next).toBe(20)
  // The log loses what is behind offset 15, and grows past the position again.
  topic.partitions[0]?.splice(15)
  for (let index = 0; index < 10; index += 1)
    topic.append(
      0,
      JSON.stringify({ event_id: `other-${index}`, project_id: 'leader-epochs', metric: 'ai_tokens', value: '1', timestamp: '2026-01-01T00:00:00Z' }),
    )
  await read(20, 15)
  expect(seeks.at(-1)).toBe(19)
  await read(19, 15)
  expect(reader.state).toMatchObject({ status: 'stopped', incident: { kind: 'log_overwritten' } })
  await reader.end()
})

test('P1: after a change of the leader reading goes on although the fetch of the last record ends with it', async () => {
  const { reader, seeks, fetch } = await startReader('reread-alone')
  const read = (offset: number, recordsMax: number) =>
    reader.onBatch(
      withEpochs(fetch(offset, recordsMax), (each) => (each < 10 ? 5 : 6)),
      control,
    )
  await read(0, 10)
  await read(10, 10)
  expect(seeks.at(-1)).toBe(9)
  await read(9, 1)
  await read(10, 10)
  expect([reader.state.status, reader.partitionLog.next]).toEqual(['reading', 20])
  await reader.end()
})

test('P1: after half a batch of two leaders reading goes on with its other half', async () => {
  const { topic, reader, fetch } = await startReader('half-a-batch', { batchEventsMax: 5 })
  const fetchWithEpochs = (offset: number) => withEpochs(fetch(offset, 100), (each) => (each < 12 ? 5 : 6))
  // kafkajs fails a heartbeat when a connection is lost, and fetches again without a rebalance.
  await reader.onBatch(fetchWithEpochs(0), { ...control, heartbeat: () => Promise.reject(new Error('connection lost')) })
  expect(reader.partitionLog.next).toBe(5)
  await reader.onBatch(fetchWithEpochs(5), control)
  expect(reader.partitionLog.next).toBe(20)
  expect(await storedOfTopic(store.clickhouse, topic)).toEqual({ ...foldTopic(topic), rollup: [] })
})
