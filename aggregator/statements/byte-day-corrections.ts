import { z } from 'zod'
import type { Month } from '../../metering/month.ts'
import type { Lane } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { PEAK_METRIC } from '../usage/known-metrics.ts'

/** Closings of one month, of one partner or several. */
export interface ClosingsOfMonth {
  readonly closings: readonly (readonly [partnerId: string, closing: string])[]
  readonly month: Month
}

/** Every earlier month that the closings recounted, by partner. A recount that found no events has a row, too. */
const RECOUNTED = `
            SELECT partner_id, closing, month AS for_month FROM billed_events_v1 FINAL
            WHERE (partner_id, closing) IN {closings: Array(Tuple(String, String))} AND month != {month: String}`

/** For each of these months the newest recount of a statement before: the one that the adjustments corrected. */
const RECOUNTED_BEFORE = `
            SELECT partner_id, argMax(closing, statement_month) AS closing, for_month
            FROM (
              SELECT partner_id, closing, month AS for_month FROM billed_events_v1 FINAL
              WHERE (partner_id, month) IN (SELECT partner_id, for_month FROM (${RECOUNTED}))
            ) AS recounts
            INNER JOIN (SELECT partner_id, closing, month AS statement_month FROM statements_v1 WHERE month < {month: String}) AS statements
              USING (partner_id, closing)
            GROUP BY partner_id, for_month`

/**
 * By how much closings correct the byte-days of earlier months, as SQL: a row for each partner, month, project and peak metric of which the
 * closing's recount has other byte-days than the recount before. So at every closing the byte-days of a month are those of its statement plus
 * these. An adjustment line cannot say it: late usage on another day than the peak day changes the byte-days, but not the peak.
 */
export const BYTE_DAY_CORRECTIONS = `
      SELECT partner_id, for_month, project_id, metric, sum(byte_days) AS byte_days
      FROM (
        SELECT partner_id, month AS for_month, project_id, metric, arrayReduce('sum', values) AS byte_days FROM statement_recounts_v1
        WHERE (partner_id, closing, month) IN (${RECOUNTED}) AND ${PEAK_METRIC}
        UNION ALL
        SELECT partner_id, month AS for_month, project_id, metric, -arrayReduce('sum', values) AS byte_days FROM statement_recounts_v1
        WHERE (partner_id, closing, month) IN (${RECOUNTED_BEFORE}) AND ${PEAK_METRIC}
      )
      GROUP BY partner_id, for_month, project_id, metric
      HAVING byte_days != 0`

export const CorrectionsParams = z.object({ closings: z.array(z.tuple([z.string(), z.string()])), month: z.string() })

/** A recount that was billed and is not stored any more: early versions removed those of corrected months. */
export interface MissingRecount {
  readonly partnerId: string
  /** The month that was recounted. */
  readonly month: Month
}

/** Why there are no byte-days, and what there is instead, for the caller. */
export function explainMissingRecount({ partnerId, month }: MissingRecount): string {
  return `By how much the byte-days of ${month} are corrected for the partner ${partnerId} is not known, because an earlier version of Meterline did not keep what they are computed from. The statement and its files are available without byte-days.`
}

/**
 * Finds a recount that the corrections are computed from and that is missing: without it they would be wrong by all that it held. Call it
 * before reading them. Throws StoreError.
 */
export async function findMissingRecount(lane: Lane, { closings, month }: ClosingsOfMonth): Promise<MissingRecount | undefined> {
  if (closings.length === 0) return undefined
  const withoutRows = await lane.query(recountsWithoutRows, { closings: closings.map(([partner, closing]): [string, string] => [partner, closing]), month })
  for (const recount of withoutRows) if (await isMissing(lane, recount)) return { partnerId: recount.partnerId, month: recount.month }
  return undefined
}

/** Whether a recount without rows was removed. One that found no events has none either, but then nothing is billed for its month. Throws StoreError. */
export async function isMissing(lane: Lane, recount: z.output<typeof Recount>): Promise<boolean> {
  const [billed] = await lane.query(billedUpTo, recount)
  return billed !== undefined
}

const Recount = z.object({ partnerId: z.string(), closing: z.string(), month: z.string() })

const recountsWithoutRows = defineQuery({
  name: 'recounts_without_rows',
  sql: `SELECT partner_id AS partnerId, closing, for_month AS month
        FROM (${RECOUNTED} UNION DISTINCT ${RECOUNTED_BEFORE})
        WHERE (partner_id, closing, for_month) NOT IN (
          SELECT DISTINCT partner_id, closing, month FROM statement_recounts_v1 WHERE partner_id IN (SELECT partner_id FROM (${RECOUNTED})))
        ORDER BY partner_id, month`,
  params: CorrectionsParams,
  row: Recount,
  settings: { max_execution_time: 600 },
})

/** What statements bill for a month, up to the one of the closing. */
const billedUpTo = defineQuery({
  name: 'billed_up_to_closing',
  sql: `SELECT project_id FROM statement_lines_v1
        WHERE partner_id = {partnerId: String} AND for_month = {month: String} AND line IN ('usage', 'adjustment')
          AND closing IN (
            SELECT closing FROM statements_v1 WHERE partner_id = {partnerId: String}
              AND month <= (SELECT max(month) FROM statements_v1 WHERE partner_id = {partnerId: String} AND closing = {closing: String}))
        GROUP BY project_id, metric HAVING sum(value) != 0 LIMIT 1`,
  params: Recount,
  row: z.object({ project_id: z.string() }),
  settings: { max_execution_time: 600 },
})
