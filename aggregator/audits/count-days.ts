import { z } from 'zod'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { row } from '../../sql/tab-separated.ts'
import { AUDIT_SETTINGS } from './audit-scope.ts'
import { changesOfEvents } from './effective-values.ts'

/** The events of a day, counted in each of the tables that must agree. */
export const DayCounts = z.object({
  usage_date: z.string(),
  changes: z.coerce.number(),
  accepted_events: z.string(),
  raw_events: z.string(),
  rollup_events: z.string(),
  /** The events of those projects that the materialized partnership days include, without the voided ones. */
  registered_events: z.string(),
  partnership_events: z.string(),
})
export type DayCounts = z.output<typeof DayCounts>

/** The number of pairs of counts that must be equal and are not. */
export function countUnequal({ accepted_events, raw_events, rollup_events, registered_events, partnership_events }: DayCounts): number {
  return [accepted_events !== raw_events, raw_events !== rollup_events, registered_events !== partnership_events].filter(Boolean).length
}

export interface DaysToCount {
  /** Days of one month; `end` is exclusive. */
  readonly from: string
  readonly end: string
  /** Each day with the number of changes that it had before. A day whose number has changed is not counted. */
  readonly days: readonly { readonly usage_date: string; readonly changes: number }[]
}

/** Counts the events of days, the newest day first. Throws StoreError. */
export function countDays({ reads }: ClickHouse, { from, end, days }: DaysToCount): Promise<DayCounts[]> {
  const changes = days.map((day) => row([day.usage_date, day.changes])).join('')
  return reads.query(dayCounts, { from, end, days: days.map(({ usage_date }) => usage_date), changes })
}

const DAYS = `usage_date >= {from: Date} AND usage_date < {end: Date} AND usage_date IN {days: Array(Date)}`

/**
 * Each branch of the union counts one table into its column. Accepted events are the distinct places in the logs, raw events the
 * identities; if there are more places than identities, an event was counted twice.
 */
const dayCounts = defineQuery({
  name: 'day_counts',
  sql: `
    WITH
      (SELECT max(through) FROM partnership_projects_kept_v1) AS projects_through,
      due AS (SELECT usage_date, changes FROM format(TabSeparated, 'usage_date Date, changes UInt64', {changes: String}))
    SELECT
      usage_date, sum(due_changes) AS changes,
      sum(accepted) AS accepted_events, sum(raw) AS raw_events, sum(rollup) AS rollup_events,
      sum(registered) AS registered_events, sum(partnership) AS partnership_events
    FROM (
      SELECT usage_date, changes AS due_changes, toUInt64(0) AS stored_changes,
        toInt64(0) AS accepted, toInt64(0) AS raw, toInt64(0) AS rollup, toInt64(0) AS registered, toInt64(0) AS partnership
      FROM due
      UNION ALL
      SELECT usage_date, toUInt64(0), sum(changes), 0, 0, 0, 0, 0
      FROM usage_day_changes_v1 WHERE ${DAYS} GROUP BY usage_date
      UNION ALL
      SELECT usage_date, toUInt64(0), toUInt64(0), toInt64(count()), 0, 0, 0, 0
      FROM (SELECT usage_date, log, rank FROM raw_usage_events_v1 WHERE ${DAYS} GROUP BY usage_date, log, rank)
      GROUP BY usage_date
      UNION ALL
      SELECT usage_date, toUInt64(0), toUInt64(0), 0, toInt64(count()), 0,
        toInt64(countIf(correction_batch = '' AND project_id GLOBAL IN (SELECT project_id FROM projects_v1 WHERE created_at <= projects_through))), 0
      FROM raw_usage_events_v1 FINAL WHERE ${DAYS} GROUP BY usage_date
      UNION ALL
      SELECT usage_date, toUInt64(0), toUInt64(0), 0, 0, 0, -sum(voided), 0
      FROM (${changesOfEvents(`${DAYS} AND project_id IN (SELECT project_id FROM projects_v1 WHERE created_at <= projects_through)`)})
      GROUP BY usage_date
      UNION ALL
      SELECT usage_date, toUInt64(0), toUInt64(0), 0, 0, sum(events), 0, 0
      FROM project_usage_per_day_v1 WHERE ${DAYS} GROUP BY usage_date
      UNION ALL
      SELECT usage_date, toUInt64(0), toUInt64(0), 0, 0, 0, 0, sum(newest.events)
      FROM (
        SELECT partner_id, usage_date, metric, max(newest) AS newest FROM partnership_usage_per_day_v1
        WHERE ${DAYS} GROUP BY partner_id, usage_date, metric
      ) AS materialized
      INNER JOIN due USING usage_date
      WHERE newest.changes >= due.changes
      GROUP BY usage_date
    )
    GROUP BY usage_date
    HAVING sum(stored_changes) = changes
    ORDER BY usage_date DESC`,
  params: z.object({ from: z.string(), end: z.string(), days: z.array(z.string()), changes: z.string() }),
  row: DayCounts,
  settings: AUDIT_SETTINGS,
})
