import { z } from 'zod'
import type { Lane } from '../../sql/clickhouse.ts'
import { defineQuery, type Query } from '../../sql/query.ts'
import { queryOne } from '../../sql/query-one.ts'
import { type KeyedParams, type KeyedRow, type KeyOf, readByKey, readShared } from '../../sql/read-by-key.ts'
import { PEAK_METRIC } from './known-metrics.ts'

/**
 * Where readers get usage from, with corrections in force. A void or an amendment adds its difference to the rollup's sums, so sums need
 * nothing more. A maximum has no inverse: the rollup's `peak` remains the greatest value as it was sent, and the peak of a (project, day,
 * metric) that has a correction is folded again from the events.
 *
 * A source is SQL after FROM: rows with project_id, usage_date, metric, peak, total, events, voided and corrections, for an SQL condition on the
 * first three. Its rows must be grouped, as those of the rollup, and a group of which no event counts (`EVENTS_THAT_COUNT` = 0) has no usage.
 */
export type UsageSource = (where: string) => string

/** The number of events that count, as SQL over grouped rows of a source. A voided event does not count. */
export const EVENTS_THAT_COUNT = 'sum(events) - sum(voided)'

/** For usage without corrections of peaks, which is nearly all of it: the rollup itself. */
const ROLLUP: UsageSource = (where) => `project_usage_per_day_v1 WHERE ${where}`

/**
 * For usage with corrections of peaks. Raw is filtered column by column, and what is too much of it after it is grouped: comparing three
 * columns of a million events at once takes longer than folding them.
 */
const WITH_CORRECTED_PEAKS: UsageSource = (where) => {
  const corrected = (columns: string) => `(${columns}) IN (SELECT ${columns} FROM usage_corrections_v1 WHERE ${where} AND ${PEAK_METRIC})`
  const ofCorrected = ['project_id', 'usage_date', 'metric'].map(corrected).join(' AND ')
  return `(
        SELECT project_id, usage_date, metric, if(${corrected('project_id, usage_date, metric')}, toDecimal128(0, 9), peak) AS peak, total, events, voided, corrections
        FROM project_usage_per_day_v1 WHERE ${where}
        UNION ALL
        SELECT project_id, usage_date, metric, max(value), toDecimal256(0, 9), toInt64(0), toInt64(0), toInt64(0)
        FROM ${effectiveEvents(`${where} AND ${ofCorrected}`)}
        GROUP BY project_id, usage_date, metric HAVING ${corrected('project_id, usage_date, metric')}
      )`
}

/**
 * The events that count, with their effective values: that of the latest correction, or else their own. SQL after FROM: rows with
 * project_id, event_id, usage_date, metric, value, timestamp and received_at, for an SQL condition on project_id, usage_date and metric.
 * A correction is stored after its event; one whose event was not read yet is ignored.
 */
export function effectiveEvents(where: string): string {
  return `(
          SELECT project_id, event_id, usage_date, metric, if(latest.action = 'amend', latest.value, sent.value) AS value, timestamp, received_at
          FROM (SELECT project_id, event_id, usage_date, metric, value, timestamp, received_at FROM raw_usage_events_v1 FINAL WHERE ${where}) AS sent
          LEFT JOIN (
            SELECT project_id, corrects AS event_id, newest.1 AS action, newest.2 AS value
            FROM (SELECT project_id, corrects, argMax((toString(action), value), revision) AS newest FROM usage_corrections_v1 WHERE ${where} GROUP BY project_id, corrects)
          ) AS latest USING (project_id, event_id)
          WHERE latest.action != 'void'
        )`
}

/** A query or statement, once for each source. */
export interface PerSource<T> {
  /** For usage of which no peak has a correction. */
  readonly plain: T
  readonly corrected: T
}

/** Defines a query or statement over a source of usage. */
export function perSource<T>(define: (from: UsageSource, source: keyof PerSource<unknown>) => T): PerSource<T> {
  return { plain: define(ROLLUP, 'plain'), corrected: define(WITH_CORRECTED_PEAKS, 'corrected') }
}

/** The source to read a span of days from; `end` is exclusive. What is read afterwards includes at least what it has seen. Throws StoreError. */
export async function readSource(lane: Pick<Lane, 'query'>, span: { readonly from: string; readonly end: string }): Promise<keyof PerSource<unknown>> {
  const { found } = await queryOne(lane, correctedPeaks, { from: span.from, end: span.end })
  return found === 1 ? 'corrected' : 'plain'
}

/**
 * For queries on which callers wait: the plain one returns the number of corrections of each row and knows nothing else of them, because
 * each further column costs some percent. Only if there is one, the corrected one runs too. Throws StoreError.
 */
export async function queryUncorrectedFirst<P extends z.ZodObject, R extends CorrectionsCounted>(
  lane: Pick<Lane, 'query'>,
  { plain, corrected }: PerSource<Query<P, R>>,
  params: z.input<P>,
): Promise<readonly z.output<R>[]> {
  const rows = await readShared(lane, plain, params)
  return rows.some(({ corrections }) => Number(corrections) > 0) ? readShared(lane, corrected, params) : rows
}

/** The same by key (sql/read-by-key.ts). Throws StoreError. */
export async function readUncorrectedFirst<P extends KeyedParams, R extends CorrectionsCounted & KeyedRow>(
  lane: Pick<Lane, 'query'>,
  { plain, corrected }: PerSource<Query<P, R>>,
  params: KeyOf<P>,
): Promise<readonly z.output<R>[]> {
  const rows = await readByKey(lane, plain, params)
  return rows.some(({ corrections }) => Number(corrections) > 0) ? readByKey(lane, corrected, params) : rows
}

type CorrectionsCounted = z.ZodObject<{ corrections: z.ZodCoercedNumber }>

/** Leaves out groups of which no event counts, in a query that runs for corrected usage only if there are corrections. */
export function havingCounted(source: keyof PerSource<unknown>): string {
  return source === 'plain' ? '' : `HAVING ${EVENTS_THAT_COUNT} > 0`
}

const correctedPeaks = defineQuery({
  name: 'corrected_peaks',
  sql: `SELECT toUInt8(count() > 0) AS found
        FROM (SELECT 1 FROM usage_corrections_v1 WHERE usage_date >= {from: Date} AND usage_date < {end: Date} AND ${PEAK_METRIC} LIMIT 1)`,
  params: z.object({ from: z.string(), end: z.string() }),
  row: z.object({ found: z.number() }),
})
