import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { openHttpLog } from '../../../ingest/http/http-log.ts'
import { defineQuery } from '../../../sql/query.ts'
import { openTestStore, type TestStore } from '../../support/engines/embedded-store.ts'
import { faultOnce } from '../../support/engines/faulty-lane.ts'
import { newOwner, readOn, useTopic } from '../../support/kafka/log-owner.ts'
import { MemoryTopic } from '../../support/kafka/memory-topic.ts'
import { untilSo } from '../../support/until-so.ts'
import { submissionOf } from '../../support/worlds/submission.ts'

const quiet = { info: () => {}, warn: () => {}, error: () => {} }
let store: TestStore
beforeAll(async () => {
  store = await openTestStore()
})
afterAll(() => store.close())

const rejectedOf = (project_id: string, event_id: string, value = '-1') => ({
  event_id,
  project_id,
  metric: 'ai_tokens',
  value,
  timestamp: '2026-01-01T00:00:00Z',
})
const keptOf = (project: string) => store.clickhouse.reads.query(keptRejections, { project })

test('P7: an event that is rejected again and again is kept once, with its bytes, and answered each time', async () => {
  const log = await openHttpLog({ clickhouse: store.clickhouse, logger: quiet, onLost: () => {} })
  const submission = submissionOf([rejectedOf('again', 'a'), rejectedOf('again', 'a'), rejectedOf('again', 'b')])
  for (let time = 0; time < 3; time += 1) {
    const verdicts = await log.submit(submission)
    expect(verdicts.map((verdict) => verdict.status === 'rejected' && verdict.rejection.reason)).toEqual(['invalid_value', 'invalid_value', 'invalid_value'])
  }
  expect((await keptOf('again')).map(({ id, bytes }) => [id, bytes > 0])).toEqual([
    ['a', true],
    ['b', true],
  ])
  await log.submit({ ...submission, ingestKeyId: 'another' })
  expect(await keptOf('again')).toHaveLength(4)
  // Counted, so that the operator sees the flood.
  expect(log.stats().logs[0]?.rejectedByReason.get('invalid_value')).toBe(12)
  await log.stop()
})

test('P7: a conflict is kept once too, and other bytes or another reason are another event', async () => {
  const log = await openHttpLog({ clickhouse: store.clickhouse, logger: quiet, onLost: () => {} })
  await log.submit(submissionOf([rejectedOf('conflict', 'a', '1')]))
  for (const value of ['2', '2', '3', '-1', '-1']) await log.submit(submissionOf([rejectedOf('conflict', 'a', value)]))
  expect((await keptOf('conflict')).map(({ reason }) => reason)).toEqual(['conflict', 'conflict', 'invalid_value'])
  await log.stop()
})

test('P7: beyond the quota of its key and day an event keeps its row and its reason, but not its bytes, and the answer says so', async () => {
  const log = await openHttpLog({ clickhouse: store.clickhouse, logger: quiet, onLost: () => {}, limits: { rejectedBytesPerDayMax: 250 } })
  const submit = (key: string, receivedMs: number, ...ids: string[]) =>
    log.submit({
      ...submissionOf(
        ids.map((id) => rejectedOf('quota', id)),
        receivedMs,
      ),
      ingestKeyId: key,
    })
  const day = Date.UTC(2026, 10, 28)
  const messages = (await submit('greedy', day, 'a', 'b', 'c')).map((verdict) => verdict.status === 'rejected' && verdict.rejection.message)
  expect(messages.map((message) => String(message).includes('Its original is not kept'))).toEqual([false, false, true])
  await submit('modest', day, 'd')
  await submit('greedy', day + 86_400_000, 'e')
  const kept = await keptOf('quota')
  expect(kept.map(({ id, bytes }) => [id, bytes > 0])).toEqual([
    ['a', true],
    ['b', true],
    ['c', false],
    ['d', true],
    ['e', true],
  ])
  expect(kept[2]).toMatchObject({ reason: 'invalid_value', message: messages[2] })
  await log.stop()
})

test('P7: a rejected event whose write failed is kept when it is sent again', async () => {
  const { lane } = faultOnce(store.clickhouse.ingest, 'rejected_events_inbox_v1', 'not sent')
  const log = await openHttpLog({ clickhouse: { ...store.clickhouse, ingest: lane }, logger: quiet, onLost: () => {} })
  const submission = submissionOf([rejectedOf('failed', 'a')])
  await expect(log.submit(submission)).rejects.toThrow(/nothing counts twice/)
  await untilSo(async () => log.readiness().ready)
  await log.submit(submission)
  expect(await keptOf('failed')).toMatchObject([{ id: 'a', reason: 'invalid_value' }])
  await log.stop()
})

test('P7: in a topic each rejected offset stays known, but the bytes of repeated ones are kept once, also when the range is written again', async () => {
  const topic = new MemoryTopic('test/repeated', 1)
  for (let time = 0; time < 4; time += 1) topic.append(0, JSON.stringify(rejectedOf('topic', 'a')))
  await useTopic(store.clickhouse, topic)
  const owner = newOwner(store.clickhouse, topic)
  await owner.acquire()
  await readOn(owner, topic, 10)
  expect((await keptOf('topic')).map(({ bytes }) => bytes > 0)).toEqual([true, false, false, false])
  const next = newOwner(store.clickhouse, topic)
  await next.acquire()
  while (await readOn(next, topic, 10)) {}
  expect((await keptOf('topic')).map(({ bytes }) => bytes > 0)[0]).toBe(true)
  expect(await keptOf('topic')).toHaveLength(4)
})

const keptRejections = defineQuery({
  name: 'test_kept_rejections',
  sql: `SELECT event_id AS id, reason, message, length(original) AS bytes FROM rejected_events_v1 FINAL WHERE project_id = {project: String} ORDER BY offset`,
  params: z.object({ project: z.string() }),
  row: z.object({ id: z.string(), reason: z.string(), message: z.string(), bytes: z.coerce.number() }),
})
