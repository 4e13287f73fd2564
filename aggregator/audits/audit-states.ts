import { z } from 'zod'
import { AuditDifference, DIFFERENCES_MAX } from '../../contract/audits.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery, defineStatement } from '../../sql/query.ts'
import { queryOne } from '../../sql/query-one.ts'
import { STATE_COLUMNS, statesOfRaw } from '../../sql/usage-states.ts'
import { AUDIT_SETTINGS, AuditScopeParams, DAYS_IN_SCOPE, PROJECTS_IN_SCOPE } from './audit-scope.ts'
import type { ProjectDay } from './request-repairs.ts'

/**
 * Compares the states of the kinds `last` and `unique` with raw, by the values as they were sent: days with corrections are not read from the
 * states. `raw_total` and `rollup_total` are the values of the day; if they are equal, the states have another timestamp or other texts.
 * Throws StoreError.
 */
export async function compareStates({ reads }: ClickHouse, params: AuditScopeParams): Promise<AuditDifference[]> {
  // Without metrics of these kinds, raw is not read again.
  const { found } = await queryOne(reads, hasMetricsOfStates, {})
  return found === 0 ? [] : reads.query(statesAgainstRaw, params)
}

/** Adds what the states of these days lack. States that have more than raw are corrected by a rebuild. Throws StoreError. */
export async function restoreStates({ reads }: ClickHouse, keys: readonly ProjectDay[]): Promise<void> {
  for (let first = 0; first < keys.length; first += KEYS_PER_STATEMENT_MAX) {
    const some = keys.slice(first, first + KEYS_PER_STATEMENT_MAX)
    const tuples = some.map(({ project_id, usage_date, metric }): [string, string, string] => [project_id, usage_date, metric])
    await reads.execute(addStatesOfKeys, { keys: tuples, days: [...new Set(some.map(({ usage_date }) => usage_date))] })
  }
}

const KEYS_PER_STATEMENT_MAX = 1_000
const OF_STATES = `metric GLOBAL IN (SELECT metric FROM metrics_v1 FINAL WHERE kind IN ('last', 'unique'))`

const hasMetricsOfStates = defineQuery({
  name: 'has_metrics_of_states',
  sql: `SELECT toUInt8(count() > 0) AS found FROM metrics_v1 FINAL WHERE kind IN ('last', 'unique')`,
  params: z.object({}),
  row: z.object({ found: z.number() }),
})

const addStatesOfKeys = defineStatement({
  name: 'add_states_of_keys',
  sql: `INSERT INTO usage_states_per_day_v1 ${STATE_COLUMNS}
        ${statesOfRaw('usage_date IN {days: Array(Date)} AND (project_id, usage_date, metric) IN {keys: Array(Tuple(String, Date, String))}')}`,
  params: z.object({ keys: z.array(z.tuple([z.string(), z.string(), z.string()])), days: z.array(z.string()) }),
  settings: AUDIT_SETTINGS,
})

const statesAgainstRaw = defineQuery({
  name: 'states_against_raw',
  sql: `
    SELECT project_id, usage_date, metric, '' AS labels, sum(events) AS raw_events, sum(events) AS rollup_events,
      max(value_raw) + max(texts_raw) AS raw_total, max(value_states) + max(texts_states) AS rollup_total,
      '0' AS raw_peak, '0' AS rollup_peak, '0' AS raw_corrections, '0' AS rollup_corrections, '0' AS raw_voided, '0' AS rollup_voided
    FROM (
      SELECT project_id, usage_date, metric, toInt64(count()) AS events,
        toDecimal256(argMax(value, (timestamp, bitNot(rank))), 9) AS value_raw, toDecimal256(uniqExactIf(text, text != ''), 9) AS texts_raw,
        toUnixTimestamp64Milli(max(timestamp)) AS last_raw, toDecimal256(0, 9) AS value_states, toDecimal256(0, 9) AS texts_states, toInt64(0) AS last_states,
        uniqExactStateIf(text, text != '') AS texts
      FROM raw_usage_events_v1 FINAL
      WHERE ${DAYS_IN_SCOPE} AND ${PROJECTS_IN_SCOPE} AND ${OF_STATES} AND correction_batch = ''
      GROUP BY project_id, usage_date, metric
      UNION ALL
      SELECT project_id, usage_date, metric, toInt64(0), toDecimal256(0, 9), toDecimal256(0, 9), toInt64(0),
        toDecimal256(reinterpret(toInt128(max(last) % toUInt256('340282366920938463463374607431768211456')), 'Decimal(38, 9)'), 9),
        toDecimal256(uniqExactMerge(distinct_texts), 9), toInt64(bitShiftRight(max(last), 192)), uniqExactMergeState(distinct_texts)
      FROM usage_states_per_day_v1
      WHERE ${DAYS_IN_SCOPE} AND ${PROJECTS_IN_SCOPE} AND ${OF_STATES}
      GROUP BY project_id, usage_date, metric
    )
    GROUP BY project_id, usage_date, metric
    HAVING raw_total != rollup_total OR max(last_raw) != max(last_states) OR toDecimal256(uniqExactMerge(texts), 9) != max(texts_raw)
    ORDER BY usage_date, project_id, metric
    LIMIT ${DIFFERENCES_MAX + 1}`,
  params: AuditScopeParams,
  row: AuditDifference,
  settings: AUDIT_SETTINGS,
})
