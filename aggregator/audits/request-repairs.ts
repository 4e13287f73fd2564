import { z } from 'zod'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { row } from '../../sql/tab-separated.ts'
import { AUDIT_SETTINGS } from './audit-scope.ts'

export interface ProjectDay {
  readonly project_id: string
  readonly usage_date: string
  readonly metric: string
}

/**
 * Requests that the owners of the logs in which these keys of the rollup differ from raw and corrections recount them: only a log's owner may write its
 * rows. Idempotent. Throws StoreError.
 */
export async function requestRepairs(clickhouse: ClickHouse, keys: readonly ProjectDay[]): Promise<void> {
  for (let first = 0; first < keys.length; first += KEYS_PER_QUERY_MAX) await requestRepairsOf(clickhouse, keys.slice(first, first + KEYS_PER_QUERY_MAX))
}

const KEYS_PER_QUERY_MAX = 1_000

async function requestRepairsOf({ reads }: ClickHouse, keys: readonly ProjectDay[]): Promise<void> {
  const tuples = keys.map(({ project_id, usage_date, metric }): [string, string, string] => [project_id, usage_date, metric])
  const requests = await reads.query(logsThatDiffer, { keys: tuples })
  if (requests.length === 0) return
  const text = requests.map(({ log, project_id, usage_date, metric }) => row([log, project_id, usage_date, metric])).join('')
  await reads.insert({ table: 'rollup_repairs_v1', columns: ['log', 'project_id', 'usage_date', 'metric'], text })
}

/** Records a change of each day, so that the next refresh recomputes it under a greater number of changes. Throws StoreError. */
export async function requestRecomputation({ reads }: ClickHouse, days: readonly string[]): Promise<void> {
  if (days.length === 0) return
  await reads.insert({ table: 'usage_day_changes_v1', columns: ['usage_date', 'changes'], text: days.map((day) => row([day, 1])).join('') })
}

const logsThatDiffer = defineQuery({
  name: 'logs_that_differ',
  sql: `
    WITH suspects AS (
      SELECT key.1 AS project_id, key.2 AS usage_date, key.3 AS metric FROM (SELECT arrayJoin({keys: Array(Tuple(String, Date, String))}) AS key)
    )
    SELECT DISTINCT log, project_id, usage_date, metric
    FROM (
      SELECT log, project_id, usage_date, metric, labels,
        toInt64(count()) AS events_raw, sumIf(toDecimal256(value, 9), correction_batch = '') AS total_raw, maxIf(value, correction_batch = '') AS peak_raw,
        toInt64(countIf(correction_batch != '')) AS corrections_raw, toInt64(countIf(correction_batch != '')) AS voided_raw,
        toInt64(0) AS events_rollup, toDecimal256(0, 9) AS total_rollup, toDecimal128(0, 9) AS peak_rollup, toInt64(0) AS corrections_rollup, toInt64(0) AS voided_rollup
      FROM raw_usage_events_v1 FINAL
      WHERE project_id IN (SELECT project_id FROM suspects) AND usage_date IN (SELECT usage_date FROM suspects)
        AND (project_id, usage_date, metric) IN (SELECT project_id, usage_date, metric FROM suspects)
      GROUP BY log, project_id, usage_date, metric, labels
      UNION ALL
      SELECT log, project_id, usage_date, metric, labels,
        toInt64(0), sum(added_total), toDecimal128(0, 9), toInt64(count()), sum(added_voided),
        toInt64(0), toDecimal256(0, 9), toDecimal128(0, 9), toInt64(0), toInt64(0)
      FROM usage_corrections_v1 FINAL
      WHERE project_id IN (SELECT project_id FROM suspects) AND usage_date IN (SELECT usage_date FROM suspects)
        AND (project_id, usage_date, metric) IN (SELECT project_id, usage_date, metric FROM suspects)
      GROUP BY log, project_id, usage_date, metric, labels
      UNION ALL
      SELECT log, project_id, usage_date, metric, labels,
        toInt64(0), toDecimal256(0, 9), toDecimal128(0, 9), toInt64(0), toInt64(0),
        sum(events), sum(total), max(peak), sum(corrections), sum(voided)
      FROM project_usage_per_day_v1
      WHERE (project_id, usage_date, metric) IN (SELECT project_id, usage_date, metric FROM suspects)
      GROUP BY log, project_id, usage_date, metric, labels
    )
    GROUP BY log, project_id, usage_date, metric, labels
    HAVING sum(events_raw) != sum(events_rollup) OR sum(total_raw) != sum(total_rollup) OR max(peak_raw) != max(peak_rollup)
      OR sum(corrections_raw) != sum(corrections_rollup) OR sum(voided_raw) != sum(voided_rollup)
    ORDER BY log, usage_date, project_id, metric`,
  params: z.object({ keys: z.array(z.tuple([z.string(), z.string(), z.string()])) }),
  row: z.object({ log: z.string(), project_id: z.string(), usage_date: z.string(), metric: z.string() }),
  settings: AUDIT_SETTINGS,
})
