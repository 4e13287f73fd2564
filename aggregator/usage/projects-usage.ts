import { z } from 'zod'
import { groupedBy } from '../../metering/grouped-by.ts'
import type { Period } from '../../metering/period.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { havingCounted, perSource, queryPlainFirst } from './effective-usage.ts'
import { LAST_MS, LastMs, latest, UNKNOWN_LAST_MS } from './last-activity.ts'
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
  const rows = await queryPlainFirst(reads, usageOfProjects, { projectIds: [...projectIds], from, end })
  const rowsOf = groupedBy(rows, ({ projectId }) => projectId)
  const known = new Map([...rowsOf].map(([projectId, ofProject]) => [projectId, latest(ofProject)]))
  const others = projectIds.filter((projectId) => known.get(projectId) === undefined)
  const activities = others.length === 0 ? [] : await reads.query(activityOfProjects, { projectIds: others })
  const lastActivities = new Map([...known, ...activities.map(({ projectId, lastMs }): [string, number] => [projectId, lastMs])])
  return new Map(
    projectIds.map((projectId) => {
      const ofPeriod = (rowsOf.get(projectId) ?? []).filter(({ isOfPeriod }) => isOfPeriod === 1)
      const { usage: summary, others: ofOthers } = quantitiesOf(ofPeriod)
      return [projectId, { summary, others: ofOthers, lastActivityMs: lastActivities.get(projectId) ?? null }]
    }),
  )
}

/** The plain query reads all days since the period began, for the last activity: those after it are rows of their own. */
const usageOfProjects = perSource((from, source) => {
  const isPlain = source === 'plain'
  return defineQuery({
    name: 'usage_of_projects',
    sql: `SELECT project_id AS projectId, metric, ${isPlain ? 'toUInt8(usage_date < {end: Date})' : '1'} AS isOfPeriod,
          max(peak) AS peak, sum(total) AS total, sumIf(corrections, isOfPeriod) AS corrections, ${isPlain ? LAST_MS : UNKNOWN_LAST_MS} AS lastMs
        FROM ${from(`project_id IN {projectIds: Array(String)} AND usage_date >= {from: Date}${isPlain ? '' : ' AND usage_date < {end: Date}'}`)}
        GROUP BY project_id, metric, isOfPeriod ${havingCounted(source)}`,
    params: z.object({ projectIds: z.array(z.string()), from: z.string(), end: z.string() }),
    row: MetricTotals.extend({ projectId: z.string(), isOfPeriod: z.number(), corrections: z.coerce.number(), ...LastMs }),
  })
})

const activityOfProjects = defineQuery({
  name: 'activity_of_projects',
  sql: `SELECT project_id AS projectId, toUnixTimestamp64Milli(max(last_event_at)) AS lastMs
        FROM project_usage_per_day_v1 WHERE project_id IN {projectIds: Array(String)} GROUP BY project_id`,
  params: z.object({ projectIds: z.array(z.string()) }),
  row: z.object({ projectId: z.string(), lastMs: z.coerce.number() }),
})
