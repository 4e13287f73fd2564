import type { ClickHouse } from '../../../sql/clickhouse.ts'
import type { TestEvent } from '../clients/client.ts'
import { useTopic } from './log-owner.ts'
import { MemoryTopic } from './memory-topic.ts'

/**
 * Two partitions. The first has events of four months, a copy, a conflict, two records that are no events, and a misrouted event; and
 * corrections: of an event of the first batch, two of an event of the second, a copy, a conflict, and one that comes before its event.
 */
export async function makeTopic(clickhouse: ClickHouse, name: string): Promise<MemoryTopic> {
  const topic = new MemoryTopic(`test/${name.replaceAll(' ', '-')}`, 2)
  for (let index = 0; index < 6; index += 1) topic.append(0, JSON.stringify(event(topic, `first-${index}`, '2026-01-10')))
  const batch = ['2026-01-31', '2026-02-01', '2026-03-15', '2026-04-30'].map((day, index) => event(topic, `e${index}`, day))
  for (const each of batch) topic.append(0, JSON.stringify(each))
  topic.append(0, JSON.stringify({ ...batch[0], timestamp: '2026-02-03T00:00:00Z' }))
  topic.append(0, JSON.stringify({ ...batch[1], value: '8' }))
  const correct = (event_id: string, corrects: string, value?: string) => topic.append(0, JSON.stringify(correctionOf(topic, event_id, corrects, value)))
  correct('c0', 'first-1')
  correct('c1', 'e1', '3.5')
  correct('c2', 'e1', '4')
  correct('c2', 'e1', '4')
  correct('c2', 'e0', '4')
  correct('c3', 'late', '1')
  topic.append(0, JSON.stringify(event(topic, 'late', '2026-03-15')))
  topic.append(0, '{"event_id": ')
  topic.append(0, null)
  topic.append(0, JSON.stringify(event(topic, 'misrouted', '2026-02-02', 1)))
  await useTopic(clickhouse, topic)
  return topic
}

/** An event of a project that belongs to the partition. */
export function event(topic: MemoryTopic, event_id: string, day: string, partition = 0): TestEvent {
  const names = [...'abcdefghijklmnopqrstuvwxyz'].map((letter) => `${topic.name.replaceAll('/', '.')}.${letter}`)
  const project_id = names.find((name) => topic.partitionOf(name) === partition)
  if (project_id === undefined) throw new Error(`None of the names belongs to partition ${partition}.`)
  return { event_id, project_id, metric: 'ai_tokens', value: '7.5', timestamp: `${day}T12:00:00Z` }
}

/** A correction of an event of the first partition; without a value it is a void. */
export function correctionOf(topic: MemoryTopic, event_id: string, corrects: string, value?: string) {
  const { project_id } = event(topic, corrects, '2026-01-10')
  return { event_id, project_id, corrects, ...(value === undefined ? { action: 'void' } : { action: 'amend', value }), reason: 'test' }
}
