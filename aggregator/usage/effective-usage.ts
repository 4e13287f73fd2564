import { z } from 'zod'
import { isKindOfStates, type MeasuredMetric } from '../../metering/metrics.ts'
import type { Lane } from '../../sql/clickhouse.ts'
import { defineQuery, type Query } from '../../sql/query.ts'
import { onlyRow } from '../../sql/query-one.ts'
import { type KeyedParams, type KeyedRow, type KeyOf, readByKey, readShared, readUnlessWritten } from '../../sql/read-by-key.ts'
import { LAST_OF_EVENTS, METRIC_OF_STATES, TEXTS_OF_EVENTS } from '../../sql/usage-states.ts'
import { PEAK_METRIC } from './known-metrics.ts'
import { type AddsTo, valuesOfStates } from './state-values.ts'
import { withKinds } from './with-kinds.ts'

/**
 * Where readers get usage from, with corrections in force. A void or an amendment adds its difference to the rollup's sums, so sums need
 * nothing more. A maximum has no inverse: the rollup's `peak` remains the greatest value as it was sent, and the peak of a (project, day,
 * metric) that has a correction is folded again from the events.
 *
 * A source is SQL after FROM: rows with project_id, usage_date, metric, labels, peak, total, events, voided and corrections, for an SQL condition on
 * the first three. Its rows must be grouped, as those of the rollup, and a group of which no event counts (`EVENTS_THAT_COUNT` = 0) has no usage.
 * Of the kinds `last` and `unique` a source for them has the value of the day as `peak`, and as `total` by how much the day changes the value of
 * the span that ends with it (state-values.ts): the sum over the days of a span is its value, as it is for sums. They have no labels.
 */
export type UsageSource = (where: string, adds?: AddsTo | 'nothing') => string

/** The number of events that count, as SQL over grouped rows of a source. A voided event does not count. */
export const EVENTS_THAT_COUNT = 'sum(events) - sum(voided)'

/** What the usage of a source has beside sums and peaks as they were sent. */
interface Has {
  /** Corrections of peaks, or of the kinds `last` and `unique`. */
  readonly corrections: boolean
  /** Metrics of the kinds `last` and `unique`. */
  readonly states: boolean
}

/**
 * Nearly all usage has neither: its source is the rollup itself. Raw is filtered column by column, and what is too much of it after it is
 * grouped: comparing three columns of a million events at once takes longer than folding them.
 */
function sourceOf({ corrections, states }: Has): UsageSource {
  if (!corrections && !states) return (where) => `project_usage_per_day_v1 WHERE ${where}`
  return (where, adds = 'span') => {
    const isCorrected = correctedCells(where)
    const withoutPeak = [...(corrections ? [isCorrected.cell] : []), ...(states ? [METRIC_OF_STATES] : [])].join(' OR ')
    const folded = `
        UNION ALL
        SELECT project_id, usage_date, metric, labels, max(value), toDecimal256(0, 9), toInt64(0), toInt64(0), toInt64(0)
        FROM ${effectiveEvents(`${where} AND ${PEAK_METRIC}`, isCorrected.events)}
        GROUP BY project_id, usage_date, metric, labels HAVING ${isCorrected.cell}`
    const ofStates = () => `
        UNION ALL
        SELECT project_id, usage_date, metric, '', day_value, added, toInt64(0), toInt64(0), toInt64(0)
        FROM ${valuesOfStates(corrections ? currentStates(where) : storedStates(where), adds === 'nothing' ? 'span' : adds)}`
    return `(
        SELECT project_id, usage_date, metric, labels, if(${withoutPeak}, toDecimal128(0, 9), peak) AS peak,
          ${states ? `if(${METRIC_OF_STATES}, toDecimal256(0, 9), total) AS total` : 'total'}, events, voided, corrections
        FROM project_usage_per_day_v1 WHERE ${where}${corrections ? folded : ''}${states && adds !== 'nothing' ? ofStates() : ''}
      )`
  }
}

/**
 * Conditions for the (project, day, metric) with a correction of which no sum of differences is the usage; `events` admits some more, and is
 * cheap. The store computes the list once for each query: its condition may be costly, and it is needed several times.
 */
function correctedCells(where: string): { cell: string; events: string } {
  const cells = `(SELECT groupUniqArray((project_id, usage_date, metric)) FROM usage_corrections_v1 WHERE ${where} AND (${PEAK_METRIC} OR ${METRIC_OF_STATES}))`
  const columns = ['project_id', 'usage_date', 'metric'].map((column, index) => `${column} IN (SELECT arrayJoin(${cells}).${index + 1})`)
  return { cell: `(project_id, usage_date, metric) IN (SELECT arrayJoin(${cells}))`, events: columns.join(' AND ') }
}

/** The states of the days of a condition as they are stored: without corrections. */
export function storedStates(where: string): string {
  return `(
          SELECT project_id, usage_date, metric, last, distinct_texts, toInt64(0) AS events FROM usage_states_per_day_v1
          WHERE ${where} AND ${METRIC_OF_STATES}
        )`
}

/** The states of the days of a condition: those that are stored, and those of the days with corrections, folded from the events that count. */
export function currentStates(where: string): string {
  const isCorrected = correctedCells(where)
  return `(
          SELECT * FROM ${storedStates(where)} WHERE NOT (${isCorrected.cell})
          UNION ALL
          SELECT * FROM ${statesOfEvents(where, isCorrected.events)} WHERE ${isCorrected.cell}
        )`
}

/** The states of the events that count, and of these of those that meet a condition, without the states that are stored. */
export function statesOfEvents(where: string, events?: string): string {
  return `(
            SELECT project_id, usage_date, metric, ${LAST_OF_EVENTS} AS last, ${TEXTS_OF_EVENTS} AS distinct_texts, toInt64(count()) AS events
            FROM ${effectiveEvents(`${where} AND ${METRIC_OF_STATES}`, events)}
            GROUP BY project_id, usage_date, metric
          )`
}

/**
 * The events that count, with their effective values: that of the latest correction, or else their own. SQL after FROM: rows with
 * project_id, event_id, usage_date, metric, labels, value, text, timestamp, rank and received_at, for an SQL condition on project_id, usage_date
 * and metric. `events` is a further condition on the events as they were sent. An event of a batch counts only by a correction of its own. A
 * correction is stored after its event; one whose event was not read yet is ignored.
 */
export function effectiveEvents(where: string, events = 'true'): string {
  return `(
          SELECT project_id, event_id, usage_date, metric, labels, if(latest.action = 'amend', latest.value, sent.value) AS value, text, timestamp, rank, received_at
          FROM (SELECT project_id, event_id, usage_date, metric, labels, value, text, timestamp, rank, received_at, correction_batch FROM raw_usage_events_v1 FINAL WHERE ${where} AND ${events}) AS sent
          LEFT JOIN (
            SELECT project_id, corrects AS event_id, newest.1 AS action, newest.2 AS value
            FROM (SELECT project_id, corrects, argMax((toString(action), value), revision) AS newest FROM usage_corrections_v1 WHERE ${where} GROUP BY project_id, corrects)
          ) AS latest USING (project_id, event_id)
          WHERE if(latest.action = '', sent.correction_batch = '', latest.action != 'void')
        )`
}

/** The sources by what the usage has: neither corrections nor states, one of them, or both. */
const SOURCES = {
  plain: { corrections: false, states: false },
  corrected: { corrections: true, states: false },
  states: { corrections: false, states: true },
  full: { corrections: true, states: true },
} as const satisfies Record<string, Has>

export type SourceName = keyof typeof SOURCES

/** A query or statement, once for each source. */
export type PerSource<T> = Readonly<Record<SourceName, T>>

/** Defines a query or statement over a source of usage. */
export function perSource<T>(define: (from: UsageSource, source: SourceName) => T): PerSource<T> {
  const of = (name: SourceName) => define(sourceOf(SOURCES[name]), name)
  return { plain: of('plain'), corrected: of('corrected'), states: of('states'), full: of('full') }
}

function sourceFor({ corrections, states }: Has): SourceName {
  if (corrections) return states ? 'full' : 'corrected'
  return states ? 'states' : 'plain'
}

/** The source to read a span of days from; `end` is exclusive. What is read afterwards includes at least what it has seen. Throws StoreError. */
export async function readSource(lane: Pick<Lane, 'query'>, span: { readonly from: string; readonly end: string }): Promise<SourceName> {
  const { corrections, states } = onlyRow(whatUsageHas, await readUnlessWritten(lane, whatUsageHas, { from: span.from, end: span.end }))
  return sourceFor({ corrections: corrections === 1, states: states === 1 })
}

/**
 * For queries on which callers wait: the plain one returns the number of corrections of each row and knows nothing else of them, because
 * each further column costs some percent. Only if there is one, or a metric of the kinds `last` and `unique`, another one runs too. Adds kind
 * and unit to the rows (with-kinds.ts). `states: elsewhere`: the caller reads the values of these kinds itself. Throws StoreError.
 */
export async function queryPlainFirst<P extends z.ZodObject, R extends z.ZodObject>(
  lane: Pick<Lane, 'query'>,
  queries: PerSource<Query<P, R>>,
  params: z.input<P>,
  states: 'here' | 'elsewhere' = 'here',
): Promise<(z.output<R> & PlainRow & MeasuredMetric)[]> {
  return plainFirst(lane, (source) => readShared(lane, queries[source], params), states)
}

/** The same by key (sql/read-by-key.ts). Throws StoreError. */
export async function readPlainFirst<P extends KeyedParams, R extends KeyedRow>(
  lane: Pick<Lane, 'query'>,
  queries: PerSource<Query<P, R>>,
  params: KeyOf<P>,
): Promise<(z.output<R> & PlainRow & MeasuredMetric)[]> {
  return plainFirst(lane, (source) => readByKey(lane, queries[source], params), 'here')
}

async function plainFirst<R>(
  lane: Pick<Lane, 'query'>,
  readRows: (source: SourceName) => Promise<readonly R[]>,
  states: 'here' | 'elsewhere',
): Promise<(R & PlainRow & MeasuredMetric)[]> {
  // Each query that is read with it has these columns.
  const read = (source: SourceName) => readRows(source) as Promise<readonly (R & PlainRow)[]>
  const rows = await withKinds(lane, await read('plain'))
  const source = sourceFor({
    corrections: rows.some(({ corrections }) => corrections > 0),
    states: states === 'here' && rows.some(({ kind }) => isKindOfStates(kind)),
  })
  return source === 'plain' ? rows : withKinds(lane, await read(source))
}

interface PlainRow {
  readonly metric: string
  readonly corrections: number
}

/** Leaves out groups of which no event counts, in a query that runs for corrected usage only if there are corrections. */
export function havingCounted(source: keyof PerSource<unknown>): string {
  return source === 'plain' ? '' : `HAVING ${EVENTS_THAT_COUNT} > 0`
}

/** The rollup is asked for metrics of states, and not the states: a crash may have left those out, and then the sum of all samples would count. */
const whatUsageHas = defineQuery({
  name: 'what_usage_has',
  sql: `SELECT
          (SELECT toUInt8(count() > 0) FROM (
            SELECT 1 FROM usage_corrections_v1 WHERE usage_date >= {from: Date} AND usage_date < {end: Date} AND (${PEAK_METRIC} OR ${METRIC_OF_STATES}) LIMIT 1)) AS corrections,
          (SELECT toUInt8(count() > 0) FROM (
            SELECT 1 FROM project_usage_per_day_v1 WHERE usage_date >= {from: Date} AND usage_date < {end: Date} AND ${METRIC_OF_STATES} LIMIT 1)) AS states`,
  params: z.object({ from: z.string(), end: z.string() }),
  row: z.object({ corrections: z.number(), states: z.number() }),
})
