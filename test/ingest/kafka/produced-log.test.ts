import { afterAll, beforeAll, expect, test } from 'vitest'
import { openProducedLog } from '../../../ingest/kafka/produced-log.ts'
import { KafkaUnavailable, type Topic } from '../../../ingest/kafka/topic.ts'
import { EventsUnavailable } from '../../../ingest/log/event-log.ts'
import { openTestStore, type TestStore } from '../../support/engines/embedded-store.ts'
import { MemoryTopic } from '../../support/kafka/memory-topic.ts'
import { submissionOf } from '../../support/worlds/submission.ts'

const quiet = { info: () => {}, warn: () => {}, error: () => {} }
let store: TestStore
beforeAll(async () => {
  store = await openTestStore()
})
afterAll(() => store.close())

const submission = (id: string) => submissionOf([{ event_id: id, project_id: 'p', metric: 'ai_tokens', value: 1, timestamp: '2026-01-01T00:00:00Z' }])

async function open(name: string, limits = {}) {
  const topic = new MemoryTopic(`test/${name}`, 2)
  return { topic, log: await openProducedLog({ clickhouse: store.clickhouse, topic: topic as unknown as Topic, logger: quiet, limits }) }
}

test('P1: a sender that submits again right after an answer is answered as well', async () => {
  const { topic, log } = await open('again')
  for (let index = 0; index < 5; index += 1) expect(await log.submit(submission(`e${index}`))).toEqual([{ status: 'produced' }])
  expect(topic.partitions.flat()).toHaveLength(5)
  await log.stop()
})

test('P1: a submission that is too large for the queue does not hold up the next one', async () => {
  const { log } = await open('large', { queueEventsMax: 1 })
  const [one] = submission('one').validated
  if (one === undefined) throw new Error('no event')
  await expect(log.submit({ ...submission('two'), validated: [one, one] })).rejects.toThrow(/Too many events are waiting/)
  expect(await log.submit(submission('one'))).toEqual([{ status: 'produced' }])
  await log.stop()
})

test('P1: events that could not be produced are not acknowledged, and the log is not ready until it can produce again', async () => {
  const { topic, log } = await open('unavailable')
  topic.beforeProduce = () => Promise.reject(new KafkaUnavailable('injected'))
  await expect(log.submit(submission('e'))).rejects.toThrow(EventsUnavailable)
  expect(log.readiness()).toEqual({ ready: false, reason: 'injected' })
  topic.beforeProduce = async () => {}
  expect(await log.submit(submission('e'))).toEqual([{ status: 'produced' }])
  expect(log.readiness()).toEqual({ ready: true })
  await log.stop()
  await expect(log.submit(submission('late'))).rejects.toThrow(/stopping/)
})
