import { afterAll, beforeAll, expect, test } from 'vitest'
import { auditTopic } from '../../../ingest/kafka/audit-topic.ts'
import { Incident } from '../../../ingest/kafka/incident.ts'
import type { Topic } from '../../../ingest/kafka/topic.ts'
import { METRICS, type MetricDefinition } from '../../../metering/metrics.ts'
import type { TestEvent } from '../../support/clients/client.ts'
import { openTestStore, type TestStore } from '../../support/engines/embedded-store.ts'
import { storedOfTopic } from '../../support/kafka/log-oracle.ts'
import { newOwner, readOn, useTopic } from '../../support/kafka/log-owner.ts'
import { MemoryTopic } from '../../support/kafka/memory-topic.ts'

let store: TestStore
beforeAll(async () => {
  store = await openTestStore()
})
afterAll(() => store.close())

const BATCH_RECORDS_MAX = 100

/** Runs as a release whose catalogue does not have the metric function_calls. */
async function withoutTheMetric(work: () => Promise<void>): Promise<void> {
  const catalogue: Record<string, MetricDefinition> = METRICS
  const { function_calls: metric } = METRICS
  delete catalogue['function_calls']
  try {
    await work()
  } finally {
    catalogue['function_calls'] = metric
  }
}

/** A process acquires both logs, which reads their last batch again, and reads to the end. It ends before or after it is settled. */
async function runProcess(topic: MemoryTopic, { settles = true } = {}): Promise<void> {
  await useTopic(store.clickhouse, topic)
  for (const partition of topic.partitions.keys()) {
    const owner = newOwner(store.clickhouse, topic, { partition })
    await owner.acquire()
    while (await readOn(owner, topic, BATCH_RECORDS_MAX));
    if (settles) await owner.owned.publishWatermark({ asOfMs: 1, settledThrough: owner.settledEnd - 1, released: true })
    owner.owned.close()
  }
}

const audit = async (topic: MemoryTopic) => (await auditTopic(store.clickhouse, topic as unknown as Topic)).differences

/** An event of the project that is named like the topic. */
const event = ({ name }: MemoryTopic, event_id: string, metric: string, value = '1'): TestEvent => ({
  event_id,
  project_id: projectOf(name),
  metric,
  value,
  timestamp: '2026-10-01T00:00:00Z',
})

function projectOf(topic: string): string {
  return topic.replace('/', '-')
}

/** Events of both metrics in their own partition, one of them twice and once with another value, and one more in the other partition. */
function fill(name: string): MemoryTopic {
  const topic = new MemoryTopic(`test/${name}`, 2)
  topic.appendEvent(event(topic, 'old', 'ai_tokens'))
  topic.appendEvent(event(topic, 'new', 'function_calls'))
  topic.appendEvent(event(topic, 'new', 'function_calls'))
  topic.appendEvent(event(topic, 'new', 'function_calls', '2'))
  topic.append(1 - topic.partitionOf(projectOf(topic.name)), JSON.stringify(event(topic, 'misrouted', 'function_calls')))
  return topic
}

for (const settles of [true, false]) {
  const state = settles ? 'settled' : 'in doubt'
  test(`P1 P7: events rejected before their metric was added stay rejected after a restart, when their batch was ${state}, and the audit agrees`, async () => {
    const topic = fill(`added-${settles}`)
    await withoutTheMetric(() => runProcess(topic, { settles }))
    const before = await storedOfTopic(store.clickhouse, topic)
    expect([before.counted.length, before.rejected.length]).toEqual([1, 4])
    await runProcess(topic)
    expect(await storedOfTopic(store.clickhouse, topic)).toEqual(before)
    expect(await audit(topic)).toEqual([])
  })

  test(`P2: events counted before their metric was removed stay counted after a restart, when their batch was ${state}, and the audit agrees`, async () => {
    const topic = fill(`removed-${settles}`)
    await runProcess(topic, { settles })
    await runProcess(topic, { settles })
    const before = await storedOfTopic(store.clickhouse, topic)
    expect([before.counted.length, before.rejected.length]).toEqual([3, 1])
    await withoutTheMetric(async () => {
      await runProcess(topic)
      expect((await storedOfTopic(store.clickhouse, topic)).counted).toEqual(before.counted)
      expect(await audit(topic)).toEqual([])
    })
  })
}

test('P1: a topic that was created again is detected by what was rejected as well: other events at these offsets are an incident', async () => {
  const before = new MemoryTopic('test/recreated', 1)
  before.appendEvent(event(before, 'rejected', 'function_calls'))
  await withoutTheMetric(() => runProcess(before))
  const after = new MemoryTopic('test/recreated', 1)
  after.appendEvent(event(after, 'another', 'ai_tokens'))
  await expect(runProcess(after)).rejects.toThrow(Incident)
})

test('P1: a topic that was created again is detected when an event is at an offset whose event was a duplicate', async () => {
  const before = new MemoryTopic('test/recreated-duplicate', 1)
  for (let copy = 0; copy < 2; copy += 1) before.appendEvent(event(before, 'same', 'ai_tokens'))
  await runProcess(before)
  const after = new MemoryTopic('test/recreated-duplicate', 1)
  after.appendEvent(event(after, 'same', 'ai_tokens'))
  after.appendEvent(event(after, 'another', 'ai_tokens'))
  await expect(runProcess(after)).rejects.toThrow(/now has an event that was never counted/)
})
