import type { ClickHouse } from '../../sql/clickhouse.ts'
import { whyNotDistributable } from '../../sql/shards.ts'
import { retireLog } from '../log/retire-log.ts'
import { type Incarnation, insertIncarnation, logsOf, pinIncarnation, readIncarnations } from './incarnation.ts'
import { type PartitionExtent, requireExtents, type Topic } from './topic.ts'

/** The outcome of an operator's change to the logs of a topic. If it is rejected, the reason says what to do instead. */
export type LogChangeOutcome<T> = { status: 'done'; result: T } | { status: 'rejected'; reason: string }

/** Which logs to change: one by its name, or all of the topic. */
export type LogChoice = 'all' | string

/**
 * Resolves an incident with a new incarnation, in which the chosen logs are read from the earliest event that still exists and the
 * others from where they are. What was counted stays counted: when it is read again its identity is known, so nothing counts twice.
 * Throws StoreError, KafkaUnavailable.
 */
export async function resetLogs(clickhouse: ClickHouse, topic: Topic, choice: LogChoice): Promise<LogChangeOutcome<Incarnation>> {
  const before = await pinIncarnation(clickhouse, topic)
  const extents = requireExtents(await topic.extents())
  const names = logsOf(before)
  if (choice !== 'all' && !names.includes(choice)) return { status: 'rejected', reason: `There is no log ${choice}. The logs are ${names.join(', ')}.` }
  const starts: number[] = []
  for (const [partition, name] of names.entries()) {
    const next = await retire(clickhouse, name, before.starts[partition] ?? 0)
    starts[partition] = choice === 'all' || choice === name ? (extents[partition]?.begin ?? 0) : next
  }
  const created = { topic: topic.name, incarnation: before.incarnation + 1, partitions: before.partitions, starts }
  return { status: 'done', result: await insertIncarnation(clickhouse.control, { ...created, reason: `reset ${choice}` }) }
}

/**
 * Pins the partition count that the topic has now. Every log is read on from where it is, and new ones from their begin. Events of
 * projects that belong to another partition from now on are forwarded to it. Throws StoreError, KafkaUnavailable.
 */
export async function repartitionLogs(clickhouse: ClickHouse, topic: Topic): Promise<LogChangeOutcome<Incarnation>> {
  const before = await pinIncarnation(clickhouse, topic)
  const extents = requireExtents(await topic.extents())
  if (extents.length === before.partitions) return { status: 'rejected', reason: `The topic has ${before.partitions} partitions, as pinned.` }
  if (extents.length < before.partitions)
    return {
      status: 'rejected',
      reason: `The topic has ${extents.length} partitions, fewer than the ${before.partitions} that are pinned: it was created again. Reset all logs instead.`,
    }
  const reason = whyNotDistributable(clickhouse, extents.length)
  if (reason !== undefined) return { status: 'rejected', reason }
  const starts = extents.map(({ begin }) => begin)
  for (const [partition, log] of logsOf(before).entries()) {
    const next = await retire(clickhouse, log, before.starts[partition] ?? 0)
    if (!contains(extents[partition], next)) return { status: 'rejected', reason: `The log ${log} has another incident. Reset it first.` }
    starts[partition] = next
  }
  const created = { topic: topic.name, incarnation: before.incarnation + 1, partitions: extents.length, starts }
  return { status: 'done', result: await insertIncarnation(clickhouse.control, { ...created, reason: `repartition from ${before.partitions}` }) }
}

/**
 * Retires all logs of all topics. Returns the incarnations in which each is read on from where it is. They are not in force before
 * insertIncarnation. It can be repeated. Throws StoreError.
 */
export async function retireAllLogs(clickhouse: ClickHouse): Promise<Incarnation[]> {
  const next: Incarnation[] = []
  for (const before of await readIncarnations(clickhouse.control)) {
    const starts: number[] = []
    for (const [partition, log] of logsOf(before).entries()) starts.push(await retire(clickhouse, log, before.starts[partition] ?? 0))
    next.push({ ...before, incarnation: before.incarnation + 1, starts })
  }
  return next
}

/**
 * Retires a log. Returns the offset from which its successor is read: if the last range is in doubt, its first offset, because events
 * of it that raw has are duplicates there and events that raw lacks count.
 */
async function retire(clickhouse: ClickHouse, log: string, start: number): Promise<number> {
  const range = await retireLog(clickhouse, log, { permanently: true })
  if (range === undefined) return start
  return range.settled ? range.through + 1 : range.first
}

function contains(extent: PartitionExtent | undefined, offset: number): boolean {
  return extent !== undefined && extent.begin <= offset && offset <= extent.end
}
