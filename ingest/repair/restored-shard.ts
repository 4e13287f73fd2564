import { z } from 'zod'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { acquireLease } from '../../sql/lease.ts'
import { defineQuery } from '../../sql/query.ts'
import { IS_LOG_OF_TOPIC, shardsOf } from '../../sql/shards.ts'
import { noteChanges } from '../log/rollup-differences.ts'
import { findLiveReader, OWNER_TIMEOUT_MS, publishWatermark } from '../log/watermark.ts'

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
 * A crash leaves a shard on which nothing counts yet; the call can be repeated. `note` is called before the first change. Throws StoreError.
 */
export async function admitRestoredShard(clickhouse: ClickHouse, place: number, note: () => Promise<void>): Promise<RestoredShardOutcome> {
  const shards = shardsOf(clickhouse)
  const shard = shards[place - 1]
  if (clickhouse.shards === undefined || shard === undefined)
    return rejected(`There is no shard ${place}: CLICKHOUSE_URLS lists ${clickhouse.shards === undefined ? 'no shards' : `${shards.length}`}. The first is 1.`)
  const host = await findLiveReader(clickhouse, OWNER_TIMEOUT_MS)
  if (host !== undefined)
    return rejected(`${host} counts events. Stop every process of this installation, wait ${OWNER_TIMEOUT_MS / 1000} seconds, then run this again.`)
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
  return { status: 'admitted', logs: leases.length, days: days.length }
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
