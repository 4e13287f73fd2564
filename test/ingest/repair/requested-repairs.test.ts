import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { audit } from '../../../aggregator/audits/audit.ts'
import { AppendedLog } from '../../../ingest/http/appended-log.ts'
import { PartitionReader } from '../../../ingest/kafka/partition-reader.ts'
import type { FetchedBatch, Reader } from '../../../ingest/kafka/topic.ts'
import { FilterBudget } from '../../../ingest/log/identity-filter.ts'
import { openTestStore, type TestStore } from '../../support/engines/embedded-store.ts'
import { newOwner } from '../../support/kafka/log-owner.ts'
import { MemoryTopic } from '../../support/kafka/memory-topic.ts'
import { addToRollup, deleteFromRollup } from '../../support/oracles/rollup-faults.ts'
import { compareRawWithRollup } from '../../support/oracles/stored-sums.ts'
import { untilSo } from '../../support/until-so.ts'
import { submissionOf } from '../../support/worlds/submission.ts'

const DAY = '2026-01-01'
const ALL = { from: '1970-01-01', end: '2148-12-31' }
const atOnce = <T>(work: () => Promise<T>) => work()
const told: string[] = []
const logger = { info: () => {}, warn: () => {}, error: (_details: object, message: string) => void told.push(message) }

let store: TestStore
beforeAll(async () => {
  store = await openTestStore()
})
afterAll(() => store.close())
beforeEach(() => {
  told.length = 0
})

/** An owner of the http log, with two events of the project in it. */
async function httpOwner(project?: string): Promise<AppendedLog> {
  const { clickhouse } = store
  const filterBudget = new FilterBudget(2 ** 24)
  const owner = new AppendedLog({ clickhouse, lane: clickhouse.ingest, name: 'http', scope: { partition: 0, partitions: 1 }, filterBudget, logger })
  await owner.takeAndSettle()
  if (project === undefined) return owner
  const { judged, receivedMs, ingestKeyId } = submissionOf(['a', 'b'].map((name) => eventOf(project, name)))
  await owner.append(judged.map((each) => ({ judged: each, receivedMs, ingestKeyId })))
  return owner
}

function eventOf(project: string, name: string) {
  return { event_id: name, project_id: project, metric: 'ai_tokens', value: '3', timestamp: `${DAY}T00:00:00Z` }
}

test('P3: an owner repairs what an audit asked for once, and a later request again', async () => {
  const { clickhouse } = store
  const owner = await httpOwner('once')
  for (let round = 1; round <= 2; round += 1) {
    await deleteFromRollup(clickhouse, { project: 'once', day: DAY, metric: 'ai_tokens' })
    expect((await audit(clickhouse, ALL, atOnce)).differences).toHaveLength(1)
    for (let beats = 0; beats < 3; beats += 1) await owner.beat()
    expect(owner.owned.stats().repairedKeys).toBe(round)
    expect(await compareRawWithRollup(clickhouse)).toEqual({ ahead: 0, behind: 0 })
  }
  owner.owned.close()
})

test('P3: what was asked while nobody owned the log is done by the next owner', async () => {
  const { clickhouse } = store
  const owner = await httpOwner('later')
  owner.owned.close()
  // Not of the last batch, which is settled by whoever takes the log.
  ;(await httpOwner('last')).owned.close()
  await deleteFromRollup(clickhouse, { project: 'later', day: DAY, metric: 'ai_tokens' })
  await audit(clickhouse, ALL, atOnce)
  const next = await httpOwner()
  expect(await compareRawWithRollup(clickhouse)).toEqual({ ahead: 0, behind: 1 })
  await next.beat()
  expect(await compareRawWithRollup(clickhouse)).toEqual({ ahead: 0, behind: 0 })
  next.owned.close()
})

test('P3: a repair of an owner that was overtaken is refused as a whole', async () => {
  const { clickhouse } = store
  const overtaken = await httpOwner('fenced')
  const newer = await httpOwner('other')
  await deleteFromRollup(clickhouse, { project: 'fenced', day: DAY, metric: 'ai_tokens' })
  await audit(clickhouse, ALL, atOnce)
  await newer.beat()
  await deleteFromRollup(clickhouse, { project: 'fenced', day: DAY, metric: 'ai_tokens' })
  await expect(overtaken.owned.repairAsAsked()).rejects.toMatchObject({ fault: 'fenced' })
  expect(await compareRawWithRollup(clickhouse)).toEqual({ ahead: 0, behind: 1 })
  await audit(clickhouse, ALL, atOnce)
  await newer.beat()
  expect(await compareRawWithRollup(clickhouse)).toEqual({ ahead: 0, behind: 0 })
  for (const owner of [overtaken, newer]) owner.owned.close()
})

test('P3: a rollup ahead of raw is told with the verb that mends it; what else was asked is repaired, and the log goes on', async () => {
  const { clickhouse } = store
  const owner = await httpOwner('ahead')
  await httpAppend(owner, 'beside')
  await addToRollup(clickhouse, { project: 'ahead', day: DAY, metric: 'ai_tokens' }, 9)
  await deleteFromRollup(clickhouse, { project: 'beside', day: DAY, metric: 'ai_tokens' })
  await audit(clickhouse, ALL, atOnce)
  await owner.beat()
  expect(told).toEqual([expect.stringContaining('meterline rebuild --month 2026-01')])
  expect(await compareRawWithRollup(clickhouse)).toEqual({ ahead: 1, behind: 0 })
  await httpAppend(owner, 'after')
  await owner.beat()
  expect(told).toHaveLength(1)
  owner.owned.close()
  await deleteFromRollup(clickhouse, { project: 'ahead', day: DAY, metric: 'ai_tokens' })
})

async function httpAppend(owner: AppendedLog, project: string): Promise<void> {
  const { judged, receivedMs, ingestKeyId } = submissionOf([eventOf(project, 'a')])
  await owner.append(judged.map((each) => ({ judged: each, receivedMs, ingestKeyId })))
}

test('P3: the owner of a Kafka partition repairs at its next beat, its own log alone', async () => {
  const { clickhouse } = store
  const topic = new MemoryTopic('test/repairs', 1)
  for (const name of ['a', 'b', 'c']) topic.append(0, JSON.stringify(eventOf('kafka', name)))
  const group: Reader = { seek: () => {}, pause: () => {}, resume: () => {}, commit: async () => {}, stop: async () => {} }
  const limits = { batchEventsMax: 100, batchBytesMax: 2 ** 20, retryAfterMsMin: 10, retryAfterMsMax: 100, ownerSilenceMsMax: 1_000 }
  const partitionLog = newOwner(clickhouse, topic)
  const reader = new PartitionReader({ partitionLog, reader: () => group, control: clickhouse.control, logger, limits })
  reader.assign()
  await untilSo(async () => reader.state.status === 'reading')
  await reader.onBatch(topic.fetch(0, 0, 10) as FetchedBatch, { heartbeat: async () => {}, resolve: () => {} })
  const beat = () => reader.beat({ begin: 0, end: 3 }, { askedMs: Date.now(), next: 3 })
  await beat()
  for (const project of ['kafka', 'once']) await deleteFromRollup(clickhouse, { project, day: DAY, metric: 'ai_tokens' })
  const { differences } = await audit(clickhouse, ALL, atOnce)
  expect(differences.map(({ project_id }) => project_id)).toEqual(expect.arrayContaining(['kafka', 'once']))
  await beat()
  expect(partitionLog.owned.stats().repairedKeys).toBe(1)
  expect((await audit(clickhouse, { ...ALL, projectId: 'kafka' }, atOnce)).differences).toEqual([])
  expect((await audit(clickhouse, { ...ALL, projectId: 'once' }, atOnce)).differences).toHaveLength(1)
  expect(reader.state.status).toBe('reading')
  await reader.end()
})
