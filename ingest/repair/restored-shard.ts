import { z } from 'zod'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { acquireLease } from '../../sql/lease.ts'
import { defineQuery } from '../../sql/query.ts'
import { IS_LOG_OF_TOPIC, shardOfPartition, shardsOf } from '../../sql/shards.ts'
import { type Incarnation, insertIncarnation, logOf, readHistory, readIncarnations } from '../kafka/incarnation.ts'
import { retireAllLogs } from '../kafka/reset-logs.ts'
import { readInDoubtRange } from '../log/in-doubt-range.ts'
import { noteChanges } from '../log/rollup-differences.ts'
import { publishWatermark, whyNotStopped } from '../log/watermark.ts'

export type RestoredShardOutcome =
  | { readonly status: 'admitted'; readonly logs: number; readonly days: number }
  | { readonly status: 'rejected'; readonly reason: string }

/**
 * Makes a shard whose data is that of an older backup a part of the store again, while no process counts. Its logs go on from the positions
 * of the backup, so the events since then are read again from the topic. Whatever the other servers and the processes have seen of the shard
 * must not count any more. The order is the guarantee:
 * 1. Acquire the leases of its logs. An owner whose lease is in the backup could otherwise go on above the restored position.
 * 2. Raise the number of changes of every day above every earlier one. It went back, and might reach a number again under which the first
 *    server has materialized the day with other events.
 * 3. Forget the watermarks of its logs, until each has been read to its end. Watermarks of other logs may cover events that were forwarded to
 *    the shard after the backup.
 * 4. If the logs got new names since the backup, by a reset or a move, the restored shard has no position of them, and they would go on from
 *    where the new names begin. So they get new names once more, which begin where the backup ends.
 * A crash leaves a shard on which nothing counts yet; the call can be repeated. `note` is called before the first change. Throws StoreError.
 */
export async function admitRestoredShard(clickhouse: ClickHouse, place: number, note: () => Promise<void>): Promise<RestoredShardOutcome> {
  const shards = shardsOf(clickhouse)
  const shard = shards[place - 1]
  if (clickhouse.shards === undefined || shard === undefined)
    return rejected(`There is no shard ${place}: CLICKHOUSE_URLS lists ${clickhouse.shards === undefined ? 'no shards' : `${shards.length}`}. The first is 1.`)
  const running = await whyNotStopped(clickhouse)
  if (running !== undefined) return rejected(running)
  await note()
  const { control } = shard
  const names = (await control.query(logsOfShard, {})).map(({ name }) => name)
  const leases = []
  for (const name of names) {
    const outcome = await acquireLease(shard, name)
    // A retired log has no owner any more.
    if (outcome.status === 'acquired') leases.push(outcome.lease)
  }
  const days = (await clickhouse.control.query(daysWithChanges, {})).map(({ day }) => day)
  // A day changes less than once a millisecond, so this is more than it ever had, and a later restore raises it further.
  await noteChanges(control, days, Date.now())
  for (const lease of leases) await publishWatermark(control, lease, { asOfMs: 0, settledThrough: NOTHING_SETTLED, released: true, number: 1 })
  await readOnFromBackup(clickhouse, shard)
  return { status: 'admitted', logs: leases.length, days: days.length }
}

async function readOnFromBackup(clickhouse: ClickHouse, shard: ClickHouse): Promise<void> {
  const history = await readHistory(clickhouse.control)
  const ends = new Map<string, (number | undefined)[]>()
  for (const { topic, partitions, starts } of await readIncarnations(clickhouse.control)) {
    const ofTopic = history.filter((incarnation) => incarnation.topic === topic)
    const ofPartitions = Array.from({ length: partitions }, async (_, partition) => {
      if (shardOfPartition(clickhouse, partition) !== shard) return undefined
      const end = await endInBackup(shard, ofTopic, partition)
      return end < (starts[partition] ?? 0) ? end : undefined
    })
    ends.set(topic, await Promise.all(ofPartitions))
  }
  if ([...ends.values()].flat().every((end) => end === undefined)) return
  for (const next of await retireAllLogs(clickhouse)) {
    const starts = next.starts.map((start, partition) => ends.get(next.topic)?.[partition] ?? start)
    await insertIncarnation(clickhouse.control, { ...next, starts, reason: 'a shard was restored from a backup' })
  }
}

/** The offset from which a partition must be read on, by what the restored shard has of its names so far; the newest first. */
async function endInBackup({ control }: ClickHouse, history: readonly Incarnation[], partition: number): Promise<number> {
  let start = 0
  for (const incarnation of history.filter(({ partitions }) => partitions > partition)) {
    const range = await readInDoubtRange(control, logOf(incarnation, partition))
    if (range !== undefined) return range.settled ? range.through + 1 : range.first
    start = incarnation.starts[partition] ?? 0
  }
  return start
}

function rejected(reason: string): RestoredShardOutcome {
  return { status: 'rejected', reason }
}

/** The last batch is in doubt then, and the next owner reconciles it. */
const NOTHING_SETTLED = -1

const logsOfShard = defineQuery({
  name: 'logs_of_shard',
  sql: `SELECT DISTINCT name FROM leases_v1 WHERE ${IS_LOG_OF_TOPIC} ORDER BY name`,
  params: z.object({}),
  row: z.object({ name: z.string() }),
})

/** Of all shards, and on the first one those that were materialized: a day of the shard may be missing in its backup. */
const daysWithChanges = defineQuery({
  name: 'days_with_changes',
  sql: 'SELECT DISTINCT usage_date AS day FROM usage_day_changes_v1 ORDER BY day',
  params: z.object({}),
  row: z.object({ day: z.string() }),
})
