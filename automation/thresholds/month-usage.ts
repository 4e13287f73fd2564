import { z } from 'zod'
import { currentStates, EVENTS_THAT_COUNT, perSource, readSource } from '../../aggregator/usage/effective-usage.ts'
import { isNewPeak } from '../../aggregator/usage/peak-day.ts'
import { PROJECT_VALUE_FROM_ROLLUP } from '../../aggregator/usage/peak-or-sum.ts'
import { PROJECT_OWNERS, PROJECTS_OF_PARTNERS } from '../../aggregator/usage/projects-of-partner.ts'
import { valuesOfStates } from '../../aggregator/usage/state-values.ts'
import { addDecimals, compareDecimals } from '../../metering/exact-decimal.ts'
import type { MeasuredMetric } from '../../metering/metrics.ts'
import { type Month, periodOfMonth } from '../../metering/month.ts'
import type { Quantity } from '../../metering/quantity.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { METRIC_OF_STATES } from '../../sql/usage-states.ts'
import type { Threshold } from './thresholds.ts'

/** Whose usage of which metric. */
export type UsageKey = Pick<Threshold, 'partnerId' | 'projectId' | 'metric'>

/** The days of a month with usage, ascending. */
export type UsageDays = readonly { readonly day: string; readonly value: Quantity }[]

/**
 * The days of a month of each partner or project that the keys name. Those of partners are the materialized ones: three queries for a
 * month, however many keys there are. A missing row means no usage, because the result is complete. Throws StoreError.
 */
export async function readMonthUsage({ work }: ClickHouse, month: Month, keys: readonly UsageKey[]): Promise<(key: UsageKey) => UsageDays> {
  const { first: from, end } = periodOfMonth(month)
  const partnerIds = [...new Set(keys.filter(({ projectId }) => projectId === '').map(({ partnerId }) => partnerId))]
  const projectIds = [...new Set(keys.filter(({ projectId }) => projectId !== '').map(({ projectId }) => projectId))]
  const metrics = [...new Set(keys.map(({ metric }) => metric))]
  const ofPartners = partnerIds.length === 0 ? [] : await readPartnerDays(work, { partnerIds, metrics, from, end })
  const ofProjects =
    projectIds.length === 0 ? [] : await work.query(projectDaysOfMonth[await readSource(work, { from, end })], { projectIds, metrics, from, end })
  const days = new Map<string, { day: string; value: Quantity }[]>()
  for (const { id, metric, day, value } of ofPartners) push(days, JSON.stringify(['partner', id, metric]), { day, value })
  for (const { id, metric, day, value } of ofProjects) push(days, JSON.stringify(['project', id, metric]), { day, value })
  return ({ partnerId, projectId, metric }) =>
    days.get(JSON.stringify(projectId === '' ? ['partner', partnerId, metric] : ['project', projectId, metric])) ?? []
}

async function readPartnerDays(work: ClickHouse['work'], of: z.output<typeof PartnerDaysOf>) {
  // Before the rows: a day that is computed again in between has rows with a greater number then. The other way around it would have none.
  const changes = new Map((await work.query(changesOfDays, { from: of.from, end: of.end })).map(({ day, kept }) => [day, kept]))
  const materialized = await work.query(partnerDaysOfMonth, of)
  // A row with fewer changes than its day is of a key that the rollup has lost: usage/partnership-days.ts.
  const valid = materialized.filter((row) => row.changes >= (changes.get(row.day) ?? Number.POSITIVE_INFINITY))
  return [...valid, ...(await work.query(partnerDaysOfStates, of))]
}

/** The greatest day of a peak metric, the sum of the days of any other: those of the kinds `last` and `unique` are read so that they add up. */
export function monthValue({ kind }: Pick<MeasuredMetric, 'kind'>, days: UsageDays): Quantity {
  const isPeak = kind === 'peak'
  return days.reduce((total, { value }) => (isPeak ? (isNewPeak(value, total) ? value : total) : addDecimals(total, value)), NOTHING)
}

/** The day on which the value of the month reached a level; null if it did not. */
export function dayOfCrossing(metric: Pick<MeasuredMetric, 'kind'>, days: UsageDays, level: Quantity): string | null {
  const crossed = days.findIndex((_, index) => compareDecimals(monthValue(metric, days.slice(0, index + 1)), level) >= 0)
  return days[crossed]?.day ?? null
}

/** The first day with the value of the month, of a peak metric; null without usage. */
export function peakDayOf(days: UsageDays): string | null {
  let peak: UsageDays[number] | undefined
  for (const day of days) if (peak === undefined || isNewPeak(day.value, peak.value)) peak = day
  return peak?.day ?? null
}

function push<T>(map: Map<string, T[]>, key: string, item: T): void {
  const known = map.get(key)
  if (known === undefined) map.set(key, [item])
  else known.push(item)
}

/** The value of a month in which nothing was used. */
const NOTHING: Quantity = '0'

const DayRow = z.object({ id: z.string(), metric: z.string(), day: z.string(), value: z.string() })

const changesOfDays = defineQuery({
  name: 'changes_of_materialized_days',
  sql: 'SELECT usage_date AS day, kept FROM usage_days_v1 WHERE usage_date >= {from: Date} AND usage_date < {end: Date}',
  params: z.object({ from: z.string(), end: z.string() }),
  row: z.object({ day: z.string(), kept: z.coerce.number() }),
})

const PartnerDaysOf = z.object({ partnerIds: z.array(z.string()), metrics: z.array(z.string()), from: z.string(), end: z.string() })

const partnerDaysOfMonth = defineQuery({
  name: 'partner_days_of_month',
  sql: `
    SELECT partner_id AS id, metric, usage_date AS day, row.value AS value, row.changes AS changes
    FROM (
      SELECT partner_id, usage_date, metric, max(newest) AS row FROM partnership_usage_per_day_v1
      WHERE partner_id IN {partnerIds: Array(String)} AND metric IN {metrics: Array(String)} AND NOT (${METRIC_OF_STATES})
        AND usage_date >= {from: Date} AND usage_date < {end: Date}
      GROUP BY partner_id, usage_date, metric
    )
    ORDER BY day`,
  params: PartnerDaysOf,
  row: DayRow.extend({ changes: z.coerce.number() }),
})

/** They are not materialized (partnership-days.ts). Each day has what it adds to the month. */
const partnerDaysOfStates = defineQuery({
  name: 'partner_days_of_states',
  sql: `
    SELECT partner_id AS id, metric, usage_date AS day, sum(added) AS value
    FROM (
      SELECT project_id, metric, usage_date, added
      FROM ${valuesOfStates(
        currentStates(
          `project_id IN (${PROJECTS_OF_PARTNERS}) AND metric IN {metrics: Array(String)} AND usage_date >= {from: Date} AND usage_date < {end: Date}`,
        ),
        'month',
      )}
    ) AS project_days
    INNER JOIN (${PROJECT_OWNERS}) AS owners USING project_id
    GROUP BY partner_id, metric, usage_date
    ORDER BY day`,
  params: PartnerDaysOf,
  row: DayRow,
})

const projectDaysOfMonth = perSource((source) =>
  defineQuery({
    name: 'project_days_of_month',
    sql: `
    SELECT project_id AS id, metric, usage_date AS day, ${PROJECT_VALUE_FROM_ROLLUP} AS value
    FROM ${source('project_id IN {projectIds: Array(String)} AND metric IN {metrics: Array(String)} AND usage_date >= {from: Date} AND usage_date < {end: Date}')}
    GROUP BY project_id, metric, usage_date HAVING ${EVENTS_THAT_COUNT} > 0
    ORDER BY day`,
    params: z.object({ projectIds: z.array(z.string()), metrics: z.array(z.string()), from: z.string(), end: z.string() }),
    row: DayRow,
  }),
)
