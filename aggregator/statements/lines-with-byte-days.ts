import { z } from 'zod'
import { subtractDecimals } from '../../metering/exact-decimal.ts'
import type { Month } from '../../metering/month.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { PEAK_METRIC } from '../usage/known-metrics.ts'
import { valueOrNoUsage } from '../usage/usage-quantities.ts'
import { COUNTED_LATE } from './adjustment-reasons.ts'
import { BYTE_DAY_CORRECTIONS, CorrectionsParams, requireKeptRecounts } from './byte-day-corrections.ts'
import { AS_TEXT, type ClosedStatementKey, EXACT_ROW_SETTINGS } from './canonical-lines.ts'
import type { Statement } from './read-statements.ts'

/** The byte-days of a line of usage, as SQL columns over `kind`, `days` and `values` (share-of-month.ts). They add up over the projects. */
export const BYTE_DAYS_OF_LINE = `
        if(kind = 'peak', arrayReduce('sum', values), NULL) AS byte_days,
        if(kind = 'peak', toUInt32(length(days)), NULL) AS days_with_samples`

/**
 * The lines of a closed statement, each with the byte-days of the same recount. An earlier month of which only the byte-days were corrected
 * gets a line with the value 0. Throws StoreError.
 */
export function readClosedLinesWithByteDays(clickhouse: ClickHouse, { partnerId, closing }: ClosedStatementKey, month: Month) {
  const closings: [string, string][] = [[partnerId, closing]]
  return {
    projects: clickhouse.reads.bytes(closedLinesWithByteDays, { partnerId, closing, month }, 'JSONEachRow'),
    adjustments: correctionsOf(clickhouse, { closings, month }, { partnerId, closing }),
  }
}

async function* correctionsOf({ reads }: ClickHouse, corrected: { closings: [string, string][]; month: Month }, key: ClosedStatementKey) {
  await requireKeptRecounts(reads, corrected)
  yield* reads.bytes(closedAdjustmentsWithByteDays, { ...corrected, ...key }, 'JSONEachRow')
}

export interface BilledByteDays {
  /** What is metered by now and was in no recount of a statement yet. Null for a metric without byte-days. */
  unbilledOf(statement: Statement, metric: string): string | null
}

/** The byte-days of a partner's closed months as last recounted by a closing. Throws StoreError. */
export async function readBilledByteDays({ reads }: ClickHouse, partnerId: string): Promise<BilledByteDays> {
  const billed = await reads.query(billedByteDays, { partnerId })
  return {
    unbilledOf: ({ month, meteredByteDays }, metric) => {
      const metered = meteredByteDays.find((each) => each.metric === metric)
      const before = billed.find((each) => each.month === month && each.metric === metric)
      if (metered === undefined && before === undefined) return null
      return subtractDecimals(valueOrNoUsage(metered), valueOrNoUsage(before))
    },
  }
}

const closedLinesWithByteDays = defineQuery({
  name: 'closed_project_lines_with_byte_days',
  sql: `
    SELECT project_id, name, toString(status) AS status, ${AS_TEXT.time('billed.deleted_at')} AS deleted_at, toString(metric) AS metric,
      value, own_max, own_max_day, billed.events AS events, ${BYTE_DAYS_OF_LINE}
    FROM (SELECT * FROM statement_lines_v1 WHERE partner_id = {partnerId: String} AND closing = {closing: String} AND line = 'usage') AS billed
    LEFT JOIN (
      SELECT project_id, metric, days, values FROM statement_recounts_v1
      WHERE partner_id = {partnerId: String} AND closing = {closing: String} AND month = {month: String}
    ) AS recounts USING (project_id, metric)
    ORDER BY project_id, metric`,
  params: z.object({ partnerId: z.string(), closing: z.string(), month: z.string() }),
  row: z.object({}),
  settings: EXACT_ROW_SETTINGS,
})

/** A correction of byte-days alone is no line of the statement. Any other has the reason of its line, which is under the hash. */
const closedAdjustmentsWithByteDays = defineQuery({
  name: 'closed_adjustments_with_byte_days',
  sql: `
    SELECT for_month, nullIf(id, '') AS project_id, toString(name_of_metric) AS metric, kind, sum(billed) AS value,
      if(max(is_line) = 1, nullIf(max(why), ''), '${COUNTED_LATE}') AS reason, sum(corrected) AS byte_days
    FROM (
      SELECT toString(line) AS kind, for_month, stored.project_id AS id, stored.metric AS name_of_metric, entry, stored.value AS billed, stored.reason AS why,
        1 AS is_line, if(stored.kind = 'peak' AND line = 'adjustment', toDecimal256(0, 9), NULL) AS corrected
      FROM statement_lines_v1 AS stored WHERE partner_id = {partnerId: String} AND closing = {closing: String} AND line != 'usage'
      UNION ALL
      SELECT 'adjustment', for_month, project_id, metric, '', toDecimal256(0, 9), '', 0, byte_days FROM (${BYTE_DAY_CORRECTIONS})
    )
    GROUP BY kind, for_month, id, name_of_metric, entry
    ORDER BY kind, for_month, id, name_of_metric, entry`,
  params: CorrectionsParams.extend({ partnerId: z.string(), closing: z.string() }),
  row: z.object({}),
  settings: EXACT_ROW_SETTINGS,
})

const billedByteDays = defineQuery({
  name: 'billed_byte_days',
  sql: `
    SELECT month, metric, sum(arrayReduce('sum', values)) AS value FROM statement_recounts_v1
    WHERE partner_id = {partnerId: String} AND ${PEAK_METRIC} AND (closing, month) IN (
      SELECT argMax(closing, statement_month), for_month
      FROM (SELECT closing, month AS for_month FROM billed_events_v1 WHERE partner_id = {partnerId: String}) AS recounts
      INNER JOIN (SELECT closing, month AS statement_month FROM statements_v1 WHERE partner_id = {partnerId: String}) AS statements USING closing
      GROUP BY for_month)
    GROUP BY month, metric`,
  params: z.object({ partnerId: z.string() }),
  row: z.object({ month: z.string(), metric: z.string(), value: z.string() }),
})
