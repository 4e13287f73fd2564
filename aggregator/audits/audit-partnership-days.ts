import { z } from 'zod'
import { PEAK_METRICS } from '../../metering/metrics.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { row } from '../../sql/tab-separated.ts'
import { DAY_STATES, MONTHS_IN_REBUILD } from '../usage/day-states.ts'
import { AUDIT_SETTINGS, AuditScopeParams, DAYS_IN_SCOPE, DIFFERENCES_MAX, PROJECTS_IN_SCOPE } from './audit-scope.ts'

/** One (partner, day, metric) on which the kept partnership day is not what raw adds up to. Quantities are exact decimals. */
export const PartnershipDifference = z.object({
  partner_id: z.string(),
  usage_date: z.string(),
  metric: z.string(),
  raw_events: z.string(),
  kept_events: z.string(),
  raw_value: z.string(),
  kept_value: z.string(),
})
export type PartnershipDifference = z.output<typeof PartnershipDifference>

/**
 * Compares the kept partnership days that a reader would use with the sum over the partner's projects of raw. A day of which
 * something was stored since it was computed is not used, and so is no difference; nor is one that changed while this looked.
 * Throws StoreError.
 */
export async function comparePartnershipDays(clickhouse: ClickHouse, params: AuditScopeParams): Promise<PartnershipDifference[]> {
  const rightDays = () => clickhouse.reads.query(daysKeptRight, params)
  const before = await rightDays()
  if (before.length === 0) return []
  const numbers = before.map(({ usage_date, changes }) => row([usage_date, changes])).join('')
  const found = await clickhouse.reads.query(partnershipDaysAgainstRaw, { ...params, numbers, peaks: PEAK_METRICS })
  if (found.length === 0) return []
  const noted = new Map(before.map(({ usage_date, changes }) => [usage_date, changes]))
  const unchanged = new Set((await rightDays()).filter(({ usage_date, changes }) => noted.get(usage_date) === changes).map(({ usage_date }) => usage_date))
  return found.filter(({ usage_date }) => unchanged.has(usage_date))
}

/** As the reader decides it (partnership-days.ts), for all partners. */
const daysKeptRight = defineQuery({
  name: 'days_kept_right',
  sql: `
    SELECT usage_date, changes FROM (${DAY_STATES} WHERE ${DAYS_IN_SCOPE})
    WHERE is_materialized AND formatDateTime(usage_date, '%Y-%m') NOT IN (${MONTHS_IN_REBUILD})`,
  params: AuditScopeParams,
  row: z.object({ usage_date: z.string(), changes: z.coerce.number() }),
})

/** Where a project registered since the last refresh has usage, the reader computes the partner's day by itself. */
const partnershipDaysAgainstRaw = defineQuery({
  name: 'partnership_days_against_raw',
  sql: `
    WITH
      (SELECT max(through) FROM partnership_projects_kept_v1) AS kept_through,
      noted AS (SELECT usage_date, changes FROM format(TabSeparated, 'usage_date Date, changes UInt64', {numbers: String})),
      owners AS (SELECT DISTINCT project_id, partner_id FROM projects_v1),
      computed_by_readers AS (
        SELECT DISTINCT partner_id, usage_date
        FROM (
          SELECT DISTINCT project_id, usage_date FROM project_usage_per_day_v1
          WHERE ${DAYS_IN_SCOPE} AND project_id IN (SELECT project_id FROM projects_v1 WHERE created_at > kept_through)
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
        SELECT project_id, usage_date, metric, toInt64(count()) AS project_events,
          if(metric IN {peaks: Array(String)}, toDecimal256(max(value), 9), sum(toDecimal256(value, 9))) AS project_value
        FROM raw_usage_events_v1 FINAL
        WHERE ${DAYS_IN_SCOPE} AND ${PROJECTS_IN_SCOPE} AND usage_date IN (SELECT usage_date FROM noted)
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
      ) AS kept
      INNER JOIN noted USING usage_date
      WHERE newest.changes >= noted.changes
    )
    WHERE (partner_id, usage_date) NOT IN (SELECT partner_id, usage_date FROM computed_by_readers)
    GROUP BY partner_id, usage_date, metric
    HAVING raw_events != kept_events OR raw_value != kept_value
    ORDER BY usage_date, partner_id, metric
    LIMIT ${DIFFERENCES_MAX + 1}`,
  params: AuditScopeParams.extend({ numbers: z.string(), peaks: z.array(z.string()) }),
  row: PartnershipDifference,
  settings: AUDIT_SETTINGS,
})
