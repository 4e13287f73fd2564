import { z } from 'zod'
import type { ClickHouse } from '../../../sql/clickhouse.ts'
import { defineQuery } from '../../../sql/query.ts'
import { queryOne } from '../../../sql/query-one.ts'

/** Compares raw with the rollup directly, without the product's own audit. Counts the keys for which the rollup has less, or more. */
export function compareRawWithRollup({ reads }: ClickHouse): Promise<{ behind: number; ahead: number }> {
  return queryOne(reads, rawAgainstRollup, {})
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

/** Counts the rows that exports have staged and not dropped yet. */
export async function countStagedRows({ reads }: ClickHouse): Promise<number> {
  return (await queryOne(reads, stagedRows, {})).rows
}

const stagedRows = defineQuery({
  name: 'test_staged_rows',
  sql: 'SELECT (SELECT count() FROM export_rows_v1) + (SELECT count() FROM export_days_v1) AS rows',
  params: z.object({}),
  row: z.object({ rows: z.coerce.number() }),
})
