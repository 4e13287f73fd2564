import { z } from 'zod'
import { groupedBy } from '../../metering/grouped-by.ts'
import type { Period } from '../../metering/period.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { havingCounted, perSource, queryPlainFirst } from './effective-usage.ts'
import { MetricTotals, type OtherMetrics, quantitiesOf, type UsageQuantities } from './usage-quantities.ts'

export interface UsageOfProject {
  readonly summary: UsageQuantities
  readonly others: OtherMetrics
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
  const [totals, activities] = await Promise.all([queryPlainFirst(reads, usageOfProjects, params), reads.query(activityOfProjects, params)])
  const totalsOf = groupedBy(totals, ({ projectId }) => projectId)
  const lastActivities = new Map(activities.map(({ projectId, lastMs }) => [projectId, lastMs]))
  return new Map(
    projectIds.map((projectId) => {
      const { usage: summary, others } = quantitiesOf(totalsOf.get(projectId) ?? [])
      return [projectId, { summary, others, lastActivityMs: lastActivities.get(projectId) ?? null }]
    }),
  )
}

const PageOfProjects = z.object({ projectIds: z.array(z.string()), from: z.string(), end: z.string() })

const usageOfProjects = perSource((from, source) =>
  defineQuery({
    name: 'usage_of_projects',
    sql: `SELECT project_id AS projectId, metric, max(peak) AS peak, sum(total) AS total, sum(corrections) AS corrections
        FROM ${from('project_id IN {projectIds: Array(String)} AND usage_date >= {from: Date} AND usage_date < {end: Date}')}
        GROUP BY project_id, metric ${havingCounted(source)}`,
    params: PageOfProjects,
    row: MetricTotals.extend({ projectId: z.string(), corrections: z.coerce.number() }),
  }),
)

const activityOfProjects = defineQuery({
  name: 'activity_of_projects',
  sql: `SELECT project_id AS projectId, toUnixTimestamp64Milli(max(last_event_at)) AS lastMs
        FROM project_usage_per_day_v1 WHERE project_id IN {projectIds: Array(String)} GROUP BY project_id`,
  params: PageOfProjects,
  row: z.object({ projectId: z.string(), lastMs: z.coerce.number() }),
})
