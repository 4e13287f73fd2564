import { z } from 'zod'
import type { Month } from '../../metering/month.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery, defineStatement } from '../../sql/query.ts'
import { firstShardOf, shardsOf } from '../../sql/shards.ts'

export interface DroppedMonth {
  readonly month: Month
  readonly events: number
}

/**
 * Drops the rejected events that were received before a month, and returns how many there were of each month. It may be repeated:
 * 1. Their places in the lists of ingest keys. A crash after it: they are only in the list of operators.
 * 2. When they were resent.
 * 3. The events, month by month.
 * Throws StoreError.
 */
export async function dropRejected(clickhouse: ClickHouse, before: Month): Promise<DroppedMonth[]> {
  const first = `${before}-01`
  const months = await clickhouse.work.query(rejectedPerMonth, { before: first })
  // Each shard has the rejected events of its own logs; when they were resent is stored on the first one.
  for (const { work } of shardsOf(clickhouse)) await work.execute(dropPlaces, { before: first })
  await firstShardOf(clickhouse).work.execute(dropResends, { before: first })
  for (const { partition } of months) for (const { work } of shardsOf(clickhouse)) await work.execute(dropMonth, { partition })
  return months.map(({ month, events }) => ({ month, events }))
}

const Before = z.object({ before: z.string() })

const rejectedPerMonth = defineQuery({
  name: 'rejected_per_month',
  sql: `SELECT formatDateTime(received_at, '%Y-%m') AS month, toString(any(toYYYYMM(received_at))) AS partition, count() AS events
        FROM rejected_events_v1 FINAL WHERE received_at < toDateTime64({before: String}, 3, 'UTC') GROUP BY month ORDER BY month`,
  params: Before,
  row: z.object({ month: z.string(), partition: z.string(), events: z.coerce.number() }),
  settings: { max_execution_time: 600 },
})

const dropPlaces = defineStatement({
  name: 'drop_places_of_rejected',
  sql: `ALTER TABLE rejected_events_by_key_v1 DELETE WHERE received_at < toDateTime64({before: String}, 3, 'UTC')`,
  params: Before,
  settings: { mutations_sync: 2, max_execution_time: 600 },
})

/** An event can only be resent after it was received, so these are of the dropped months. */
const dropResends = defineStatement({
  name: 'drop_resends_of_rejected',
  sql: `ALTER TABLE rejected_resends_v1 DELETE WHERE resent_at < toDateTime64({before: String}, 3, 'UTC')`,
  params: Before,
  settings: { mutations_sync: 2, max_execution_time: 600 },
})

const dropMonth = defineStatement({
  name: 'drop_rejected_month',
  sql: 'ALTER TABLE rejected_events_v1 DROP PARTITION ID {partition: String}',
  params: z.object({ partition: z.string() }),
})
