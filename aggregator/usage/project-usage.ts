import { z } from 'zod'
import { isKindOfStates } from '../../metering/metrics.ts'
import type { Period } from '../../metering/period.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { Keys, readByKey } from '../../sql/read-by-key.ts'
import { type CombinedDays, combineDays } from './combine-days.ts'
import { type Completeness, readCompleteness } from './completeness.ts'
import { havingCounted, perSource, readPlainFirst } from './effective-usage.ts'
import { LAST_MS, LastMs, latest, UNKNOWN_LAST_MS } from './last-activity.ts'
import { MetricTotals } from './usage-quantities.ts'

export interface ProjectUsage extends CombinedDays {
  readonly asOfMs: number | null
  /** The latest timestamp of all events ever counted for the project, in ms since 1970; null without any. */
  readonly lastActivityMs: number | null
}

/** A project's usage over a period. Throws StoreError when it cannot be read; there is no default. */
export async function readProjectUsage(clickhouse: ClickHouse, projectId: string, period: Period, known?: Completeness): Promise<ProjectUsage> {
  const { asOfMs } = known ?? (await readCompleteness(clickhouse))
  const { days, lastActivityMs } = await readDaysAndActivity(clickhouse, projectId, period)
  return { asOfMs, lastActivityMs, ...days }
}

export interface DaysAndActivity {
  /** The days of the period, and their totals. */
  readonly days: CombinedDays
  readonly lastActivityMs: ProjectUsage['lastActivityMs']
}

/** Reads both in one statement, unless the project has had no activity since the period began. Throws StoreError. */
export async function readDaysAndActivity(clickhouse: Pick<ClickHouse, 'reads'>, projectId: string, { first: from, end }: Period): Promise<DaysAndActivity> {
  const rows = await readPlainFirst(clickhouse.reads, projectUsagePerDay, { key: projectId, from, end })
  // Of the kinds `last` and `unique` a source has the value of a day as the peak, and what the day adds as the total (effective-usage.ts).
  const ofPeriod = rows.flatMap(({ day, metric, kind, unit, peak, total }) =>
    day < end ? [{ day, metric, kind, unit, value: kind === 'peak' || isKindOfStates(kind) ? peak : total, added: total }] : [],
  )
  return { days: combineDays(ofPeriod), lastActivityMs: latest(rows) ?? (await readLastActivity(clickhouse, projectId)) }
}

/** The latest timestamp of all events ever counted for the project, voided ones too, in ms since 1970; null without any. Throws StoreError. */
export async function readLastActivity({ reads }: Pick<ClickHouse, 'reads'>, projectId: string): Promise<number | null> {
  const [activity] = await readByKey(reads, projectLastActivity, { key: projectId })
  return activity?.lastMs ?? null
}

/** The plain query reads all days since the period began, for the last activity. Those after the period are one row for each metric, of its end. */
const projectUsagePerDay = perSource((from, source) => {
  const isPlain = source === 'plain'
  return defineQuery({
    name: 'project_usage_per_day',
    sql: `SELECT project_id AS key, ${isPlain ? 'least(usage_date, {end: Date})' : 'usage_date'} AS day, metric, max(peak) AS peak, sum(total) AS total,
          ${isPlain ? 'sumIf(corrections, usage_date < {end: Date})' : 'sum(corrections)'} AS corrections,
          ${isPlain ? LAST_MS : UNKNOWN_LAST_MS} AS lastMs
        FROM ${from(`project_id IN {keys: Array(String)} AND usage_date >= {from: Date}${isPlain ? '' : ' AND usage_date < {end: Date}'}`)}
        GROUP BY project_id, day, metric ${havingCounted(source)}
        ORDER BY project_id, day, metric`,
    params: z.object({ ...Keys, from: z.string(), end: z.string() }),
    row: MetricTotals.extend({ key: z.string(), day: z.string(), corrections: z.coerce.number(), ...LastMs }),
  })
})

const projectLastActivity = defineQuery({
  name: 'project_last_activity',
  sql: `SELECT project_id AS key, toUnixTimestamp64Milli(max(last_event_at)) AS lastMs FROM project_usage_per_day_v1
        WHERE project_id IN {keys: Array(String)} GROUP BY project_id`,
  params: z.object(Keys),
  row: z.object({ key: z.string(), lastMs: z.coerce.number() }),
})
