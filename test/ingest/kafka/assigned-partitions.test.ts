import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { openAssignedPartitions } from '../../../ingest/kafka/assigned-partitions.ts'
import type { ClickHouse, Lane } from '../../../sql/clickhouse.ts'
import { defineQuery } from '../../../sql/query.ts'
import { openTestStore, type TestStore } from '../../support/engines/embedded-store.ts'
import { openGroupedTopic } from '../../support/kafka/grouped-topic.ts'
import { useTopic } from '../../support/kafka/log-owner.ts'
import type { MemoryTopic } from '../../support/kafka/memory-topic.ts'
import { untilSo } from '../../support/until-so.ts'

const quiet = { info: () => {}, warn: () => {}, error: () => {} }
const LIMITS = { heartbeatEveryMs: 40, stalledMsMax: 200, retryAfterMsMin: 10, retryAfterMsMax: 50 }

let store: TestStore
beforeAll(async () => {
  store = await openTestStore()
})
afterAll(() => store.close())

/** The same store, except that no event can be stored until the gate is opened, as when the store works on another long query. */
function slowStore(clickhouse: ClickHouse): { clickhouse: ClickHouse; open(): void } {
  let open = () => {}
  const gate = new Promise<void>((resolve) => {
    open = resolve
  })
  const openLane = async (): Promise<Lane> => {
    const lane = await clickhouse.openLane()
    return {
      ...lane,
      insert: async (insert) => {
        if (insert.table === 'usage_events_inbox_v1') await gate
        return lane.insert(insert)
      },
    }
  }
  return { clickhouse: { ...clickhouse, openLane }, open: () => open() }
}

const watermarks = defineQuery({
  name: 'test_watermarks_of_topic',
  sql: `SELECT log, toUnixTimestamp64Milli(newest.written_at) AS writtenMs, toUnixTimestamp64Milli(newest.as_of) AS asOfMs, newest.settled_through AS settledThrough
        FROM (SELECT log, max(newest) AS newest FROM log_watermarks_v2 WHERE startsWith(log, concat({topic: String}, '/')) GROUP BY log)`,
  params: z.object({ topic: z.string() }),
  row: z.object({ log: z.string(), writtenMs: z.coerce.number(), asOfMs: z.coerce.number(), settledThrough: z.coerce.number() }),
})

/** The last watermark of each partition. */
async function readWatermarks({ name }: MemoryTopic) {
  const rows = await store.clickhouse.control.query(watermarks, { topic: name })
  return rows.sort((one, other) => one.log.localeCompare(other.log))
}

const event = (event_id: string) => JSON.stringify({ event_id, project_id: 'p', metric: 'ai_tokens', value: '1', timestamp: '2026-01-01T00:00:00Z' })

test('P1: a partition whose batch takes long keeps its own heartbeat and claims nothing, and the watermark of the others moves on', async () => {
  const { topic, full } = openGroupedTopic('test/slow', 2)
  const { clickhouse, open } = slowStore(store.clickhouse)
  const slow = topic.partitionOf('p')
  await useTopic(store.clickhouse, topic)
  const partitions = await openAssignedPartitions({ clickhouse, topic: full, logger: quiet, limits: LIMITS })
  await untilSo(async () => partitions.readiness().ready)
  topic.append(slow, event('slow'))
  await untilSo(async () => partitions.stats().logs.some(({ batchInFlightSeconds }) => batchInFlightSeconds > 0.2))
  const before = await readWatermarks(topic)
  await untilSo(async () => {
    const now = await readWatermarks(topic)
    const written = now.every(({ writtenMs }, index) => writtenMs > (before[index]?.writtenMs ?? 0) + 200)
    return written && (now[1 - slow]?.asOfMs ?? 0) > (before[1 - slow]?.asOfMs ?? 0)
  })
  expect((await readWatermarks(topic))[slow]).toMatchObject({ asOfMs: before[slow]?.asOfMs, settledThrough: -1 })
  open()
  await untilSo(async () => (await readWatermarks(topic))[slow]?.settledThrough === 0)
  await partitions.stop()
})

test('P1: the group is joined again when a partition delivers nothing although it has unread events', async () => {
  const { topic, group, full } = openGroupedTopic('test/unheard', 1)
  await useTopic(store.clickhouse, topic)
  const partitions = await openAssignedPartitions({ clickhouse: store.clickhouse, topic: full, logger: quiet, limits: LIMITS })
  await untilSo(async () => partitions.readiness().ready)
  group.unheard.add(0)
  topic.append(0, event('unheard'))
  await untilSo(async () => partitions.stats().logs[0]?.lagEvents === 0 && partitions.stats().logs[0]?.counted === 1)
  expect(group.joins).toBeGreaterThan(1)
  await partitions.stop()
})
