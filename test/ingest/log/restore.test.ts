import { afterEach, beforeEach, expect, test } from 'vitest'
import { openHttpLog } from '../../../ingest/http/http-log.ts'
import { insertIncarnation } from '../../../ingest/kafka/incarnation.ts'
import type { ClickHouse } from '../../../sql/clickhouse.ts'
import { acquireLease } from '../../../sql/lease.ts'
import type { TestEvent } from '../../support/clients/client.ts'
import { openTestStore, type TestStore } from '../../support/engines/embedded-store.ts'
import { foldTopic, storedOfTopic } from '../../support/kafka/log-oracle.ts'
import { drain, newOwner, useTopic } from '../../support/kafka/log-owner.ts'
import { MemoryTopic } from '../../support/kafka/memory-topic.ts'
import { compareRawWithRollup } from '../../support/oracles/stored-sums.ts'
import { submissionOf } from '../../support/worlds/submission.ts'

/**
 * The backup of a server as in docs/operating/backup.md: BACKUP DATABASE and RESTORE DATABASE. Here the backup is in the memory of the
 * embedded engine, which may not write it anywhere else.
 */
const quiet = { info: () => {}, warn: () => {}, error: () => {} }
let store: TestStore
let clickhouse: ClickHouse
beforeEach(async () => {
  store = await openTestStore()
  clickhouse = store.clickhouse
})
afterEach(() => store.close())

const backUp = () => clickhouse.control.command(`BACKUP DATABASE meterline TO Memory('backup')`)

async function restore(): Promise<void> {
  // The old database is renamed, not dropped: its views must not write into restored tables of the same name.
  await clickhouse.control.command('RENAME DATABASE meterline TO meterline_before')
  await clickhouse.control.command(`RESTORE DATABASE meterline FROM Memory('backup')`)
}

function event(project_id: string, event_id: string, day = '2026-03-01'): TestEvent {
  return { event_id, project_id, metric: 'ai_tokens', value: 5, timestamp: `${day}T12:00:00Z` }
}

async function submit(events: readonly TestEvent[]): Promise<string[]> {
  const log = await openHttpLog({ clickhouse, logger: quiet, onLost: () => {} })
  const verdicts = await log.submit(submissionOf(events))
  await log.stop()
  return verdicts.map(({ status }) => status)
}

test('P1 P2 P3: after a restore the http log continues, and events that are sent again count once', async () => {
  const before = [event('p', 'a'), event('p', 'b', '2026-04-01')]
  const after = [event('p', 'c'), event('q', 'd')]
  expect(await submit(before)).toEqual(['counted', 'counted'])
  await backUp()
  expect(await submit(after)).toEqual(['counted', 'counted'])
  const outcome = await acquireLease(clickhouse, 'http')
  await restore()

  expect(await compareRawWithRollup(clickhouse)).toEqual({ ahead: 0, behind: 0 })
  expect(await submit([...before, ...after])).toEqual(['duplicate', 'duplicate', 'counted', 'counted'])
  expect(await submit([...before, ...after])).toEqual(['duplicate', 'duplicate', 'duplicate', 'duplicate'])
  // The views were restored with the tables, each once: an insert is fenced, stored and rolled up.
  expect(await compareRawWithRollup(clickhouse)).toEqual({ ahead: 0, behind: 0 })
  if (outcome.status !== 'acquired') throw new Error(outcome.status)
  const { name: log, epoch, owner } = outcome.lease
  const late = clickhouse.control.insert({
    table: 'log_positions_inbox_v1',
    columns: ['log', 'epoch', 'owner', 'first', 'through'],
    text: `${log}\t${epoch}\t${owner}\t9\t9\n`,
  })
  await expect(late).rejects.toMatchObject({ fault: 'fenced' })
})

test('P1 P2 P3: after a restore the topic is read from the positions in the backup', async () => {
  const topic = await readTopic('read-on')
  await backUp()
  for (let number = 0; number < 40; number += 1) topic.appendEvent(event(`p-${number % 5}`, `later-${number}`))
  await drain(clickhouse, topic)
  const beforeRestore = await storedOfTopic(clickhouse, topic)
  await restore()
  expect((await storedOfTopic(clickhouse, topic)).counted).toHaveLength(20)

  await drain(clickhouse, topic)
  expect(await storedOfTopic(clickhouse, topic)).toEqual(beforeRestore)
  expect(beforeRestore).toEqual({ ...foldTopic(topic), rollup: [] })
  expect(await compareRawWithRollup(clickhouse)).toEqual({ ahead: 0, behind: 0 })
})

test('P1: a topic that no longer has the events since the backup stops with an incident and skips nothing', async () => {
  const topic = await readTopic('ran-over')
  await backUp()
  for (let number = 0; number < 40; number += 1) topic.appendEvent(event(`p-${number % 5}`, `later-${number}`))
  await drain(clickhouse, topic)
  await restore()
  for (const [partition, records] of topic.partitions.entries()) {
    const gone = Math.ceil((records.length * 3) / 4)
    records.splice(0, gone)
    topic.begins[partition] = gone
  }
  for (const partition of topic.partitions.keys())
    await expect(newOwner(clickhouse, topic, { partition }).acquire()).rejects.toMatchObject({ kind: 'log_begin_above_position' })
})

async function readTopic(name: string): Promise<MemoryTopic> {
  const topic = new MemoryTopic(`cluster/${name}`, 2)
  await useTopic(clickhouse, topic)
  await insertIncarnation(clickhouse.control, { topic: topic.name, incarnation: 1, partitions: 2, starts: [0, 0], reason: 'test' })
  for (let number = 0; number < 20; number += 1) topic.appendEvent(event(`p-${number % 5}`, `e-${number}`))
  await drain(clickhouse, topic)
  return topic
}
