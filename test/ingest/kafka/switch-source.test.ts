import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { readAsOf } from '../../../aggregator/as-of.ts'
import { type HttpLog, openHttpLog } from '../../../ingest/http/http-log.ts'
import { type AssignedPartitions, openAssignedPartitions } from '../../../ingest/kafka/assigned-partitions.ts'
import { type SwitchStep, switchSource } from '../../../ingest/kafka/switch-source.ts'
import { LogLost } from '../../../ingest/log/owned-log.ts'
import { readSource, requireSource, SourceNotInForce } from '../../../ingest/source/source-in-force.ts'
import type { ClickHouse } from '../../../sql/clickhouse.ts'
import { defineQuery } from '../../../sql/query.ts'
import type { TestEvent } from '../../support/clients/client.ts'
import { openTestStore, type TestStore } from '../../support/engines/embedded-store.ts'
import { acquisitionsOf } from '../../support/engines/faulty-lane.ts'
import { newOwner, readOn, useTopic } from '../../support/kafka/log-owner.ts'
import { memoryGroup } from '../../support/kafka/memory-group.ts'
import { MemoryTopic } from '../../support/kafka/memory-topic.ts'
import { compareRawWithRollup } from '../../support/oracles/stored-sums.ts'
import { untilSo } from '../../support/until-so.ts'
import { submissionOf } from '../../support/worlds/submission.ts'

const quiet = { info: () => {}, warn: () => {}, error: () => {} }
const LIMITS = { retryAfterMsMin: 10, retryAfterMsMax: 50, heartbeatEveryMs: 50, ownerTimeoutMs: 1_000 }
const USE = 'meterline log source use'

let store: TestStore
let clickhouse: ClickHouse
const opened: (HttpLog | AssignedPartitions)[] = []
beforeEach(async () => {
  store = await openTestStore()
  clickhouse = store.clickhouse
})
afterEach(async () => {
  for (const each of opened.splice(0)) await each.stop()
  await store.close()
})

const eventOf = (event_id: string, day = '2026-10-01'): TestEvent => ({
  event_id,
  project_id: 'p',
  metric: 'ai_tokens',
  value: 5,
  timestamp: `${day}T12:00:00Z`,
})

async function openHttp(): Promise<HttpLog> {
  const log = await openHttpLog({ clickhouse, logger: quiet, onLost: () => {}, limits: LIMITS })
  opened.push(log)
  return log
}

async function openTopic(name: string) {
  const memory = new MemoryTopic(name, 1)
  const group = memoryGroup(memory)
  const partitions = await openAssignedPartitions({ clickhouse, topic: group.topic, logger: quiet, limits: LIMITS })
  opened.push(partitions)
  return { memory, group, partitions }
}

async function counted(): Promise<{ raw: number; rollup: number }> {
  const [found] = await clickhouse.reads.query(countedEvents, {})
  return found ?? { raw: 0, rollup: 0 }
}

const use = (source: string, leaveUnread = true) => switchSource(clickhouse, source, { leaveUnread })

describe('P2: only one source is counted', () => {
  test('of two topics, or two clusters, the second is not counted and not ready, names the command, and takes over when it is switched to', async () => {
    const [one, other] = [await openTopic('old-cluster/usage-events'), await openTopic('new-cluster/usage-events')]
    one.group.assign([0])
    await untilSo(async () => one.partitions.readiness().ready)
    other.group.assign([0])
    await untilSo(async () => JSON.stringify(other.partitions.readiness()).includes(USE))
    // The copy is dated another day, so that no merge of raw would ever remove it.
    one.memory.appendEvent(eventOf('same'))
    other.memory.appendEvent(eventOf('same', '2026-10-02'))
    await untilSo(async () => (await counted()).rollup === 1)
    expect(other.partitions.readiness()).toMatchObject({
      ready: false,
      reason: expect.stringContaining('counts the events of the topic old-cluster/usage-events'),
    })

    other.memory.appendEvent(eventOf('new'))
    // How far it was read is known once the next watermark says so.
    await untilSo(async () => {
      const outcome = await use(other.memory.name, false)
      return outcome.status === 'rejected' && /old-cluster\/usage-events\/1\/0 through offset 0.*--leave-unread/.test(outcome.reason)
    })
    expect(await use(other.memory.name)).toMatchObject({ status: 'done', left: { source: one.memory.name, logs: [{ settledThrough: 0 }] } })
    await untilSo(async () => (await counted()).rollup === 2)
    one.memory.appendEvent(eventOf('unread'))
    await untilSo(async () => JSON.stringify(one.partitions.readiness()).includes(USE))
    expect(await counted()).toEqual({ raw: 2, rollup: 2 })
    expect(await compareRawWithRollup(clickhouse)).toEqual({ ahead: 0, behind: 0 })
  })

  test('a process with Kafka that gets its partitions only after the http log was opened counts nothing, and http goes on', async () => {
    const topic = await openTopic('cluster/usage-events')
    const http = await openHttp()
    topic.group.assign([0])
    await untilSo(async () => JSON.stringify(topic.partitions.readiness()).includes('counts the events of HTTP without Kafka'))
    topic.memory.appendEvent(eventOf('same'))
    expect((await http.submit(submissionOf([eventOf('same')]))).map(({ status }) => status)).toEqual(['counted'])
    expect(http.readiness()).toEqual({ ready: true })
    expect(await counted()).toEqual({ raw: 1, rollup: 1 })
  })

  test('an http process beside a topic starts, is not ready, rejects events with the command, and counts after the switch', async () => {
    const topic = await openTopic('cluster/usage-events')
    topic.group.assign([0])
    await untilSo(async () => topic.partitions.readiness().ready)
    topic.memory.appendEvent(eventOf('same'))
    await untilSo(async () => (await counted()).rollup === 1)
    const http = await openHttp()
    expect(http.readiness()).toMatchObject({ ready: false, reason: expect.stringContaining(USE) })
    await expect(http.submit(submissionOf([eventOf('same')]))).rejects.toThrow(USE)
    expect((await use('http')).status).toBe('done')
    await untilSo(async () => http.readiness().ready)
    expect((await http.submit(submissionOf([eventOf('same', '2026-10-02'), eventOf('new')]))).map(({ status }) => status)).toEqual(['duplicate', 'counted'])
    expect(await counted()).toEqual({ raw: 2, rollup: 2 })
  })

  test('the owner of a source that was left cannot write any more, and a stand-by that acquires later gives up', async () => {
    const topic = new MemoryTopic('cluster/usage-events', 1)
    for (const id of ['a', 'b']) topic.appendEvent(eventOf(id))
    const owner = newOwner(clickhouse, topic)
    await owner.acquire()
    await readOn(owner, topic, 1)
    expect((await use('http')).status).toBe('done')
    await expect(readOn(owner, topic, 1)).rejects.toMatchObject({ fault: 'fenced' })
    await expect(owner.acquire()).rejects.toThrow(SourceNotInForce)
    await expect(newOwner(clickhouse, topic).acquire()).rejects.toThrow(USE)
    expect(await counted()).toEqual({ raw: 1, rollup: 1 })
  })

  test('of many processes of two sources that start at the same time on an empty store, those of one source count', async () => {
    const claims = await Promise.allSettled(
      Array.from({ length: 8 }, (_, index) => requireSource(clickhouse, index % 2 === 0 ? 'http' : 'cluster/usage-events')),
    )
    const inForce = (await readSource(clickhouse.control))?.source
    expect(claims.map(({ status }) => status)).toEqual(claims.map((_, index) => ((index % 2 === 0) === (inForce === 'http') ? 'fulfilled' : 'rejected')))
  })
})

test('P1 P2: a source that comes back goes on where it was, and what the other one counted meanwhile is a duplicate', async () => {
  const topic = new MemoryTopic('cluster/usage-events', 1)
  for (const id of ['a', 'b', 'c']) topic.appendEvent(eventOf(id))
  const first = newOwner(clickhouse, topic)
  await first.acquire()
  await readOn(first, topic, 2)
  await use('http')
  const http = await openHttp()
  expect((await http.submit(submissionOf([eventOf('a'), eventOf('c'), eventOf('d')]))).map(({ status }) => status)).toEqual(['duplicate', 'counted', 'counted'])
  topic.appendEvent(eventOf('d', '2026-10-02'))
  topic.appendEvent(eventOf('e'))

  expect((await use(topic.name)).status).toBe('done')
  await untilSo(async () => !http.readiness().ready)
  await expect(http.submit(submissionOf([eventOf('f')]))).rejects.toThrow(USE)
  // It slept meanwhile, so its filter lacks what was counted, and it must not keep it.
  await expect(first.acquire()).rejects.toThrow(LogLost)
  await first.acquire()
  while (await readOn(first, topic, 5));
  expect(first.owned.stats()).toMatchObject({ counted: 3, duplicates: 2 })
  expect(await counted()).toEqual({ raw: 5, rollup: 5 })
  expect((await use('http')).status).toBe('done')
  await untilSo(async () => http.readiness().ready)
  expect((await http.submit(submissionOf([eventOf('e'), eventOf('f')]))).map(({ status }) => status)).toEqual(['duplicate', 'counted'])
  expect(await counted()).toEqual({ raw: 6, rollup: 6 })
  expect(await compareRawWithRollup(clickhouse)).toEqual({ ahead: 0, behind: 0 })
})

describe('P2: an interrupted switch', () => {
  for (const [step, inForce] of [
    ['write switching', 'cluster/usage-events'],
    ['retire', undefined],
    ['write in force', undefined],
  ] as const satisfies readonly (readonly [SwitchStep, string | undefined])[]) {
    test(`a crash before "${step}" leaves ${inForce === undefined ? 'no source in force' : 'the old source in force'}, and running it again completes it`, async () => {
      const topic = new MemoryTopic('cluster/usage-events', 1)
      topic.appendEvent(eventOf('a'))
      const owner = newOwner(clickhouse, topic)
      await owner.acquire()
      const crashed = switchSource(clickhouse, 'http', {
        leaveUnread: true,
        onStep: async (reached) => {
          if (reached === step) throw new Error('crash')
        },
      })
      await expect(crashed).rejects.toThrow('crash')
      const http = await openHttp()
      expect(http.readiness().ready).toBe(false)
      if (inForce === undefined) {
        await expect(owner.acquire()).rejects.toThrow(/a switch of this store to HTTP without Kafka has begun and not ended/)
        expect(await readAsOf(clickhouse)).toBe(null)
      }
      expect((await use('http')).status).toBe('done')
      await untilSo(async () => http.readiness().ready)
      await expect(inForce === undefined ? owner.acquire() : readOn(owner, topic, 1)).rejects.toThrow(inForce === undefined ? USE : 'a newer owner')
      expect((await http.submit(submissionOf([eventOf('a')]))).map(({ status }) => status)).toEqual(['counted'])
      expect(await counted()).toEqual({ raw: 1, rollup: 1 })
    })
  }

  test('a switch that was overtaken by another one puts nothing in force', async () => {
    const topic = new MemoryTopic('cluster/usage-events', 1)
    await newOwner(clickhouse, topic).acquire()
    const overtaken = switchSource(clickhouse, 'http', {
      leaveUnread: true,
      onStep: async (step) => {
        if (step === 'write in force') await use('another-cluster/usage-events')
      },
    })
    expect(await overtaken).toMatchObject({ status: 'rejected', reason: expect.stringContaining('Another switch') })
    expect(await readSource(clickhouse.control)).toMatchObject({ source: 'another-cluster/usage-events', isInForce: true })
  })
})

test('P2 P3: for the source in force it retires what an upgrade left of others, and nothing that is retired already', async () => {
  const http = await openHttp()
  await http.submit(submissionOf([eventOf('a')]))
  await http.stop()
  const [left, inForce] = [new MemoryTopic('old-cluster/usage-events', 1), new MemoryTopic('cluster/usage-events', 1)]
  left.appendEvent(eventOf('b'))
  left.appendEvent(eventOf('c'))
  await useTopic(clickhouse, left)
  const owner = newOwner(clickhouse, left)
  await owner.acquire()
  await clickhouse.control.command('DETACH TABLE project_usage_per_day_mv_v1 SYNC')
  await readOn(owner, left, 1)
  await clickhouse.control.command('ATTACH TABLE project_usage_per_day_mv_v1')
  // As migration 036 does: no log of another source is retired.
  await useTopic(clickhouse, inForce)
  expect(await counted()).toEqual({ raw: 2, rollup: 1 })

  const acquisitions = await acquisitionsOf(clickhouse, 'http')
  expect(await use(inForce.name, false)).toEqual({ status: 'done', left: undefined })
  expect(await counted()).toEqual({ raw: 2, rollup: 2 })
  await expect(readOn(owner, left, 1)).rejects.toMatchObject({ fault: 'fenced' })
  expect(await acquisitionsOf(clickhouse, 'http')).toBe(acquisitions)
  expect(await readSource(clickhouse.control)).toMatchObject({ source: inForce.name, isInForce: true })
})

test('a topic that is put in force while another switch waits for the lease is left only with consent', async () => {
  await requireSource(clickhouse, 'http')
  const waiting = switchSource(clickhouse, 'new-cluster/usage-events', {
    leaveUnread: false,
    onStep: async (step) => {
      if (step === 'acquire') await use('cluster/usage-events')
    },
  })
  expect(await waiting).toMatchObject({ status: 'rejected', reason: expect.stringContaining('--leave-unread') })
  expect(await readSource(clickhouse.control)).toMatchObject({ source: 'cluster/usage-events', isInForce: true })
})

test('as_of is that of the source in force: a topic that was left no longer holds it back', async () => {
  const topic = await openTopic('cluster/usage-events')
  topic.group.assign([0])
  await untilSo(async () => (await readAsOf(clickhouse)) !== null)
  expect((await use('http')).status).toBe('done')
  const http = await openHttp()
  const switchedMs = Date.now()
  await untilSo(async () => http.readiness().ready && ((await readAsOf(clickhouse)) ?? 0) > switchedMs)
})

const countedEvents = defineQuery({
  name: 'test_counted_events',
  sql: 'SELECT (SELECT count() FROM raw_usage_events_v1) AS raw, (SELECT sum(events) FROM project_usage_per_day_v1) AS rollup',
  params: z.object({}),
  row: z.object({ raw: z.coerce.number(), rollup: z.coerce.number() }),
})
