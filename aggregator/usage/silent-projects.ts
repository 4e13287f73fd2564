import { z } from 'zod'
import { SILENT_DAYS_MAX, SILENT_PROJECTS_MAX } from '../../contract/silent-projects.ts'
import { dayOf, MS_PER_DAY } from '../../metering/timestamp.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'

/** A project that reported a metric every day and then stopped. */
export type SilentProject = z.output<typeof SilentRow>

export interface SilentProjects {
  /** The shortest silence first, because what stopped yesterday is most urgent. At most SILENT_PROJECTS_MAX. */
  readonly silent: readonly SilentProject[]
  readonly truncated: boolean
}

/**
 * Lists every (project, metric) that had events on each of the `reportedDays` UTC days up to its last day with events, and has had none
 * since on at least one complete day. Deleted projects are left out. Throws StoreError.
 */
export async function listSilentProjects({ reads }: ClickHouse, reportedDays: number, nowMs: number): Promise<SilentProjects> {
  const from = dayOf(nowMs - (SILENT_DAYS_MAX + 1 + reportedDays) * MS_PER_DAY)
  const found = await reads.query(silentProjects, { reportedDays, from, today: dayOf(nowMs) })
  return { silent: found.slice(0, SILENT_PROJECTS_MAX), truncated: found.length > SILENT_PROJECTS_MAX }
}

const SilentRow = z.object({
  projectId: z.string(),
  /** Null when the project is not registered. */
  partnerId: z.string().nullable(),
  metric: z.string(),
  lastDay: z.string(),
  /** The number of complete days without an event. */
  silentDays: z.coerce.number(),
  lastEventMs: z.coerce.number(),
})

/** Today does not count as a silent day, because events may still arrive; an event of today ends the silence. A voided event was a sign of life too. */
const silentProjects = defineQuery({
  name: 'silent_projects',
  sql: `
    SELECT reported.project_id AS projectId, if(known.project_id = '', NULL, known.partner_id) AS partnerId, reported.metric AS metric,
      reported.last_day AS lastDay, dateDiff('day', reported.last_day, {today: Date}) - 1 AS silentDays,
      toUnixTimestamp64Milli(reported.last_event_at) AS lastEventMs
    FROM (
      SELECT project_id, metric, max(usage_date) AS last_day, max(last_event_at) AS last_event_at, groupUniqArray(usage_date) AS days
      FROM project_usage_per_day_v1
      WHERE usage_date >= {from: Date}
      GROUP BY project_id, metric
      HAVING last_day < {today: Date} - 1 AND last_day >= {today: Date} - 1 - ${SILENT_DAYS_MAX}
        AND arrayCount(day -> day > last_day - {reportedDays: UInt64}, days) = {reportedDays: UInt64}
    ) AS reported
    LEFT JOIN (SELECT project_id, partner_id, status FROM projects_v1 FINAL) AS known USING project_id
    WHERE known.status != 'deleted'
    ORDER BY silentDays, projectId, metric
    LIMIT ${SILENT_PROJECTS_MAX + 1}`,
  params: z.object({ reportedDays: z.number(), from: z.string(), today: z.string() }),
  row: SilentRow,
})
