import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LogLost } from '../../../ingest/log/owned-log.ts'
import type { ClickHouse, Lane } from '../../../sql/clickhouse.ts'
import { StoreError } from '../../../sql/errors.ts'
import { openTestStore, type TestStore } from '../../support/engines/embedded-store.ts'
import { FAULTS, faultOnce } from '../../support/engines/faulty-lane.ts'
import { foldTopic, storedOfTopic } from '../../support/kafka/log-oracle.ts'
import { drain, newOwner, readOn, useTopic } from '../../support/kafka/log-owner.ts'
import { event, makeTopic } from '../../support/kafka/made-topic.ts'
import { MemoryTopic } from '../../support/kafka/memory-topic.ts'

/** For the next owner, an insert that arrives late was not sent, until it arrives. */
const CRASHES = FAULTS.filter((fault) => fault !== 'not sent')

let store: TestStore
let clickhouse: ClickHouse
beforeAll(async () => {
  store = await openTestStore()
  clickhouse = store.clickhouse
})
afterAll(() => store.close())

describe('P1 P2 P3: after a crash at any point of a batch its next owner completes it', () => {
  const tables = ['passed_on_inbox_v1', 'log_positions_inbox_v1', 'usage_events_inbox_v1', 'usage_corrections_inbox_v1', 'rejected_events_inbox_v1']
  for (const table of tables) {
    for (const fault of CRASHES) {
      test(`a batch whose insert into ${table} has the fault "${fault}" is completed by the next owner`, async () => {
        const topic = await topicOf(`batch ${table} ${fault}`)
        const { lane, sendLate, occurred } = faultOnce(clickhouse.ingest, table, fault)
        await expect(readUntilItFails(topic, lane)).rejects.toMatchObject({ name: 'StoreError' })
        expect(occurred()).toBe(true)
        await drain(clickhouse, topic)
        for (const arrived of await Promise.all(sendLate())) expect(arrived).toBe('fenced')
        await expectExact(topic)
      })
    }
  }

  for (const point of ['before the copies', 'after the copies'] as const) {
    test(`a crash ${point} of misrouted events were produced is completed by the next owner`, async () => {
      const topic = await topicOf(`forwarding ${point}`)
      const fail = async () => {
        topic.beforeProduce = async () => {}
        topic.afterProduce = async () => {}
        throw new StoreError('unavailable', 'injected')
      }
      if (point === 'before the copies') topic.beforeProduce = fail
      else topic.afterProduce = fail
      await expect(readUntilItFails(topic, clickhouse.ingest)).rejects.toThrow('injected')
      await drain(clickhouse, topic)
      await expectExact(topic)
    })
  }

  for (const table of ['rejected_events_inbox_v1', 'passed_on_inbox_v1', 'log_positions_inbox_v1', 'usage_events_inbox_v1']) {
    test(`P7: a misrouted event that the broker rejects is kept, although the insert into ${table} after it was lost`, async () => {
      const topic = await topicOf(`refused copy ${table}`)
      topic.append(0, JSON.stringify(event(topic, 'too-large', '2026-02-02', 1)))
      topic.refuses = ({ value }) => String(value).includes('too-large')
      const { lane, occurred } = faultOnce(clickhouse.ingest, table, 'not sent')
      await expect(readUntilItFails(topic, lane)).rejects.toMatchObject({ name: 'StoreError' })
      expect(occurred()).toBe(true)
      await drain(clickhouse, topic)
      const { counted, rejected } = foldTopic(topic)
      expect(counted.some((line) => line.includes('"misrouted"'))).toBe(true)
      expect(await storedOfTopic(clickhouse, topic)).toEqual({ counted, rejected: [...rejected, `${topic.name}/1/0@22`].sort(), rollup: [] })
    })
  }

  for (const view of ['project_usage_per_day_mv_v1', 'usage_corrections_rollup_mv_v1']) {
    test(`a batch that is stored without what ${view} adds to the rollup is recounted`, async () => {
      const topic = await topicOf(`torn pair ${view}`)
      await clickhouse.control.command(`DETACH TABLE ${view} SYNC`)
      const owner = newOwner(clickhouse, topic)
      await owner.acquire()
      await readOn(owner, topic, 50)
      await clickhouse.control.command(`ATTACH TABLE ${view}`)
      expect((await storedOfTopic(clickhouse, topic)).rollup).not.toEqual([])
      await drain(clickhouse, topic)
      await expectExact(topic)
    })
  }

  test('P2: corrections that are stored without the hashes of their identities are indexed, and their copies are duplicates', async () => {
    const topic = await topicOf('torn index')
    await clickhouse.control.command('DETACH TABLE usage_corrections_identity_mv_v1 SYNC')
    const owner = newOwner(clickhouse, topic)
    await owner.acquire()
    await readOn(owner, topic, 50)
    await clickhouse.control.command('ATTACH TABLE usage_corrections_identity_mv_v1')
    for (const { value } of topic.partitions[0]?.slice(0, -1) ?? []) topic.append(0, value === null ? null : value.toString('utf8'))
    await drain(clickhouse, topic)
    await expectExact(topic)
  })

  test('a batch that was acknowledged before the crash is found complete, and nothing is repaired', async () => {
    const topic = await topicOf('acknowledged')
    const owner = newOwner(clickhouse, topic)
    await owner.acquire()
    while (await readOn(owner, topic, 7));
    const successor = newOwner(clickhouse, topic)
    await successor.acquire()
    expect(successor.next).toBeLessThan(owner.next)
    while (await readOn(successor, topic, 7));
    expect(successor.owned.stats()).toMatchObject({ counted: 0, repairedKeys: 0 })
    await drain(clickhouse, topic)
    await expectExact(topic)
  })

  for (const table of ['usage_events_inbox_v1', 'usage_corrections_inbox_v1', 'rejected_events_inbox_v1']) {
    for (const fault of CRASHES) {
      test(`reconciling whose insert into ${table} has the fault "${fault}" is completed by the next owner`, async () => {
        const topic = await topicOf(`reconcile ${table} ${fault}`)
        const first = faultOnce(clickhouse.ingest, 'usage_events_inbox_v1', 'not sent')
        await expect(readUntilItFails(topic, first.lane)).rejects.toMatchObject({ name: 'StoreError' })
        const second = faultOnce(clickhouse.ingest, table, fault)
        await expect(readUntilItFails(topic, second.lane)).rejects.toMatchObject({ name: 'StoreError' })
        await drain(clickhouse, topic)
        for (const arrived of await Promise.all(second.sendLate())) expect(arrived).toBe('fenced')
        await expectExact(topic)
      })
    }
  }

  for (const fault of CRASHES) {
    test(`a repair of the rollup whose insert has the fault "${fault}" is completed by the next owner`, async () => {
      const topic = await topicOf(`differences ${fault}`)
      await clickhouse.control.command('DETACH TABLE project_usage_per_day_mv_v1 SYNC')
      const owner = newOwner(clickhouse, topic)
      await owner.acquire()
      await readOn(owner, topic, 50)
      await clickhouse.control.command('ATTACH TABLE project_usage_per_day_mv_v1')
      const { lane, sendLate } = faultOnce(clickhouse.ingest, 'rollup_differences_inbox_v1', fault)
      await expect(readUntilItFails(topic, lane)).rejects.toMatchObject({ name: 'StoreError' })
      await drain(clickhouse, topic)
      for (const arrived of await Promise.all(sendLate())) expect(arrived).toBe('fenced')
      await expectExact(topic)
    })
  }

  test('a lease row that arrives late outranks the owner: the owner gives up, and the next lease is greater', async () => {
    const topic = await topicOf('late lease')
    const owner = newOwner(clickhouse, topic)
    await owner.acquire()
    await readOn(owner, topic, 5)
    const { name: log, epoch } = owner.owned.lease
    await clickhouse.control.insert({ table: 'leases_v1', columns: ['name', 'epoch', 'owner'], text: `${log}\t${epoch + 3}\tlate\n` })
    await expect(readOn(owner, topic, 5)).rejects.toMatchObject({ fault: 'fenced' })
    await expect(owner.acquire()).rejects.toThrow(LogLost)
    await drain(clickhouse, topic)
    await expectExact(topic)
  })
})

test('P1 P2: a zombie that wakes up between position and rows, after more than 100 inserts of its successor, changes nothing', async () => {
  const topic = await topicOf('zombie')
  const { lane, sendLate } = faultOnce(clickhouse.ingest, 'usage_events_inbox_v1', 'late')
  await expect(readUntilItFails(topic, lane)).rejects.toMatchObject({ name: 'StoreError' })
  for (let index = 0; index < 60; index += 1) topic.append(0, JSON.stringify(event(topic, `more-${index}`, '2026-03-01')))
  // Two inserts a batch: its position and its rows.
  await drain(clickhouse, topic, 1)
  expect(await Promise.all(sendLate())).toEqual(['fenced'])
  await expectExact(topic)
})

test('P7: the one event of a batch that the store rejects is kept as refused_by_store, and the others count', async () => {
  const topic = await topicOf('poison')
  const poison = 'poison'
  topic.append(0, JSON.stringify({ ...event(topic, poison, '2026-03-01'), metric: 'ai_tokens' }))
  topic.append(0, JSON.stringify(event(topic, 'after', '2026-03-02')))
  const insert: Lane['insert'] = async (each) => {
    if (each.table === 'usage_events_inbox_v1' && String(each.text).includes(`\t${poison}\t`)) throw new StoreError('refused', 'injected', { code: 117 })
    return clickhouse.ingest.insert(each)
  }
  const lane = { ...clickhouse.ingest, insert }
  await expect(readUntilItFails(topic, lane)).rejects.toMatchObject({ fault: 'refused' })
  const owner = newOwner(clickhouse, topic, { lane })
  await owner.acquire()
  while (await readOn(owner, topic, 7));
  expect(owner.owned.stats().rejectedByReason.get('refused_by_store')).toBe(1)
  await drain(clickhouse, topic)
  const { counted, rejected } = await storedOfTopic(clickhouse, topic)
  const expected = foldTopic(topic)
  expect(counted).toEqual(expected.counted.filter((line) => !line.includes(`"${poison}"`)))
  expect(rejected).toHaveLength(expected.rejected.length + 1)
})

test('P3: a batch with events of 101 months is counted exactly', async () => {
  const topic = new MemoryTopic('test/101-months', 1)
  await useTopic(clickhouse, topic)
  for (let month = 0; month < 101; month += 1) {
    const day = new Date(Date.UTC(2017, month, 15)).toISOString().slice(0, 10)
    topic.append(0, JSON.stringify(event(topic, `month-${month}`, day)))
  }
  await drain(clickhouse, topic, 200)
  await expectExact(topic)
})

test('P2: a replay of the whole log, interrupted by crashes, counts nothing twice', async () => {
  const topic = await topicOf('replay')
  await drain(clickhouse, topic)
  const before = await storedOfTopic(clickhouse, topic)
  let owner = newOwner(clickhouse, topic)
  await owner.acquire()
  while (await readOn(owner, topic, 7));
  expect(await owner.replayFrom(0)).toBe(true)
  expect(owner.next).toBe(0)
  // If the process dies now, its successor begins the replay.
  const restarted = newOwner(clickhouse, topic)
  await restarted.acquire()
  expect(restarted.next).toBe(0)
  await expect(readOn(owner, topic, 3)).rejects.toMatchObject({ fault: 'fenced' })
  owner = restarted
  // The process dies half-way through the replay. Its positions are lower than those of before, but outrank them.
  await readOn(owner, topic, 3)
  await readOn(owner, topic, 3)
  const successor = newOwner(clickhouse, topic)
  await successor.acquire()
  expect(successor.next).toBeLessThan(6)
  while (await readOn(successor, topic, 7));
  expect(successor.owned.stats().counted).toBe(0)
  expect(await storedOfTopic(clickhouse, topic)).toEqual(before)
})

const topicOf = (name: string) => makeTopic(clickhouse, name)

/** Reads six records as the first batch, and all others as the second. */
async function readUntilItFails(topic: MemoryTopic, lane: Lane): Promise<void> {
  const owner = newOwner(clickhouse, topic, { lane })
  await owner.acquire()
  if (owner.next === 0) await readOn(owner, topic, 6)
  while (await readOn(owner, topic, 50));
}

async function expectExact(topic: MemoryTopic): Promise<void> {
  expect(await storedOfTopic(clickhouse, topic)).toEqual({ ...foldTopic(topic), rollup: [] })
}
