import { z } from 'zod'
import { PEAK_METRICS } from '../../metering/metrics.ts'
import { groupByMonth } from '../../metering/month.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery, defineStatement } from '../../sql/query.ts'
import { queryOne } from '../../sql/query-one.ts'
import { row } from '../../sql/tab-separated.ts'
import { readAsOf } from '../as-of.ts'
import { PROJECT_VALUE_FROM_ROLLUP } from './peak-or-sum.ts'

/**
 * Computes the partnership days that have changed anew, for all partners. Returns how many days that were. It may run in
 * several processes at once. The order is the guarantee:
 * 1. Note the newest project; then a change of each day on which projects registered since the last time have usage, so that its
 *    rows outrank those without them. A crash after it: these days are computed anew, without need.
 * 2. Note each day's number of changes: what is computed afterwards holds at least these. Rows of the days that have another.
 * 3. The days, as whole at the noted numbers. A crash before: readers go on computing these days themselves.
 * 4. The newest project. A crash before: the same days are computed once more.
 * Throws StoreError.
 */
export async function refreshPartnershipDays(clickhouse: ClickHouse, lane: ClickHouse['reads'] = clickhouse.reads): Promise<number> {
  const asOfMs = (await readAsOf(clickhouse)) ?? 0
  const projects = await queryOne(lane, newestProjects, {})
  const keptThroughMs = projects.kept_ms ?? 0
  if (projects.kept_ms === null && projects.newest_ms > 0) await lane.execute(noteDaysWithoutChanges, {})
  if (projects.newest_ms > keptThroughMs) await lane.execute(noteDaysOfNewProjects, { keptThroughMs })
  const changed = await lane.query(changedDays, {})
  // One month at a time bounds the memory.
  for (const days of groupByMonth(changed).values()) {
    const numbers = days.map(({ usage_date, changes }) => row([usage_date, changes])).join('')
    await lane.execute(computePartnershipDays, { days: days.map(({ usage_date }) => usage_date), numbers, peaks: PEAK_METRICS, asOfMs })
    await lane.insert({ table: 'usage_day_changes_v1', columns: ['usage_date', 'kept'], text: numbers })
  }
  if (projects.newest_ms > keptThroughMs)
    await lane.insert({ table: 'partnership_projects_kept_v1', columns: ['scope', 'through'], text: row(['all', projects.newest_ms / 1000]) })
  return changed.length
}

const newestProjects = defineQuery({
  name: 'newest_projects',
  sql: `SELECT
          (SELECT toUnixTimestamp64Milli(max(created_at)) FROM projects_v1) AS newest_ms,
          (SELECT if(count() = 0, NULL, toUnixTimestamp64Milli(max(through))) FROM partnership_projects_kept_v1) AS kept_ms`,
  params: z.object({}),
  row: z.object({ newest_ms: z.coerce.number(), kept_ms: z.coerce.number().nullable() }),
})

/** What was stored before changes were noted. Done again it only has days computed once more. */
const noteDaysWithoutChanges = defineStatement({
  name: 'note_days_without_changes',
  sql: `INSERT INTO usage_day_changes_v1 (usage_date, changes)
        SELECT DISTINCT usage_date, 1 FROM project_usage_per_day_v1 WHERE usage_date NOT IN (SELECT usage_date FROM usage_day_changes_v1)`,
  params: z.object({}),
})

/**
 * A project that comes to a partner changes the days it has usage on. At the number of before, its rows would stand beside
 * those without it, and the watermark would choose between them; and that can go back, when a topic gets new logs.
 */
const noteDaysOfNewProjects = defineStatement({
  name: 'note_days_of_new_projects',
  sql: `INSERT INTO usage_day_changes_v1 (usage_date, changes)
        SELECT DISTINCT usage_date, 1 FROM project_usage_per_day_v1
        WHERE project_id IN (SELECT project_id FROM projects_v1 WHERE created_at > fromUnixTimestamp64Milli({keptThroughMs: Int64}))`,
  params: z.object({ keptThroughMs: z.number() }),
})

const ChangedDayRow = z.object({ usage_date: z.string(), changes: z.coerce.number() })

const changedDays = defineQuery({
  name: 'changed_days',
  sql: `
    SELECT usage_date, noted AS changes
    FROM (SELECT usage_date, sum(changes) AS noted, max(kept) AS whole FROM usage_day_changes_v1 GROUP BY usage_date)
    WHERE noted != whole
    ORDER BY usage_date`,
  params: z.object({}),
  row: ChangedDayRow,
})

const computePartnershipDays = defineStatement({
  name: 'compute_partnership_days',
  sql: `
    INSERT INTO partnership_usage_per_day_v1 (partner_id, usage_date, metric, newest)
    SELECT partner_id, usage_date, metric,
      CAST((any(changes), fromUnixTimestamp64Milli({asOfMs: Int64}, 'UTC'), sum(project_value), sum(project_events)),
           'Tuple(changes UInt64, as_of DateTime64(3, \\'UTC\\'), value Decimal(76, 9), events Int64)')
    FROM (
      SELECT project_id, usage_date, metric, sum(events) AS project_events,
        ${PROJECT_VALUE_FROM_ROLLUP} AS project_value
      FROM project_usage_per_day_v1 WHERE usage_date IN {days: Array(Date)}
      GROUP BY project_id, usage_date, metric
    ) AS project_days
    INNER JOIN (SELECT DISTINCT project_id, partner_id FROM projects_v1) AS owners USING project_id
    INNER JOIN (SELECT usage_date, changes FROM format(TabSeparated, 'usage_date Date, changes UInt64', {numbers: String})) AS noted USING usage_date
    GROUP BY partner_id, usage_date, metric`,
  params: z.object({ days: z.array(z.string()), numbers: z.string(), peaks: z.array(z.string()), asOfMs: z.number() }),
  settings: { max_execution_time: 600 },
})
