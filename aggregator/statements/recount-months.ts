import { z } from 'zod'
import { PEAK_METRICS } from '../../metering/metrics.ts'
import { type Month, monthOf, periodOfMonth } from '../../metering/month.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { type Lease, leaseTag } from '../../sql/lease.ts'
import { defineQuery, defineStatement } from '../../sql/query.ts'
import { queryOne } from '../../sql/query-one.ts'
import { PROJECT_VALUE_FROM_RAW } from '../usage/peak-or-sum.ts'
import { NEW_PROJECTS_OF_PARTNER, PROJECTS_OF_PARTNER } from '../usage/projects-of-partner.ts'
import type { StatementHeader } from './headers.ts'

/** One attempt to close a month of a partner. Its rows count from the moment its header stands. */
export interface ClosingAttempt {
  readonly partnerId: string
  readonly month: Month
  readonly closing: string
  readonly ownership: Lease
}

export interface Recounted {
  /** The months that were recounted: the one that is closed, and those before it in which something was stored since. */
  readonly months: readonly Month[]
  /** Of every month closed by now, this one included: the number of changes that is in the bills. */
  readonly billedChanges: ReadonlyMap<Month, number>
  readonly projectsThroughMs: number
}

/**
 * Folds raw, not the view: what is billed hangs on no rollup. What is noted first (changes of each day, the newest project)
 * is in the recount; what comes while it runs may be, and is recounted once more by the next closing, with no difference.
 * Throws StoreError.
 */
export async function recountMonths(clickhouse: ClickHouse, attempt: ClosingAttempt, closed: readonly StatementHeader[]): Promise<Recounted> {
  const { partnerId, month, closing, ownership } = attempt
  const newest = await queryOne(clickhouse.reads, newestProjectOf, { partnerId })
  const billed = closed.map((header) => header.month)
  const changes = await readMonthChanges(clickhouse, [...billed, month])
  const last = closed.at(-1)
  const arrived = last === undefined ? new Set<Month>() : await monthsOfNewProjects(clickhouse, partnerId, last.projectsThroughMs)
  const changed = billed.filter((each) => arrived.has(each) || changes.get(each) !== last?.billedChanges.get(each))
  const months = [...changed, month]
  for (const each of months) {
    const { first, end } = periodOfMonth(each)
    const { name: log, epoch, owner } = ownership
    await clickhouse.work.execute(recountMonth, { log, epoch, owner, partnerId, closing, month: each, from: first, end, peaks: PEAK_METRICS }, leaseTag(log))
  }
  return { months, billedChanges: changes, projectsThroughMs: newest.created_ms }
}

/** How often something was stored in the days of each month. Throws StoreError. */
export async function readMonthChanges({ reads }: ClickHouse, months: readonly Month[]): Promise<Map<Month, number>> {
  const rows = await reads.query(monthChanges, { months: [...months] })
  const stored = new Map(rows.map((each) => [each.month, each.changes]))
  // A month in which nothing was ever stored has no row.
  return new Map(months.map((month) => [month, stored.get(month) ?? 0]))
}

/** The months in which projects of the partner that were created later have usage. */
export async function monthsOfNewProjects({ reads }: ClickHouse, partnerId: string, createdAfterMs: number): Promise<Set<Month>> {
  const rows = await reads.query(newProjectDays, { partnerId, createdAfterMs })
  return new Set(rows.map(({ usage_date }) => monthOf(usage_date)))
}

const newestProjectOf = defineQuery({
  name: 'newest_project_of_partner',
  sql: 'SELECT toUnixTimestamp64Milli(max(created_at)) AS created_ms FROM projects_v1 WHERE partner_id = {partnerId: String}',
  params: z.object({ partnerId: z.string() }),
  row: z.object({ created_ms: z.coerce.number() }),
})

const monthChanges = defineQuery({
  name: 'month_changes',
  sql: `SELECT formatDateTime(usage_date, '%Y-%m') AS month, sum(changes) AS changes FROM usage_day_changes_v1
        GROUP BY month HAVING month IN {months: Array(String)}`,
  params: z.object({ months: z.array(z.string()) }),
  row: z.object({ month: z.string(), changes: z.coerce.number() }),
})

const newProjectDays = defineQuery({
  name: 'new_project_days',
  sql: `SELECT DISTINCT usage_date FROM project_usage_per_day_v1 WHERE project_id IN (${NEW_PROJECTS_OF_PARTNER})`,
  params: z.object({ partnerId: z.string(), createdAfterMs: z.number() }),
  row: z.object({ usage_date: z.string() }),
})

const recountMonth = defineStatement({
  name: 'recount_month',
  sql: `
    INSERT INTO statement_recounts_inbox_v1 (log, epoch, owner, partner_id, closing, month, metric, project_id, days, values, events)
    SELECT {log: String}, {epoch: UInt64}, {owner: String}, {partnerId: String}, {closing: String}, {month: String}, metric, project_id,
      per_day.1, per_day.2, per_day.3
    FROM (
    SELECT metric, project_id, arraySort(groupArray((usage_date, day_value, day_events))) AS per_day
    FROM (
      SELECT project_id, metric, usage_date, toInt64(count()) AS day_events,
        ${PROJECT_VALUE_FROM_RAW} AS day_value
      FROM raw_usage_events_v1 FINAL
      WHERE usage_date >= {from: Date} AND usage_date < {end: Date}
        AND project_id IN (${PROJECTS_OF_PARTNER})
      GROUP BY project_id, metric, usage_date
    )
    GROUP BY metric, project_id
    )`,
  params: z.object({
    log: z.string(),
    epoch: z.number(),
    owner: z.string(),
    partnerId: z.string(),
    closing: z.string(),
    month: z.string(),
    from: z.string(),
    end: z.string(),
    peaks: z.array(z.string()),
  }),
  settings: { max_execution_time: 3600 },
})
