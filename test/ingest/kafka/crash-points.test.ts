import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LogLost } from '../../../ingest/log/owned-log.ts'
import type { ClickHouse, Lane } from '../../../sql/clickhouse.ts'
import { StoreError } from '../../../sql/errors.ts'
import type { TestEvent } from '../../support/clients/client.ts'
import { openTestStore, type TestStore } from '../../support/engines/embedded-store.ts'
import { FAULTS, faultOnce } from '../../support/engines/faulty-lane.ts'
import { foldTopic, storedOfTopic } from '../../support/kafka/log-oracle.ts'
import { drain, newOwner, readOn } from '../../support/kafka/log-owner.ts'
import { MemoryTopic } from '../../support/kafka/memory-topic.ts'

let store: TestStore
let clickhouse: ClickHouse
beforeAll(async () => {
  store = await openTestStore()
  clickhouse = store.clickhouse
})
afterAll(() => store.close())

describe('P1 P2 P3: a crash at any point of a batch, and the successor makes it whole', () => {
  const tables = ['passed_on_inbox_v1', 'log_positions_inbox_v1', 'usage_events_inbox_v1', 'rejected_events_inbox_v1']
  for (const table of tables) {
    for (const fault of FAULTS) {
      test(`${table}: ${fault}`, async () => {
        const topic = topicOf(`batch ${table} ${fault}`)
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
    test(`passing on: ${point} are in their own partition`, async () => {
      const topic = topicOf(`passing on ${point}`)
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

  test('raw in, its rollup not: the keys of the range are recounted', async () => {
    const topic = topicOf('torn pair')
    await clickhouse.control.command('DETACH TABLE project_usage_per_day_mv_v1 SYNC')
    const owner = newOwner(clickhouse, topic)
    await owner.take()
    await readOn(owner, topic, 50)
    await clickhouse.control.command('ATTACH TABLE project_usage_per_day_mv_v1')
    expect((await storedOfTopic(clickhouse, topic)).rollup).not.toEqual([])
    await drain(clickhouse, topic)
    await expectExact(topic)
  })

  test('acknowledged, and no next position: settle finds all and repairs nothing', async () => {
    const topic = topicOf('acknowledged')
    const owner = newOwner(clickhouse, topic)
    await owner.take()
    while (await readOn(owner, topic, 7));
    const successor = newOwner(clickhouse, topic)
    await successor.take()
    expect(successor.next).toBeLessThan(owner.next)
    while (await readOn(successor, topic, 7));
    expect(successor.owned.stats()).toMatchObject({ counted: 0, repairedKeys: 0 })
    await drain(clickhouse, topic)
    await expectExact(topic)
  })

  for (const table of ['usage_events_inbox_v1', 'rejected_events_inbox_v1']) {
    for (const fault of FAULTS) {
      test(`during settle, ${table}: ${fault}`, async () => {
        const topic = topicOf(`settle ${table} ${fault}`)
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

  for (const fault of FAULTS) {
    test(`during settle, the rollup's differences: ${fault}`, async () => {
      const topic = topicOf(`differences ${fault}`)
      await clickhouse.control.command('DETACH TABLE project_usage_per_day_mv_v1 SYNC')
      const owner = newOwner(clickhouse, topic)
      await owner.take()
      await readOn(owner, topic, 50)
      await clickhouse.control.command('ATTACH TABLE project_usage_per_day_mv_v1')
      const { lane, sendLate } = faultOnce(clickhouse.ingest, 'rollup_differences_inbox_v1', fault)
      await expect(readUntilItFails(topic, lane)).rejects.toMatchObject({ name: 'StoreError' })
      await drain(clickhouse, topic)
      for (const arrived of await Promise.all(sendLate())) expect(arrived).toBe('fenced')
      await expectExact(topic)
    })
  }

  test('a take row that arrives late out-ranks: the refused owner lets go, and the next take is greater', async () => {
    const topic = topicOf('late take')
    const owner = newOwner(clickhouse, topic)
    await owner.take()
    await readOn(owner, topic, 5)
    const { name: log, epoch } = owner.owned.ownership
    await clickhouse.control.insert({ table: 'log_owners_v1', columns: ['log', 'epoch', 'owner'], text: `${log}\t${epoch + 3}\tlate\n` })
    await expect(readOn(owner, topic, 5)).rejects.toMatchObject({ fault: 'fenced' })
    await expect(owner.take()).rejects.toThrow(LogLost)
    await drain(clickhouse, topic)
    await expectExact(topic)
  })
})

test('P1 P2: a zombie stopped between position and rows, for more than 1,000 inserts of others, wakes and changes nothing', async () => {
  const topic = topicOf('zombie')
  const { lane, sendLate } = faultOnce(clickhouse.ingest, 'usage_events_inbox_v1', 'late')
  await expect(readUntilItFails(topic, lane)).rejects.toMatchObject({ name: 'StoreError' })
  for (let index = 0; index < 520; index += 1) topic.append(0, JSON.stringify(event(topic, `more-${index}`, '2026-03-01')))
  // Two inserts a batch: its position and its rows.
  await drain(clickhouse, topic, 1)
  expect(await Promise.all(sendLate())).toEqual(['fenced'])
  await expectExact(topic)
}, 120_000)

test('P7: one event that the store refuses is found, kept as refused_by_store, and its neighbours count', async () => {
  const topic = topicOf('poison')
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
  await owner.take()
  while (await readOn(owner, topic, 7));
  expect(owner.owned.stats().rejectedByReason.get('refused_by_store')).toBe(1)
  await drain(clickhouse, topic)
  const { counted, refused } = await storedOfTopic(clickhouse, topic)
  const must = foldTopic(topic)
  expect(counted).toEqual(must.counted.filter((line) => !line.includes(`"${poison}"`)))
  expect(refused).toHaveLength(must.refused.length + 1)
})

test('P3: a batch with 101 months', async () => {
  const topic = new MemoryTopic('test/101-months', 1)
  for (let month = 0; month < 101; month += 1) {
    const day = new Date(Date.UTC(2017, month, 15)).toISOString().slice(0, 10)
    topic.append(0, JSON.stringify(event(topic, `month-${month}`, day)))
  }
  await drain(clickhouse, topic, 200)
  await expectExact(topic)
})

test('P2: the log read again from its begin, and the group renamed, count nothing twice', async () => {
  const topic = topicOf('replay')
  await drain(clickhouse, topic)
  const before = await storedOfTopic(clickhouse, topic)
  let owner = newOwner(clickhouse, topic)
  await owner.take()
  while (await readOn(owner, topic, 7));
  expect(await owner.replayFrom(0)).toBe(true)
  expect(owner.next).toBe(0)
  // A process that dies now leaves its wish to the next.
  const heir = newOwner(clickhouse, topic)
  await heir.take()
  expect(heir.next).toBe(0)
  await expect(readOn(owner, topic, 3)).rejects.toMatchObject({ fault: 'fenced' })
  owner = heir
  // Half-way through the replay the process dies: its positions, though lower, outrank those of before.
  await readOn(owner, topic, 3)
  await readOn(owner, topic, 3)
  const successor = newOwner(clickhouse, topic)
  await successor.take()
  expect(successor.next).toBeLessThan(6)
  while (await readOn(successor, topic, 7));
  expect(successor.owned.stats().counted).toBe(0)
  expect(await storedOfTopic(clickhouse, topic)).toEqual(before)
})

/** Two partitions; in the first: events of four months, a copy, a conflict, no event, an event of the other partition. */
function topicOf(name: string): MemoryTopic {
  const topic = new MemoryTopic(`test/${name.replaceAll(' ', '-')}`, 2)
  for (let index = 0; index < 6; index += 1) topic.append(0, JSON.stringify(event(topic, `first-${index}`, '2026-01-10')))
  const batch = ['2026-01-31', '2026-02-01', '2026-03-15', '2026-04-30'].map((day, index) => event(topic, `e${index}`, day))
  for (const each of batch) topic.append(0, JSON.stringify(each))
  topic.append(0, JSON.stringify({ ...batch[0], timestamp: '2026-02-03T00:00:00Z' }))
  topic.append(0, JSON.stringify({ ...batch[1], value: '8' }))
  topic.append(0, '{"event_id": ')
  topic.append(0, null)
  topic.append(0, JSON.stringify(event(topic, 'stray', '2026-02-02', 1)))
  return topic
}

/** Of a project that belongs to the partition. */
function event(topic: MemoryTopic, event_id: string, day: string, partition = 0): TestEvent {
  const projects = [...'abcdefghijklmnopqrstuvwxyz'].map((letter) => `${topic.name.replaceAll('/', '.')}.${letter}`)
  const project_id = projects.find((project) => topic.partitionOf(project) === partition) ?? ''
  return { event_id, project_id, metric: 'ai_tokens', value: '7.5', timestamp: `${day}T12:00:00Z` }
}

/** The first batch is six events, the second all the rest. */
async function readUntilItFails(topic: MemoryTopic, lane: Lane): Promise<void> {
  const owner = newOwner(clickhouse, topic, { lane })
  await owner.take()
  if (owner.next === 0) await readOn(owner, topic, 6)
  while (await readOn(owner, topic, 50));
}

async function expectExact(topic: MemoryTopic): Promise<void> {
  expect(await storedOfTopic(clickhouse, topic)).toEqual({ ...foldTopic(topic), rollup: [] })
}
