import { z } from 'zod'
import { type Month, monthOf } from '../../metering/month.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { readUnlessWritten } from '../../sql/read-by-key.ts'
import { NEW_PROJECTS_OF_PARTNER } from '../usage/projects-of-partner.ts'

/**
 * How often something was stored in the days of each month. It only grows, and a month whose number is the same as when it was billed
 * has nothing unbilled, except usage of a project registered since. Throws StoreError.
 */
export async function readMonthChanges({ reads }: ClickHouse, months: readonly Month[]): Promise<Map<Month, number>> {
  const rows = await readUnlessWritten(reads, monthChanges, { months: [...months] })
  return new Map(months.map((month) => [month, changesOrNone(rows.find((each) => each.month === month))]))
}

/** A month in which nothing was ever stored has no row. The query succeeded, so this 0 is a fact and no default. */
function changesOrNone(stored: { readonly changes: number } | undefined): number {
  return stored === undefined ? 0 : stored.changes
}

/** The months in which projects of the partner that were created later have usage. Throws StoreError. */
export async function monthsOfNewProjects({ reads }: ClickHouse, partnerId: string, createdAfterMs: number): Promise<Set<Month>> {
  const rows = await readUnlessWritten(reads, newProjectDays, { partnerId, createdAfterMs })
  return new Set(rows.map(({ day }) => monthOf(day)))
}

const monthChanges = defineQuery({
  name: 'month_changes',
  sql: `SELECT formatDateTime(usage_date, '%Y-%m') AS month, sum(changes) AS changes FROM usage_day_changes_v1
        GROUP BY month HAVING month IN {months: Array(String)}`,
  params: z.object({ months: z.array(z.string()) }),
  row: z.object({ month: z.string(), changes: z.coerce.number() }),
})

const newProjectDays = defineQuery({
  name: 'new_project_days',
  sql: `SELECT DISTINCT usage_date AS day FROM project_usage_per_day_v1 WHERE project_id IN (${NEW_PROJECTS_OF_PARTNER})`,
  params: z.object({ partnerId: z.string(), createdAfterMs: z.number() }),
  row: z.object({ day: z.string() }),
})
