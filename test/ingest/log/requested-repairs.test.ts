import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { audit } from '../../../aggregator/audits/audit.ts'
import { HTTP_LOG } from '../../../ingest/http/http-log.ts'
import { PartitionReader } from '../../../ingest/kafka/partition-reader.ts'
import type { FetchedBatch, GroupReader } from '../../../ingest/kafka/topic.ts'
import { readInDoubtRange } from '../../../ingest/log/in-doubt-range.ts'
import { KnownIdentities } from '../../../ingest/log/known-identities.ts'
import { OwnedLog } from '../../../ingest/log/owned-log.ts'
import { TOUCHED_PER_BATCH_MAX } from '../../../ingest/log/touched-days.ts'
import { openTestStore, type TestStore } from '../../support/engines/embedded-store.ts'
import { newOwner, useTopic } from '../../support/kafka/log-owner.ts'
import { MemoryTopic } from '../../support/kafka/memory-topic.ts'
import { addToRollup, deleteFromRollup } from '../../support/oracles/rollup-faults.ts'
import { compareRawWithRollup } from '../../support/oracles/stored-sums.ts'
import { untilSo } from '../../support/until-so.ts'
import { submissionOf } from '../../support/worlds/submission.ts'

const DAY = '2026-01-01'
const ALL = { from: '1970-01-01', end: '2148-12-31' }
const immediately = <T>(work: () => Promise<T>) => work()
const errors: string[] = []
const logger = { info: () => {}, warn: () => {}, error: (_details: object, message: string) => void errors.push(message) }

let store: TestStore
beforeAll(async () => {
  store = await openTestStore()
})
afterAll(() => store.close())
beforeEach(() => {
  errors.length = 0
})

/** An owner of the http log that has reconciled it, and has written two events of the project. */
async function httpOwner(project?: string): Promise<OwnedLog> {
  const { clickhouse } = store
  const identities = new KnownIdentities({ clickhouse, logger, filterBytesMax: 2 ** 24 })
  const scope = { partition: 0, partitions: 1 }
  const owner = new OwnedLog({ clickhouse, shard: clickhouse, lane: clickhouse.ingest, name: HTTP_LOG, source: HTTP_LOG, scope, identities, logger })
  const range = await owner.acquire()
  if (range !== undefined) await owner.reconcileRollup(range)
  if (project !== undefined) await append(owner, project, ['a', 'b'])
  return owner
}

async function append(owner: OwnedLog, project: string, names: readonly string[]): Promise<void> {
  const first = (await lastOffset()) + 1
  const { validated, receivedMs, ingestKeyId } = submissionOf(names.map((name) => eventOf(project, name)))
  const records = validated.map((each, index) => ({ log: HTTP_LOG, offset: first + index, validated: each, receivedMs, ingestKeyId }))
  const through = first + records.length - 1
  await owner.write({ first, through, records, ...(await owner.detectDuplicates(records)), position: 'with rows' })
}

async function heartbeat(owner: OwnedLog): Promise<void> {
  await owner.publishWatermark({ asOfMs: Date.now(), settledThrough: await lastOffset(), released: false })
  await owner.repairRequested()
}

async function lastOffset(): Promise<number> {
  return (await readInDoubtRange(store.clickhouse.ingest, HTTP_LOG))?.through ?? -1
}

function eventOf(project: string, name: string) {
  return { event_id: name, project_id: project, metric: 'ai_tokens', value: '3', timestamp: `${DAY}T00:00:00Z` }
}

test('P3: an owner makes a repair that an audit requested once, and makes it again when a later audit requests it', async () => {
  const { clickhouse } = store
  const owner = await httpOwner('once')
  for (let round = 1; round <= 2; round += 1) {
    await deleteFromRollup(clickhouse, { project: 'once', day: DAY, metric: 'ai_tokens' })
    expect((await audit(clickhouse, ALL, immediately)).differences).toHaveLength(1)
    for (let heartbeats = 0; heartbeats < 3; heartbeats += 1) await heartbeat(owner)
    expect(owner.stats().repairedKeys).toBe(round)
    expect(await compareRawWithRollup(clickhouse)).toEqual({ ahead: 0, behind: 0 })
  }
  owner.close()
})

test('P3: a repair that was requested while the log had no owner is made by the next owner', async () => {
  const { clickhouse } = store
  const owner = await httpOwner('later')
  owner.close()
  // One more batch, because the last batch is reconciled when the lease is acquired.
  ;(await httpOwner('last')).close()
  await deleteFromRollup(clickhouse, { project: 'later', day: DAY, metric: 'ai_tokens' })
  await audit(clickhouse, ALL, immediately)
  const next = await httpOwner()
  expect(await compareRawWithRollup(clickhouse)).toEqual({ ahead: 0, behind: 1 })
  await heartbeat(next)
  expect(await compareRawWithRollup(clickhouse)).toEqual({ ahead: 0, behind: 0 })
  next.close()
})

test('P3: the fence refuses a repair of an overtaken owner as a whole', async () => {
  const { clickhouse } = store
  const overtaken = await httpOwner('fenced')
  const newer = await httpOwner('other')
  await deleteFromRollup(clickhouse, { project: 'fenced', day: DAY, metric: 'ai_tokens' })
  await audit(clickhouse, ALL, immediately)
  await heartbeat(newer)
  await deleteFromRollup(clickhouse, { project: 'fenced', day: DAY, metric: 'ai_tokens' })
  await expect(overtaken.repairRequested()).rejects.toMatchObject({ fault: 'fenced' })
  expect(await compareRawWithRollup(clickhouse)).toEqual({ ahead: 0, behind: 1 })
  await audit(clickhouse, ALL, immediately)
  await heartbeat(newer)
  expect(await compareRawWithRollup(clickhouse)).toEqual({ ahead: 0, behind: 0 })
  for (const owner of [overtaken, newer]) owner.close()
})

test('P3: a rollup ahead of raw is logged with the command that corrects it, other requested repairs are made, and the log goes on', async () => {
  const { clickhouse } = store
  const owner = await httpOwner('ahead')
  await append(owner, 'beside', ['a'])
  await addToRollup(clickhouse, { project: 'ahead', day: DAY, metric: 'ai_tokens' }, 9)
  await deleteFromRollup(clickhouse, { project: 'beside', day: DAY, metric: 'ai_tokens' })
  await audit(clickhouse, ALL, immediately)
  await heartbeat(owner)
  expect(errors).toEqual([expect.stringContaining('meterline rebuild --month 2026-01')])
  expect(await compareRawWithRollup(clickhouse)).toEqual({ ahead: 1, behind: 0 })
  await append(owner, 'after', ['a'])
  await heartbeat(owner)
  expect(errors).toHaveLength(1)
  owner.close()
  await deleteFromRollup(clickhouse, { project: 'ahead', day: DAY, metric: 'ai_tokens' })
})

test('P3: the owner of a Kafka partition makes requested repairs at its next heartbeat, and only those of its own log', async () => {
  const { clickhouse } = store
  const topic = new MemoryTopic('test/repairs', 1)
  await useTopic(clickhouse, topic)
  for (const name of ['a', 'b', 'c']) topic.append(0, JSON.stringify(eventOf('kafka', name)))
  const group: GroupReader = { seek: () => {}, pause: () => {}, resume: () => {}, rejoin: () => {}, commit: async () => {}, stop: async () => {} }
  const batch = { ...TOUCHED_PER_BATCH_MAX, batchEventsMax: 100, batchBytesMax: 2 ** 20 }
  const limits = { ...batch, retryAfterMsMin: 10, retryAfterMsMax: 100, ownerTimeoutMs: 1_000, heartbeatEveryMs: 2_000 }
  const partitionLog = newOwner(clickhouse, topic)
  const reader = new PartitionReader({ partitionLog, groupReader: () => group, control: clickhouse.control, logger, limits })
  reader.assign()
  await untilSo(async () => reader.state.status === 'reading')
  await reader.onBatch(topic.fetch(0, 0, 10) as FetchedBatch, { heartbeat: async () => {}, resolve: () => {} })
  const sendHeartbeat = () => reader.observe({ begin: 0, end: 3, stableEnd: 3 }, { queriedMs: Date.now(), next: 3 })
  await sendHeartbeat()
  for (const project of ['kafka', 'once']) await deleteFromRollup(clickhouse, { project, day: DAY, metric: 'ai_tokens' })
  const { differences } = await audit(clickhouse, ALL, immediately)
  expect(differences.map(({ project_id }) => project_id)).toEqual(expect.arrayContaining(['kafka', 'once']))
  await sendHeartbeat()
  expect(partitionLog.owned.stats().repairedKeys).toBe(1)
  expect((await audit(clickhouse, { ...ALL, projectId: 'kafka' }, immediately)).differences).toEqual([])
  expect((await audit(clickhouse, { ...ALL, projectId: 'once' }, immediately)).differences).toHaveLength(1)
  expect(reader.state.status).toBe('reading')
  await reader.end()
})
