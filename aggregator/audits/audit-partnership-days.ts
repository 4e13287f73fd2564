import { z } from 'zod'
import { DIFFERENCES_MAX, PartnershipDifference } from '../../contract/audits.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { MONTHS_IN_REBUILD } from '../../sql/months-in-rebuild.ts'
import { defineQuery } from '../../sql/query.ts'
import { row } from '../../sql/tab-separated.ts'
import { DAY_STATES } from '../usage/day-states.ts'
import { AUDIT_SETTINGS, AuditScopeParams, DAYS_IN_SCOPE, PROJECTS_IN_SCOPE } from './audit-scope.ts'
import { changesOfEvents, peaksOfCorrectedKeys } from './effective-values.ts'

/**
 * Compares the materialized partnership days that a reader would use with the sum over the partner's projects of raw, by the values that
 * count after corrections. A day of which
 * something was stored since it was computed is not used by readers, so it cannot differ; a day that changes during the comparison is
 * left out. Throws StoreError.
 */
export async function comparePartnershipDays(clickhouse: ClickHouse, params: AuditScopeParams): Promise<PartnershipDifference[]> {
  const readDays = () => clickhouse.reads.query(materializedDays, params)
  const before = await readDays()
  if (before.length === 0) return []
  const days = before.map(({ usage_date, changes }) => row([usage_date, changes])).join('')
  const differences = await clickhouse.reads.query(partnershipDaysAgainstRaw, { ...params, materializedDays: days })
  if (differences.length === 0) return []
  const changesBefore = new Map(before.map(({ usage_date, changes }) => [usage_date, changes]))
  const after = await readDays()
  const unchanged = new Set(after.filter(({ usage_date, changes }) => changesBefore.get(usage_date) === changes).map(({ usage_date }) => usage_date))
  return differences.filter(({ usage_date }) => unchanged.has(usage_date))
}

/** The days that readers take from the materialized rows (usage/partnership-days.ts), for all partners. */
const materializedDays = defineQuery({
  name: 'materialized_days',
  sql: `
    SELECT usage_date, changes FROM (${DAY_STATES} WHERE ${DAYS_IN_SCOPE})
    WHERE is_materialized AND formatDateTime(usage_date, '%Y-%m') GLOBAL NOT IN (${MONTHS_IN_REBUILD})`,
  params: AuditScopeParams,
  row: z.object({ usage_date: z.string(), changes: z.coerce.number() }),
})

const COMPARED = `${DAYS_IN_SCOPE} AND ${PROJECTS_IN_SCOPE} AND usage_date IN (SELECT usage_date FROM compared)`

/** Days on which a project registered since the last refresh has usage are excluded: readers compute these days of the partner themselves. */
const partnershipDaysAgainstRaw = defineQuery({
  name: 'partnership_days_against_raw',
  sql: `
    WITH
      (SELECT max(through) FROM partnership_projects_kept_v1) AS projects_through,
      compared AS (SELECT usage_date, changes FROM format(TabSeparated, 'usage_date Date, changes UInt64', {materializedDays: String})),
      owners AS (SELECT DISTINCT project_id, partner_id FROM projects_v1),
      computed_by_readers AS (
        SELECT DISTINCT partner_id, usage_date
        FROM (
          SELECT DISTINCT project_id, usage_date FROM project_usage_per_day_v1
          WHERE ${DAYS_IN_SCOPE} AND project_id IN (SELECT project_id FROM projects_v1 WHERE created_at > projects_through)
        ) AS new_days
        INNER JOIN owners USING project_id
      )
    SELECT
      partner_id, usage_date, metric,
      sum(events_raw) AS raw_events, sum(events_kept) AS kept_events,
      sum(value_raw) AS raw_value, sum(value_kept) AS kept_value
    FROM (
      SELECT partner_id, usage_date, metric,
        sum(project_events) AS events_raw, sum(project_value) AS value_raw, toInt64(0) AS events_kept, toDecimal256(0, 9) AS value_kept
      FROM (
        SELECT project_id, usage_date, metric, sum(events) AS project_events,
          multiIf(metric GLOBAL IN (SELECT metric FROM metrics_v1 FINAL WHERE kind = 'peak'),
            toDecimal256(if(max(is_corrected) = 1, max(peak_now), max(peak_sent)), 9),
            metric GLOBAL IN (SELECT metric FROM metrics_v1 FINAL WHERE kind IN ('last', 'unique')), toDecimal256(0, 9), sum(total)) AS project_value
        FROM (
          SELECT project_id, usage_date, metric,
            toInt64(countIf(correction_batch = '')) AS events, sumIf(toDecimal256(value, 9), correction_batch = '') AS total,
            maxIf(value, correction_batch = '') AS peak_sent, toDecimal128(0, 9) AS peak_now, 0 AS is_corrected
          FROM raw_usage_events_v1 FINAL
          WHERE ${COMPARED}
          GROUP BY project_id, usage_date, metric
          UNION ALL
          SELECT project_id, usage_date, metric, -sum(voided), sum(added_total), toDecimal128(0, 9), toDecimal128(0, 9), 0
          FROM (${changesOfEvents(COMPARED)})
          GROUP BY project_id, usage_date, metric
          UNION ALL
          SELECT project_id, usage_date, metric, toInt64(0), toDecimal256(0, 9), toDecimal128(0, 9), peak_now, 1
          FROM (${peaksOfCorrectedKeys(COMPARED)})
        )
        GROUP BY project_id, usage_date, metric
      ) AS project_days
      INNER JOIN owners USING project_id
      GROUP BY partner_id, usage_date, metric
      UNION ALL
      SELECT partner_id, usage_date, metric, toInt64(0), toDecimal256(0, 9), newest.events, newest.value
      FROM (
        SELECT partner_id, usage_date, metric, max(newest) AS newest FROM partnership_usage_per_day_v1
        WHERE ${DAYS_IN_SCOPE} AND (empty({partners: Array(String)}) OR partner_id IN {partners: Array(String)})
        GROUP BY partner_id, usage_date, metric
      ) AS materialized
      INNER JOIN compared USING usage_date
      WHERE newest.changes >= compared.changes
    )
    WHERE (partner_id, usage_date) NOT IN (SELECT partner_id, usage_date FROM computed_by_readers)
    GROUP BY partner_id, usage_date, metric
    HAVING raw_events != kept_events OR raw_value != kept_value
    ORDER BY usage_date, partner_id, metric
    LIMIT ${DIFFERENCES_MAX + 1}`,
  params: AuditScopeParams.extend({ materializedDays: z.string() }),
  row: PartnershipDifference,
  settings: AUDIT_SETTINGS,
})
