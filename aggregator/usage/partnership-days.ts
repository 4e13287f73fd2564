import { z } from 'zod'
import { METRIC_NAMES, type MetricName, PEAK_METRICS } from '../../metering/metrics.ts'
import { monthOf } from '../../metering/month.ts'
import type { Period } from '../../metering/period.ts'
import type { Quantity } from '../../metering/quantity.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { type Completeness, readCompleteness } from './completeness.ts'
import { PROJECT_VALUE_FROM_ROLLUP } from './peak-or-sum.ts'

/** A partner's day in one metric: the sum over its projects, deleted ones included, of the project's day. */
export interface PartnershipDay {
  /** YYYY-MM-DD. */
  readonly day: string
  readonly metric: MetricName
  readonly value: Quantity
  readonly events: number
}

/**
 * A partner's days of a period that have events. A day is taken from the kept rows only while nothing of it was stored since
 * they were computed, and no project registered since has usage on it; any other is computed from the project rollup here.
 * 1. Note which kept days are right, at which number of changes.
 * 2. Read the kept rows: those of that number, or a later one, are there by now.
 * In the other order a day that is computed anew in between would have no row. Throws StoreError.
 */
export async function readPartnershipDays(clickhouse: ClickHouse, partnerId: string, period: Period, horizon?: Completeness): Promise<PartnershipDay[]> {
  const { keptThroughMs } = horizon ?? (await readCompleteness(clickhouse))
  const { keptChanges, inDoubt } = await readDayStates(clickhouse, partnerId, period, keptThroughMs)
  const span = { partnerId, from: period.first, end: period.end }
  const kept = keptChanges.size === 0 ? [] : await clickhouse.reads.query(keptPartnershipDays, span)
  const computed =
    inDoubt.length === 0
      ? []
      : await clickhouse.reads.query(computedPartnershipDays, { ...span, days: inDoubt === 'all' ? [] : [...inDoubt], peaks: PEAK_METRICS })
  // A row of fewer changes is of a key that the rollup has no more: a month was rebuilt.
  const standing = kept.filter((row) => row.changes >= (keptChanges.get(row.usage_date) ?? Number.POSITIVE_INFINITY))
  return [...standing, ...computed]
    .map(({ usage_date, metric, value, events }) => ({ day: usage_date, metric, value, events }))
    .sort((a, b) => (a.day < b.day ? -1 : a.day > b.day ? 1 : 0))
}

interface DayStates {
  /** The days whose kept rows are right, with their number of changes. */
  readonly keptChanges: ReadonlyMap<string, number>
  /** The days to compute: changed since, of a project registered since, or of a month whose rebuild has begun and not ended. */
  readonly inDoubt: readonly string[] | 'all'
}

/** Before the first refresh has ended nothing is known to be whole. A day that nothing was ever stored of has no state. */
async function readDayStates(clickhouse: ClickHouse, partnerId: string, period: Period, keptThroughMs: number | null): Promise<DayStates> {
  if (keptThroughMs === null) return { keptChanges: new Map(), inDoubt: 'all' }
  const span = { partnerId, from: period.first, end: period.end, keptThroughMs }
  const [states, [doubts]] = await Promise.all([
    clickhouse.reads.query(partnershipDayStates, { partnerId, from: period.first, end: period.end }),
    clickhouse.reads.query(doubtsAboutDays, { partnerId, keptThroughMs }),
  ])
  if (doubts === undefined) throw new Error('count() answered no row.')
  const ofNewProjects = doubts.new_projects === 0 ? [] : await clickhouse.reads.query(newProjectUsageDays, span)
  const notKept = new Set(ofNewProjects.map(({ usage_date }) => usage_date))
  const isRight = ({ usage_date, right }: { usage_date: string; right: number }) =>
    right === 1 && !notKept.has(usage_date) && !doubts.rebuilding.includes(monthOf(usage_date))
  return {
    keptChanges: new Map(states.filter(isRight).map(({ usage_date, changes }) => [usage_date, changes])),
    inDoubt: states.filter((state) => !isRight(state)).map(({ usage_date }) => usage_date),
  }
}

const Span = z.object({ partnerId: z.string(), from: z.string(), end: z.string() })

/** FINAL and no GROUP BY: of so few rows it costs the half. */
const partnershipDayStates = defineQuery({
  name: 'partnership_day_states',
  sql: `SELECT usage_date, changes, kept = changes AS right FROM usage_day_changes_v1 FINAL
        WHERE usage_date >= {from: Date} AND usage_date < {end: Date}`,
  params: Span,
  row: z.object({ usage_date: z.string(), changes: z.coerce.number(), right: z.number() }),
})

/** A query for the months whose rebuild has begun and not ended. */
export const MONTHS_IN_REBUILD = 'SELECT month FROM rollup_rebuilds_v1 GROUP BY month HAVING max(begun) > max(ended)'

/** What the days themselves do not say: projects registered since, and months whose rebuild has begun and not ended. */
const doubtsAboutDays = defineQuery({
  name: 'doubts_about_days',
  sql: `SELECT count() AS new_projects,
          (SELECT groupArray(month) FROM (${MONTHS_IN_REBUILD})) AS rebuilding
        FROM projects_v1 WHERE partner_id = {partnerId: String} AND created_at > fromUnixTimestamp64Milli({keptThroughMs: Int64})`,
  params: z.object({ partnerId: z.string(), keptThroughMs: z.number() }),
  row: z.object({ new_projects: z.coerce.number(), rebuilding: z.array(z.string()) }),
})

const newProjectUsageDays = defineQuery({
  name: 'new_project_usage_days',
  sql: `SELECT DISTINCT usage_date FROM project_usage_per_day_v1
        WHERE project_id IN (SELECT project_id FROM projects_v1 WHERE partner_id = {partnerId: String} AND created_at > fromUnixTimestamp64Milli({keptThroughMs: Int64}))
          AND usage_date >= {from: Date} AND usage_date < {end: Date}`,
  params: Span.extend({ keptThroughMs: z.number() }),
  row: z.object({ usage_date: z.string() }),
})

const DayRow = z.object({ usage_date: z.string(), metric: z.enum(METRIC_NAMES), value: z.string(), events: z.coerce.number() })

/** Never FINAL here: it takes each element of the tuple by itself, and the number of one row would stand beside the value of another. */
const keptPartnershipDays = defineQuery({
  name: 'kept_partnership_days',
  sql: `SELECT usage_date, metric, row.changes AS changes, row.value AS value, row.events AS events
        FROM (
          SELECT usage_date, metric, max(newest) AS row FROM partnership_usage_per_day_v1
          WHERE partner_id = {partnerId: String} AND usage_date >= {from: Date} AND usage_date < {end: Date}
          GROUP BY usage_date, metric
        )`,
  params: Span,
  row: DayRow.extend({ changes: z.coerce.number() }),
})

const computedPartnershipDays = defineQuery({
  name: 'computed_partnership_days',
  sql: `
    SELECT usage_date, metric, sum(project_value) AS value, sum(project_events) AS events
    FROM (
      SELECT project_id, usage_date, metric, sum(events) AS project_events,
        ${PROJECT_VALUE_FROM_ROLLUP} AS project_value
      FROM project_usage_per_day_v1
      WHERE project_id IN (SELECT project_id FROM projects_v1 WHERE partner_id = {partnerId: String})
        AND usage_date >= {from: Date} AND usage_date < {end: Date} AND (empty({days: Array(Date)}) OR usage_date IN {days: Array(Date)})
      GROUP BY project_id, usage_date, metric
    )
    GROUP BY usage_date, metric`,
  params: Span.extend({ days: z.array(z.string()), peaks: z.array(z.string()) }),
  row: DayRow,
})
