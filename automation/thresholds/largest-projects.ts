import { z } from 'zod'
import { EVENTS_THAT_COUNT, perSource, readSource } from '../../aggregator/usage/effective-usage.ts'
import { PROJECT_VALUE_FROM_ROLLUP } from '../../aggregator/usage/peak-or-sum.ts'
import { PROJECTS_OF_PARTNER } from '../../aggregator/usage/projects-of-partner.ts'
import { type Month, periodOfMonth } from '../../metering/month.ts'
import { dayOf, MS_PER_DAY } from '../../metering/timestamp.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'

/** So many projects are named. */
const PROJECTS_MAX = 5

export interface LargestProjectsOf {
  readonly partnerId: string
  readonly metric: string
  readonly month: Month
  /** The day of the peak, on which alone the values of projects add up to it; null without usage, undefined for other metrics. */
  readonly peakDay: string | null | undefined
}

/** The projects of a partner with the most usage of a metric, the greatest first. Throws StoreError. */
export async function readLargestProjects({ work }: ClickHouse, { partnerId, metric, month, peakDay }: LargestProjectsOf) {
  if (peakDay === null) return []
  const { first: from, end } = peakDay === undefined ? periodOfMonth(month) : { first: peakDay, end: dayAfter(peakDay) }
  const source = await readSource(work, { from, end })
  return work.query(largestProjects[source], { partnerId, metric, from, end })
}

function dayAfter(day: string): string {
  return dayOf(Date.parse(`${day}T00:00:00Z`) + MS_PER_DAY)
}

const largestProjects = perSource((source) =>
  defineQuery({
    name: 'largest_projects',
    sql: `
    SELECT used.project_id AS projectId, known.name AS name, used.project_value AS value
    FROM (
      SELECT project_id, metric, ${PROJECT_VALUE_FROM_ROLLUP} AS project_value
      FROM ${source(`project_id IN (${PROJECTS_OF_PARTNER}) AND metric = {metric: String} AND usage_date >= {from: Date} AND usage_date < {end: Date}`)}
      GROUP BY project_id, metric HAVING ${EVENTS_THAT_COUNT} > 0 ORDER BY project_value DESC, project_id LIMIT ${PROJECTS_MAX}
    ) AS used
    LEFT JOIN (SELECT project_id, name FROM projects_v1 FINAL WHERE partner_id = {partnerId: String}) AS known USING project_id
    ORDER BY project_value DESC, projectId`,
    params: z.object({ partnerId: z.string(), metric: z.string(), from: z.string(), end: z.string() }),
    row: z.object({ projectId: z.string(), name: z.string(), value: z.string() }),
  }),
)
