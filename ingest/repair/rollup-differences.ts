import { z } from 'zod'
import type { Lane } from '../../sql/clickhouse.ts'
import { type Lease, leaseTag } from '../../sql/lease.ts'
import { row } from '../../sql/tab-separated.ts'

/** Of one (project, day, metric) within one log: the peak of raw, and what raw has more than the rollup. */
export const RollupDifference = z.object({
  project_id: z.string(),
  usage_date: z.string(),
  metric: z.string(),
  peak: z.string(),
  total: z.string(),
  events: z.string(),
  last_event_ms: z.string(),
  rollup_is_ahead: z.number(),
})
export type RollupDifference = z.output<typeof RollupDifference>

/**
 * Adds differences to the rollup of the log, through the fence. Idempotent for a maximum, and for sums because what is added
 * is recount minus rollup: call it only between two batches, with what was read since the last. Throws StoreError.
 */
export async function addDifferences(lane: Lane, ownership: Lease, differences: readonly RollupDifference[]): Promise<void> {
  if (differences.length === 0) return
  const text = differences.map((key) => differenceRow(ownership, key)).join('')
  await lane.insert({ table: 'rollup_differences_inbox_v1', columns: DIFFERENCE_COLUMNS, text, tag: leaseTag(ownership.name) })
}

const DIFFERENCE_COLUMNS = ['log', 'epoch', 'owner', 'project_id', 'usage_date', 'metric', 'peak', 'total', 'events', 'last_event_ms']

function differenceRow({ name: log, epoch, owner }: Lease, key: RollupDifference): string {
  return row([log, epoch, owner, key.project_id, key.usage_date, key.metric, key.peak, key.total, key.events, key.last_event_ms])
}

/**
 * Recounts keys from raw within {log: String} and compares them with its rollup. `touched` selects the keys as project_id,
 * usage_date, metric. It is read more than once, so it must say the same each time: what others write meanwhile must not
 * show in it, else a key would be taken for one that the rollup lacks.
 */
export function differencesSql(touched: string): string {
  return `
    WITH touched AS (${touched}
    )
    SELECT
      project_id, usage_date, metric,
      max(raw_peak) AS peak,
      sum(raw_total) - sum(rollup_total) AS total,
      sum(raw_events) - sum(rollup_events) AS events,
      toUnixTimestamp64Milli(max(raw_last)) AS last_event_ms,
      (sum(rollup_events) > sum(raw_events)) OR (max(rollup_peak) > max(raw_peak)) AS rollup_is_ahead
    FROM (
      SELECT project_id, usage_date, metric,
        max(value) AS raw_peak, sum(toDecimal256(value, 9)) AS raw_total, toInt64(count()) AS raw_events, max(timestamp) AS raw_last,
        toDecimal128(0, 9) AS rollup_peak, toDecimal256(0, 9) AS rollup_total, toInt64(0) AS rollup_events
      FROM raw_usage_events_v1 FINAL
      WHERE log = {log: String} AND project_id IN (SELECT project_id FROM touched) AND usage_date IN (SELECT usage_date FROM touched)
        AND (project_id, usage_date, metric) IN (SELECT project_id, usage_date, metric FROM touched)
      GROUP BY project_id, usage_date, metric
      UNION ALL
      SELECT project_id, usage_date, metric,
        toDecimal128(0, 9), toDecimal256(0, 9), toInt64(0), toDateTime64(0, 3, 'UTC'),
        max(peak), sum(total), sum(events)
      FROM project_usage_per_day_v1
      WHERE log = {log: String} AND (project_id, usage_date, metric) IN (SELECT project_id, usage_date, metric FROM touched)
      GROUP BY project_id, usage_date, metric
    )
    GROUP BY project_id, usage_date, metric
    HAVING sum(raw_total) != sum(rollup_total) OR sum(raw_events) != sum(rollup_events) OR max(raw_peak) != max(rollup_peak)`
}
