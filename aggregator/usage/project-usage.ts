import { z } from 'zod'
import { type ByteDays, byteDaysOf } from '../../metering/byte-days.ts'
import type { Period } from '../../metering/period.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { Keys, readByKey } from '../../sql/read-by-key.ts'
import { type Completeness, readCompleteness } from './completeness.ts'
import { havingCounted, perSource, readPlainFirst } from './effective-usage.ts'
import { MetricTotals, type OtherMetrics, quantitiesOf, quantitiesOfDay, type UsageOfMetrics, type UsageQuantities } from './usage-quantities.ts'

export interface ProjectUsage {
  readonly asOfMs: number | null
  /** The latest timestamp of all events ever counted for the project, in ms since 1970; null without any. */
  readonly lastActivityMs: number | null
  /** The greatest day of a peak metric, the value of the period of the kinds `last` and `unique`, the sum of the days of any other. */
  readonly summary: UsageQuantities
  readonly others: OtherMetrics
  /** Days with at least one event that counts, ascending. */
  readonly days: readonly (UsageOfMetrics & { readonly day: string })[]
  readonly byteDays: readonly ByteDays[]
}

/** A project's usage over a period. Throws StoreError when it cannot be read; there is no default. */
export async function readProjectUsage(clickhouse: ClickHouse, projectId: string, period: Period, known?: Completeness): Promise<ProjectUsage> {
  const { asOfMs } = known ?? (await readCompleteness(clickhouse))
  const { first: from, end } = period
  const [rows, lastActivityMs] = await Promise.all([
    readPlainFirst(clickhouse.reads, projectUsagePerDay, { key: projectId, from, end }),
    readLastActivity(clickhouse, projectId),
  ])
  const dayRows = rows.filter(({ isSummary }) => isSummary === 0)
  const days = [...new Set(dayRows.map(({ day }) => day))]
  const { usage: summary, others } = quantitiesOf(rows.filter(({ isSummary }) => isSummary === 1))
  return {
    asOfMs,
    lastActivityMs,
    summary,
    others,
    days: days.map((day) => ({ day, ...quantitiesOfDay(dayRows.filter((row) => row.day === day)) })),
    byteDays: byteDaysOf(dayRows.map((row) => ({ ...row, value: row.peak }))),
  }
}

/** The latest timestamp of all events ever counted for the project, voided ones too, in ms since 1970; null without any. Throws StoreError. */
export async function readLastActivity({ reads }: Pick<ClickHouse, 'reads'>, projectId: string): Promise<number | null> {
  const [activity] = await readByKey(reads, projectLastActivity, { key: projectId })
  return activity?.lastMs ?? null
}

const projectUsagePerDay = perSource((from, source) =>
  defineQuery({
    name: 'project_usage_per_day',
    sql: `SELECT project_id AS key, usage_date AS day, grouping(usage_date) AS isSummary, metric, max(peak) AS peak, sum(total) AS total, sum(corrections) AS corrections
        FROM ${from('project_id IN {keys: Array(String)} AND usage_date >= {from: Date} AND usage_date < {end: Date}')}
        GROUP BY GROUPING SETS ((project_id, usage_date, metric), (project_id, metric)) ${havingCounted(source)}
        ORDER BY project_id, usage_date, metric`,
    params: z.object({ ...Keys, from: z.string(), end: z.string() }),
    row: MetricTotals.extend({ key: z.string(), day: z.string(), isSummary: z.coerce.number(), corrections: z.coerce.number() }),
  }),
)

const projectLastActivity = defineQuery({
  name: 'project_last_activity',
  sql: `SELECT project_id AS key, toUnixTimestamp64Milli(max(last_event_at)) AS lastMs FROM project_usage_per_day_v1
        WHERE project_id IN {keys: Array(String)} GROUP BY project_id`,
  params: z.object(Keys),
  row: z.object({ key: z.string(), lastMs: z.coerce.number() }),
})
