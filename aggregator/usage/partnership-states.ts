import { z } from 'zod'
import type { MeasuredMetric } from '../../metering/metrics.ts'
import type { Quantity } from '../../metering/quantity.ts'
import type { Lane } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { readUnlessWritten } from '../../sql/read-by-key.ts'
import { UNIQUE_METRIC } from '../../sql/usage-states.ts'
import { currentStates, readSource, storedStates } from './effective-usage.ts'
import { PROJECTS_OF_PARTNER } from './projects-of-partner.ts'
import { type AddsTo, valuesOfStates } from './state-values.ts'

const Span = z.object({ partnerId: z.string(), from: z.string(), end: z.string() })
type Span = z.output<typeof Span>

interface DayOfStates extends MeasuredMetric {
  readonly day: string
  readonly value: Quantity
  readonly added?: Quantity
  readonly events: number
}

export interface DaysOfStates {
  readonly span: Span
  /** The rows that the partner has in metrics of the kinds `last` and `unique`, for their kinds, units and numbers of events. */
  readonly rows: readonly DayOfStates[]
  readonly adds: AddsTo
}

/** A partner's days in metrics of the kinds `last` and `unique`: the sum over its projects of each one's day. Throws StoreError. */
export async function readDaysOfStates(lane: Pick<Lane, 'query'>, { span, rows, adds }: DaysOfStates): Promise<DayOfStates[]> {
  const found = await readUnlessWritten(lane, DAYS[adds][await statesOf(lane, span)], span)
  const events = new Map(rows.map((row) => [JSON.stringify([row.day, row.metric]), row.events]))
  const measured = new Map(rows.map(({ metric, kind, unit }) => [metric, { kind, unit }]))
  return found.flatMap(({ day, metric, value, added }) => {
    const known = measured.get(metric)
    // A metric whose first event is just being stored is not in the rows yet.
    return known === undefined ? [] : [{ day, metric, ...known, value, added, events: events.get(JSON.stringify([day, metric])) ?? 0 }]
  })
}

/** The different texts over all projects of a partner, by metric of the kind `unique`: of the period, and of each day. Throws StoreError. */
export async function readUnions(lane: Pick<Lane, 'query'>, span: Span): Promise<(metric: string, day?: string) => Quantity | undefined> {
  const rows = await readUnlessWritten(lane, UNIONS[await statesOf(lane, span)], span)
  return (metric, day) => rows.find((row) => row.metric === metric && (day === undefined ? row.isPeriod === 1 : row.isPeriod === 0 && row.day === day))?.texts
}

const OF_PARTNER = `project_id IN (${PROJECTS_OF_PARTNER}) AND usage_date >= {from: Date} AND usage_date < {end: Date}`

/** The states as they are stored, if no day of the span has a correction of any project: with corrections the query takes several times as long. */
const STATES = { stored: storedStates, current: currentStates } as const

async function statesOf(lane: Pick<Lane, 'query'>, { from, end }: Span): Promise<keyof typeof STATES> {
  const source = await readSource(lane, { from, end })
  return source === 'full' || source === 'corrected' ? 'current' : 'stored'
}

const daysAddingTo = (adds: AddsTo) => ({ stored: daysOf(STATES.stored, adds), current: daysOf(STATES.current, adds) })

function daysOf(states: (where: string) => string, adds: AddsTo) {
  return defineQuery({
    name: 'partnership_days_of_states',
    sql: `SELECT usage_date AS day, metric, sum(toDecimal256(day_value, 9)) AS value, sum(added_value) AS added
        FROM (SELECT usage_date, metric, day_value, added AS added_value FROM ${valuesOfStates(states(OF_PARTNER), adds)})
        GROUP BY usage_date, metric`,
    params: Span,
    row: z.object({ day: z.string(), metric: z.string(), value: z.string(), added: z.string() }),
  })
}

const DAYS = { span: daysAddingTo('span'), month: daysAddingTo('month'), day: daysAddingTo('day') }

function unionsOf(states: (where: string) => string) {
  return defineQuery({
    name: 'partnership_unions_of_texts',
    sql: `SELECT metric, usage_date AS day, grouping(usage_date) AS isPeriod, toString(uniqExactMerge(distinct_texts)) AS texts
        FROM ${states(`${OF_PARTNER} AND ${UNIQUE_METRIC}`)}
        GROUP BY GROUPING SETS ((usage_date, metric), (metric))`,
    params: Span,
    row: z.object({ metric: z.string(), day: z.string(), isPeriod: z.coerce.number(), texts: z.string() }),
  })
}

const UNIONS = { stored: unionsOf(STATES.stored), current: unionsOf(STATES.current) }
