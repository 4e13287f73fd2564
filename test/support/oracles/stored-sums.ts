import { z } from 'zod'
import type { ClickHouse } from '../../../sql/clickhouse.ts'
import { defineQuery } from '../../../sql/query.ts'

/** How raw and rollup stand to each other, looked at directly and not through the product's own audit. */
export async function compareRawWithRollup({ reads }: ClickHouse): Promise<{ behind: number; ahead: number }> {
  const [row] = await reads.query(rawAgainstRollup, {})
  if (row === undefined) throw new Error('The comparison answered no row.')
  return row
}

const rawAgainstRollup = defineQuery({
  name: 'test_raw_against_rollup',
  sql: `SELECT countIf(raw > rollup) AS behind, countIf(rollup > raw) AS ahead FROM (
          SELECT project_id, usage_date, metric, sum(r) AS raw, sum(u) AS rollup FROM (
            SELECT project_id, usage_date, metric, toInt64(count()) AS r, toInt64(0) AS u FROM raw_usage_events_v1 FINAL GROUP BY ALL
            UNION ALL
            SELECT project_id, usage_date, metric, toInt64(0), sum(events) FROM project_usage_per_day_v1 GROUP BY ALL
          ) GROUP BY project_id, usage_date, metric)`,
  params: z.object({}),
  row: z.object({ behind: z.coerce.number(), ahead: z.coerce.number() }),
})

/** How many rows exports have put together and not dropped. */
export async function stagedRows({ reads }: ClickHouse): Promise<number> {
  const [row] = await reads.query(exportRowsKept, {})
  if (row === undefined) throw new Error('count() answered no row.')
  return row.rows
}

const exportRowsKept = defineQuery({
  name: 'test_export_rows_kept',
  sql: 'SELECT (SELECT count() FROM export_rows_v1) + (SELECT count() FROM export_days_v1) AS rows',
  params: z.object({}),
  row: z.object({ rows: z.coerce.number() }),
})
