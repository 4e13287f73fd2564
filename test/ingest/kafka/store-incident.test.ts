import { afterAll, beforeAll, expect, test } from 'vitest'
import { readStoppedLogs } from '../../../aggregator/health/stopped-logs.ts'
import { openAssignedPartitions } from '../../../ingest/kafka/assigned-partitions.ts'
import type { ClickHouse } from '../../../sql/clickhouse.ts'
import { openTestStore, type TestStore } from '../../support/engines/embedded-store.ts'
import { failingLane } from '../../support/engines/faulty-lane.ts'
import { openGroupedTopic } from '../../support/kafka/grouped-topic.ts'
import { useTopic } from '../../support/kafka/log-owner.ts'
import type { MemoryTopic } from '../../support/kafka/memory-topic.ts'
import { untilSo } from '../../support/until-so.ts'

const quiet = { info: () => {}, warn: () => {}, error: () => {} }
const LIMITS = { heartbeatEveryMs: 20, retryAfterMsMin: 5, retryAfterMsMax: 20 }

let store: TestStore
beforeAll(async () => {
  store = await openTestStore()
})
afterAll(() => store.close())

function append(topic: MemoryTopic, events: number): void {
  for (let index = 0; index < events; index += 1)
    topic.append(0, JSON.stringify({ event_id: `e${index}`, project_id: topic.name, metric: 'ai_tokens', value: '1', timestamp: '2026-01-01T00:00:00Z' }))
}

/** A topic of one partition with 20 events in a process that counts them. `restart` stops the process and starts another one. */
async function readTopic(name: string, clickhouse: ClickHouse = store.clickhouse) {
  const { topic, full } = openGroupedTopic(name, 1)
  append(topic, 20)
  await useTopic(store.clickhouse, topic)
  const start = () => openAssignedPartitions({ clickhouse, topic: full, logger: quiet, limits: LIMITS })
  let partitions = await start()
  const untilRead = () => untilSo(async () => partitions.readiness().ready && partitions.stats().logs[0]?.lagEvents === 0)
  await untilRead()
  return {
    topic,
    untilRead,
    /** The broker loses all but the first events. */
    truncate: (events: number) => topic.partitions[0]?.splice(events),
    stop: () => partitions.stop(),
    restart: async () => {
      await partitions.stop()
      partitions = await start()
    },
  }
}

const stoppedLogs = () => readStoppedLogs(store.clickhouse)
const untilStored = () => untilSo(async () => (await stoppedLogs()).length > 0)

test('an incident is stored with what to do, stays the same one across restarts, and is over when the log is read again', async () => {
  const { topic, truncate, untilRead, restart, stop } = await readTopic('test/stopped')
  expect(await stoppedLogs()).toEqual([])
  truncate(5)
  await untilStored()
  const [first] = await stoppedLogs()
  expect(first).toMatchObject({ log: 'test/stopped/1/0', kind: 'log_end_below_position', next: 20 })
  expect(first?.message).toContain('run "meterline log reset"')

  // The new process reads the last range again, so it stops at an earlier offset.
  await restart()
  await untilSo(async () => (await stoppedLogs())[0]?.message.includes('the next offset is 0') === true)
  expect(await stoppedLogs()).toMatchObject([{ kind: first?.kind, next: 20, sinceMs: first?.sinceMs }])

  append(topic, 20)
  await restart()
  await untilRead()
  expect(await stoppedLogs(), 'the log is read again').toEqual([])
  truncate(5)
  await untilStored()
  expect((await stoppedLogs())[0]?.next, 'another incident than the first one').toBe(25)
  await stop()
})

test('an incident that cannot be stored is stored as soon as the database accepts it', async () => {
  let attempts = 0
  const control = failingLane(store.clickhouse.control, 'log_incidents_inbox_v1', () => {
    attempts += 1
    return attempts < 4
  })
  const { truncate, stop } = await readTopic('test/stored-later', { ...store.clickhouse, control })
  truncate(5)
  await untilStored()
  expect(attempts).toBe(4)
  expect(await stoppedLogs()).toMatchObject([{ log: 'test/stored-later/1/0' }])
  await stop()
})

test('a log of a former incarnation or of a source that is not in force is not stopped: it is not counted', async () => {
  const { truncate, stop } = await readTopic('test/former')
  truncate(5)
  await untilStored()
  await stop()
  const other = await readTopic('test/other')
  expect(await stoppedLogs()).toEqual([])
  await other.stop()
})
