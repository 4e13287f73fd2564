import type { ClickHouse } from '../../sql/clickhouse.ts'
import { acquireLease, type Lease } from '../../sql/lease.ts'
import { readInDoubtRange } from '../log/in-doubt-range.ts'
import { reconcileRollup } from '../log/reconcile.ts'
import { type Incarnation, insertIncarnation, logsOf, pinIncarnation } from './incarnation.ts'
import type { PartitionExtent, Topic } from './topic.ts'

/** What an operator may do to the logs of a topic. `refused` says why not, and what would help. */
export type LogChangeOutcome<T> = { status: 'done'; result: T } | { status: 'rejected'; reason: string }

/** Which logs a verb is about: one by its name, or all of the topic. */
export type LogChoice = 'all' | string

/**
 * Goes on after an incident: a new incarnation, in which the chosen logs are read from the earliest event that still
 * exists, and the others from where they are. What was counted stays counted, and is told again by its identity, so
 * nothing counts twice. Throws StoreError, KafkaUnavailable.
 */
export async function resetLogs(clickhouse: ClickHouse, topic: Topic, choice: LogChoice): Promise<LogChangeOutcome<Incarnation>> {
  const before = await pinIncarnation(clickhouse, topic)
  const extents = await topic.extents()
  const names = logsOf(before)
  if (choice !== 'all' && !names.includes(choice)) return { status: 'rejected', reason: `There is no log ${choice}. The logs are ${names.join(', ')}.` }
  const starts: number[] = []
  for (const [partition, name] of names.entries()) {
    const here = await retire(clickhouse, name, before.starts[partition] ?? 0)
    starts[partition] = choice === 'all' || choice === name ? (extents[partition]?.begin ?? 0) : here
  }
  const made = { topic: topic.name, incarnation: before.incarnation + 1, partitions: before.partitions, starts }
  return { status: 'done', result: await insertIncarnation(clickhouse.control, { ...made, reason: `reset ${choice}` }) }
}

/**
 * Pins the partition count that the topic has now. Every log goes on where it is, new ones from their begin; events of
 * projects that belong to another partition from now on are passed on to it. Throws StoreError, KafkaUnavailable.
 */
export async function repartitionLogs(clickhouse: ClickHouse, topic: Topic): Promise<LogChangeOutcome<Incarnation>> {
  const before = await pinIncarnation(clickhouse, topic)
  const extents = await topic.extents()
  if (extents.length === before.partitions) return { status: 'rejected', reason: `The topic has ${before.partitions} partitions, as pinned.` }
  if (extents.length < before.partitions)
    return {
      status: 'rejected',
      reason: `The topic has fewer partitions than pinned (${extents.length}, ${before.partitions}): it was created anew. Reset all logs instead.`,
    }
  const starts = extents.map(({ begin }) => begin)
  for (const [partition, log] of logsOf(before).entries()) {
    const here = await retire(clickhouse, log, before.starts[partition] ?? 0)
    if (!holds(extents[partition], here)) return { status: 'rejected', reason: `The log ${log} has another incident: reset it first.` }
    starts[partition] = here
  }
  const made = { topic: topic.name, incarnation: before.incarnation + 1, partitions: extents.length, starts }
  return { status: 'done', result: await insertIncarnation(clickhouse.control, { ...made, reason: `repartition from ${before.partitions}` }) }
}

/**
 * Takes a log from its owner for good and repairs its rollup. Returns the offset from which its successor reads: the first
 * of the last range when that is in doubt, because what raw has of it is a duplicate there, and what it lacks counts.
 */
async function retire(clickhouse: ClickHouse, log: string, start: number): Promise<number> {
  const ownership = await takeForGood(clickhouse, log)
  const range = await readInDoubtRange(clickhouse.control, log)
  if (range === undefined) return start
  await reconcileRollup(clickhouse.control, ownership, range)
  return range.settled ? range.through + 1 : range.first
}

const TAKES_MAX = 5

async function takeForGood(clickhouse: ClickHouse, log: string): Promise<Lease> {
  for (let takes = 0; takes < TAKES_MAX; takes += 1) {
    const taken = await acquireLease(clickhouse, log, { forGood: true })
    if (taken.status === 'taken') return taken.ownership
  }
  throw new Error(`The log ${log} was taken by others ${TAKES_MAX} times in a row. Try again.`)
}

function holds(extent: PartitionExtent | undefined, offset: number): boolean {
  return extent !== undefined && extent.begin <= offset && offset <= extent.end
}
