import { z } from 'zod'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'

/** The closed months of projects' partners, as YYYY-MM by project; a project of no partner has none. One query. Throws StoreError. */
export async function readClosedMonths({ reads }: Pick<ClickHouse, 'reads'>, projectIds: readonly string[]): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const rows = await reads.query(closedMonths, { projectIds: [...projectIds] })
  return new Map(rows.map(({ projectId, months }) => [projectId, new Set(months)]))
}

const closedMonths = defineQuery({
  name: 'closed_months_of_projects',
  sql: `
    SELECT project_id AS projectId, groupUniqArray(month) AS months
    FROM (SELECT DISTINCT project_id, partner_id FROM projects_v1 WHERE project_id IN {projectIds: Array(String)}) AS projects
    INNER JOIN (SELECT DISTINCT partner_id, toString(month) AS month FROM statements_v1) AS closed USING partner_id
    GROUP BY project_id`,
  params: z.object({ projectIds: z.array(z.string()) }),
  row: z.object({ projectId: z.string(), months: z.array(z.string()) }),
})
