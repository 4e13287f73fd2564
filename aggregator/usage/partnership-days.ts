import { z } from 'zod'
import { isKindOfStates } from '../../metering/metrics.ts'
import { monthOf } from '../../metering/month.ts'
import type { Period } from '../../metering/period.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { MONTHS_IN_REBUILD } from '../../sql/months-in-rebuild.ts'
import { defineQuery } from '../../sql/query.ts'
import { onlyRow } from '../../sql/query-one.ts'
import { readUnlessWritten } from '../../sql/read-by-key.ts'
import type { UsageDay } from './combine-days.ts'
import { type Completeness, readCompleteness } from './completeness.ts'
import { DAY_STATES } from './day-states.ts'
import { EVENTS_THAT_COUNT, havingCounted, perSource, queryPlainFirst } from './effective-usage.ts'
import { readDaysOfStates } from './partnership-states.ts'
import { NEW_PROJECTS_OF_PARTNER, PROJECTS_OF_PARTNER } from './projects-of-partner.ts'
import type { AddsTo } from './state-values.ts'
import { withKinds } from './with-kinds.ts'

/** A partner's day in one metric: the sum over its projects, deleted ones included, of the project's day. */
export interface PartnershipDay extends UsageDay {
  readonly events: number
}

export interface DaysOptions {
  readonly completeness?: Completeness
  /** What the days of the kinds `last` and `unique` add up to; by default the period. */
  readonly adds?: AddsTo
}

/**
 * A partner's days of a period that have events that count, ascending. A day is taken from the materialized rows only if nothing of it was stored
 * since they were computed and no project registered since has usage on it. Every other day is computed here from the project rollup.
 * The order is the guarantee:
 * 1. Read the number of changes of each materialized day.
 * 2. Read the materialized rows. By now there are rows with that number or a greater one.
 * In the other order, a day that is recomputed in between would have no row, and its usage would be missing.
 *
 * Days of the kinds `last` and `unique` are never materialized: if there are any, they are computed from the states. Throws StoreError.
 */
export async function readPartnershipDays(
  clickhouse: ClickHouse,
  partnerId: string,
  period: Period,
  { completeness, adds = 'span' }: DaysOptions = {},
): Promise<PartnershipDay[]> {
  const { projectsThroughMs } = completeness ?? (await readCompleteness(clickhouse))
  const { changesOfMaterialized, toCompute } = await readDayStates(clickhouse, partnerId, period, projectsThroughMs)
  const span = { partnerId, from: period.first, end: period.end }
  const materialized = changesOfMaterialized.size === 0 ? [] : await readUnlessWritten(clickhouse.reads, materializedPartnershipDays, span)
  const spanToCompute = { ...span, days: toCompute === 'all' ? [] : [...toCompute] }
  const computed = toCompute.length === 0 ? [] : await queryPlainFirst(clickhouse.reads, computedPartnershipDays, spanToCompute, 'elsewhere')
  // A row with fewer changes belongs to a key that the rollup lost when its month was rebuilt.
  const valid = materialized.filter(({ day, changes }) => changes >= (changesOfMaterialized.get(day) ?? Number.POSITIVE_INFINITY))
  const known = await withKinds(
    clickhouse.reads,
    valid.map(({ day, metric, value, events }) => ({ day, metric, peak: value, total: value, events })),
  )
  const rows: PartnershipDay[] = [...known, ...computed].map(({ day, metric, kind, unit, peak, total, events }) => {
    return { day, metric, kind, unit, value: kind === 'peak' ? peak : total, events }
  })
  const ofStates = rows.filter(({ kind }) => isKindOfStates(kind))
  const days =
    ofStates.length === 0
      ? rows
      : [...rows.filter(({ kind }) => !isKindOfStates(kind)), ...(await readDaysOfStates(clickhouse.reads, { span, rows: ofStates, adds }))]
  return days.sort((a, b) => (a.day < b.day ? -1 : a.day > b.day ? 1 : 0))
}

interface DayStates {
  /** The days whose materialized rows are valid, with their number of changes. */
  readonly changesOfMaterialized: ReadonlyMap<string, number>
  /** The days to compute: changed since, with usage of a project registered since, or of a month in rebuild. */
  readonly toCompute: readonly string[] | 'all'
}

/** Before the first refresh has ended, no day is known to be complete. A day of which nothing was ever stored has no state. */
async function readDayStates(clickhouse: ClickHouse, partnerId: string, period: Period, projectsThroughMs: number | null): Promise<DayStates> {
  if (projectsThroughMs === null) return { changesOfMaterialized: new Map(), toCompute: 'all' }
  const newProjects = { partnerId, createdAfterMs: projectsThroughMs }
  const [states, reasons] = await Promise.all([
    readUnlessWritten(clickhouse.reads, partnershipDayStates, { from: period.first, end: period.end }),
    readUnlessWritten(clickhouse.reads, reasonsToCompute, newProjects),
  ])
  const doubts = onlyRow(reasonsToCompute, reasons)
  const daysOfNewProjects =
    doubts.newProjects === 0 ? [] : await readUnlessWritten(clickhouse.reads, newProjectUsageDays, { from: period.first, end: period.end, ...newProjects })
  const incomplete = new Set(daysOfNewProjects.map(({ day }) => day))
  const isValid = ({ day, isMaterialized }: { day: string; isMaterialized: number }) =>
    isMaterialized === 1 && !incomplete.has(day) && !doubts.monthsInRebuild.includes(monthOf(day))
  return {
    changesOfMaterialized: new Map(states.filter(isValid).map(({ day, changes }) => [day, changes])),
    toCompute: states.filter((state) => !isValid(state)).map(({ day }) => day),
  }
}

const Span = z.object({ partnerId: z.string(), from: z.string(), end: z.string() })

const partnershipDayStates = defineQuery({
  name: 'partnership_day_states',
  sql: `SELECT usage_date AS day, changes, is_materialized AS isMaterialized
        FROM (${DAY_STATES} WHERE usage_date >= {from: Date} AND usage_date < {end: Date})`,
  params: Span.omit({ partnerId: true }),
  row: z.object({ day: z.string(), changes: z.coerce.number(), isMaterialized: z.number() }),
})

/** What the states of the days do not show: projects registered since the last refresh, and months in rebuild. */
const reasonsToCompute = defineQuery({
  name: 'reasons_to_compute_days',
  sql: `SELECT count() AS newProjects, (SELECT groupArray(month) FROM (${MONTHS_IN_REBUILD})) AS monthsInRebuild
        FROM (${NEW_PROJECTS_OF_PARTNER})`,
  params: z.object({ partnerId: z.string(), createdAfterMs: z.number() }),
  row: z.object({ newProjects: z.coerce.number(), monthsInRebuild: z.array(z.string()) }),
})

const newProjectUsageDays = defineQuery({
  name: 'new_project_usage_days',
  sql: `SELECT DISTINCT usage_date AS day FROM project_usage_per_day_v1
        WHERE project_id IN (${NEW_PROJECTS_OF_PARTNER}) AND usage_date >= {from: Date} AND usage_date < {end: Date}`,
  params: Span.extend({ createdAfterMs: z.number() }),
  row: z.object({ day: z.string() }),
})

const DayRow = z.object({ day: z.string(), metric: z.string(), events: z.coerce.number() })

/** Never FINAL here: it takes the maximum of each element of the tuple, so that the number of one row would come with the value of another. */
const materializedPartnershipDays = defineQuery({
  name: 'materialized_partnership_days',
  sql: `SELECT usage_date AS day, metric, row.changes AS changes, row.value AS value, row.events AS events
        FROM (
          SELECT usage_date, metric, max(newest) AS row FROM partnership_usage_per_day_v1
          WHERE partner_id = {partnerId: String} AND usage_date >= {from: Date} AND usage_date < {end: Date}
          GROUP BY usage_date, metric
        )`,
  params: Span,
  row: DayRow.extend({ value: z.string(), changes: z.coerce.number() }),
})

/**
 * The value of each project's day first, then their sum: a partnership's peak is reached by its projects together. The kind of the metric
 * decides which of the two sums is its value.
 */
const computedPartnershipDays = perSource((from, source) =>
  defineQuery({
    name: 'computed_partnership_days',
    sql: `
    SELECT usage_date AS day, metric, sum(project_peak) AS peak, sum(project_total) AS total, sum(project_events) AS events,
      sum(project_corrections) AS corrections
    FROM (
      SELECT project_id, usage_date, metric, ${source === 'plain' ? 'sum(events)' : EVENTS_THAT_COUNT} AS project_events, sum(corrections) AS project_corrections,
        toDecimal256(max(peak), 9) AS project_peak, sum(total) AS project_total
      FROM ${from(
        `project_id IN (${PROJECTS_OF_PARTNER})
        AND usage_date >= {from: Date} AND usage_date < {end: Date} AND (empty({days: Array(Date)}) OR usage_date IN {days: Array(Date)})`,
        'nothing',
      )}
      GROUP BY project_id, usage_date, metric ${havingCounted(source)}
    )
    GROUP BY usage_date, metric`,
    params: Span.extend({ days: z.array(z.string()) }),
    row: DayRow.extend({ peak: z.string(), total: z.string(), corrections: z.coerce.number() }),
  }),
)
