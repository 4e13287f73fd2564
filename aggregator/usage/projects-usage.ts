import { z } from 'zod'
import { type MetricName, PEAK_METRICS } from '../../metering/metrics.ts'
import type { Period } from '../../metering/period.ts'
import {
  MATCHING_PROJECTS,
  orderAfter,
  PageParams,
  type PlaceInList,
  ProjectCursorRow,
  type ProjectPageQuery,
  pageParams,
} from '../../registry/projects/list-projects.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { KNOWN_METRIC } from './known-metrics.ts'
import { PROJECT_VALUE_FROM_ROLLUP } from './peak-or-sum.ts'
import { MetricTotals, quantitiesOf, type UsageQuantities } from './usage-quantities.ts'

export interface UsageOfProject {
  readonly summary: UsageQuantities
  /** The latest timestamp of all events ever counted for the project, in ms since 1970; null without any. */
  readonly lastActivityMs: number | null
}

/** The usage of the projects of a page over a period. Throws StoreError. */
export async function readUsageOfProjects(
  { reads }: ClickHouse,
  projectIds: readonly string[],
  { first: from, end }: Period,
): Promise<Map<string, UsageOfProject>> {
  if (projectIds.length === 0) return new Map()
  const params = { projectIds: [...projectIds], from, end }
  const [totals, activities] = await Promise.all([reads.query(usageOfProjects, params), reads.query(activityOfProjects, params)])
  const lastActivities = new Map(activities.map(({ projectId, lastMs }) => [projectId, lastMs]))
  return new Map(
    projectIds.map((projectId) => {
      const summary = quantitiesOf(totals.filter((row) => row.projectId === projectId))
      return [projectId, { summary, lastActivityMs: lastActivities.get(projectId) ?? null }]
    }),
  )
}

/** Lists projects by the value of one metric over the period; a project without usage counts as 0. Throws StoreError. */
export function listProjectsByMetric({ reads }: ClickHouse, metric: MetricName, { first: from, end }: Period, page: ProjectPageQuery): Promise<PlaceInList[]> {
  return reads.query(projectsByMetric, { metric, peaks: PEAK_METRICS, from, end, ...pageParams(page) })
}

/** Lists projects by their last activity; a project without any counts as the oldest. Throws StoreError. */
export function listProjectsByActivity({ reads }: ClickHouse, page: ProjectPageQuery): Promise<PlaceInList[]> {
  return reads.query(projectsByActivity, pageParams(page))
}

const PageOfProjects = z.object({ projectIds: z.array(z.string()), from: z.string(), end: z.string() })

const usageOfProjects = defineQuery({
  name: 'usage_of_projects',
  sql: `SELECT project_id AS projectId, metric, max(peak) AS peak, sum(total) AS total
        FROM project_usage_per_day_v1
        WHERE project_id IN {projectIds: Array(String)} AND usage_date >= {from: Date} AND usage_date < {end: Date} AND ${KNOWN_METRIC}
        GROUP BY project_id, metric`,
  params: PageOfProjects,
  row: MetricTotals.extend({ projectId: z.string() }),
})

const activityOfProjects = defineQuery({
  name: 'activity_of_projects',
  sql: `SELECT project_id AS projectId, toUnixTimestamp64Milli(max(last_event_at)) AS lastMs
        FROM project_usage_per_day_v1 WHERE project_id IN {projectIds: Array(String)} GROUP BY project_id`,
  params: PageOfProjects,
  row: z.object({ projectId: z.string(), lastMs: z.coerce.number() }),
})

/** A project without usage has no row in the rollup. The join gives it 0, which is its value. */
const projectsByMetric = defineQuery({
  name: 'projects_by_metric',
  sql: `
    SELECT project_id AS projectId, toString(sort_key) AS key
    FROM (
      SELECT matching.project_id AS project_id, used.sort_key AS sort_key
      FROM (SELECT project_id FROM ${MATCHING_PROJECTS}) AS matching
      LEFT JOIN (
        SELECT project_id, ${PROJECT_VALUE_FROM_ROLLUP} AS sort_key
        FROM project_usage_per_day_v1
        WHERE project_id IN (SELECT project_id FROM ${MATCHING_PROJECTS})
          AND metric = {metric: String} AND usage_date >= {from: Date} AND usage_date < {end: Date}
        GROUP BY project_id, metric
      ) AS used USING project_id
    )
    ${orderAfter('sort_key', 'toDecimal256({afterKey: String}, 9)')}`,
  params: PageParams.extend({ metric: z.string(), peaks: z.array(z.string()), from: z.string(), end: z.string() }),
  row: ProjectCursorRow,
})

/** A project without any activity gets 0 from the join and so comes first. */
const projectsByActivity = defineQuery({
  name: 'projects_by_activity',
  sql: `
    SELECT project_id AS projectId, toString(sort_key) AS key
    FROM (
      SELECT matching.project_id AS project_id, used.sort_key AS sort_key
      FROM (SELECT project_id FROM ${MATCHING_PROJECTS}) AS matching
      LEFT JOIN (
        SELECT project_id, toUnixTimestamp64Milli(max(last_event_at)) AS sort_key
        FROM project_usage_per_day_v1
        WHERE project_id IN (SELECT project_id FROM ${MATCHING_PROJECTS})
        GROUP BY project_id
      ) AS used USING project_id
    )
    ${orderAfter('sort_key', 'toInt64({afterKey: String})')}`,
  params: PageParams,
  row: ProjectCursorRow,
})
