import { afterAll, beforeAll, expect, test } from 'vitest'
import { auditTopic } from '../../../ingest/kafka/audit-topic.ts'
import type { Topic } from '../../../ingest/kafka/topic.ts'
import type { ClickHouse } from '../../../sql/clickhouse.ts'
import { openTestStore, type TestStore } from '../../support/engines/embedded-store.ts'
import { storedOfTopic } from '../../support/kafka/log-oracle.ts'
import { drain, useTopic } from '../../support/kafka/log-owner.ts'
import { correctionOf, event, makeTopic } from '../../support/kafka/made-topic.ts'
import { MemoryTopic } from '../../support/kafka/memory-topic.ts'

let store: TestStore
let clickhouse: ClickHouse
beforeAll(async () => {
  store = await openTestStore()
  clickhouse = store.clickhouse
})
afterAll(() => store.close())

test('P2: after a switch of the source a correction finds its event and the latest correction in the other log, whatever their offsets', async () => {
  const first = new MemoryTopic('test/first-source', 1)
  const second = new MemoryTopic('test/second-source', 1)
  const readAll = async (topic: MemoryTopic, records: readonly object[]) => {
    await useTopic(clickhouse, topic)
    for (const each of records) topic.append(0, JSON.stringify(each))
    await drain(clickhouse, topic)
  }
  const correct = (event_id: string, value?: string) => correctionOf(first, event_id, 'e', value)
  await readAll(first, [event(first, 'other', '2026-01-10'), event(first, 'e', '2026-01-10'), correct('c1', '5')])
  await readAll(second, [correct('c2', '4'), correct('c3'), correct('c1', '5')])
  await readAll(first, [correct('c4', '3')])
  const stored = [...(await storedOfTopic(clickhouse, first)).counted, ...(await storedOfTopic(clickhouse, second)).counted]
  const { project_id } = event(first, 'e', '2026-01-10')
  const change = (place: string, id: string, what: string) => `test/${place} ${JSON.stringify([project_id, id])} corrects e ai_tokens 2026-01-10 ${what}`
  expect(stored.filter((line) => line.includes('corrects'))).toEqual([
    change('first-source/1/0@2', 'c1', '1 amend 5 -2.5 0'),
    change('first-source/1/0@3', 'c4', '4 amend 3 3 -1'),
    change('second-source/1/0@0', 'c2', '2 amend 4 -1 0'),
    change('second-source/1/0@1', 'c3', '3 void 0 -4 1'),
  ])
  expect((await storedOfTopic(clickhouse, second)).rejected).toEqual([])
})

test('P3: an audit of the topic compares each correction with the one that is stored', async () => {
  const topic = await makeTopic(clickhouse, 'audited')
  await drain(clickhouse, topic)
  const differences = async () => (await auditTopic(clickhouse, topic as unknown as Topic)).differences.map(({ event_id, problem }) => [event_id, problem])
  expect(await differences()).toEqual([])
  const ofTopic = `startsWith(log, '${topic.name}/')`
  await clickhouse.control.command(`ALTER TABLE usage_corrections_v1 UPDATE value = 9 WHERE event_id = 'c1' AND ${ofTopic} SETTINGS mutations_sync = 2`)
  await clickhouse.control.command(`ALTER TABLE usage_corrections_v1 DELETE WHERE event_id = 'c0' AND ${ofTopic} SETTINGS mutations_sync = 2`)
  expect(await differences()).toEqual([
    ['c1', 'other values in raw'],
    ['c0', 'in the log and not in raw'],
  ])
})
