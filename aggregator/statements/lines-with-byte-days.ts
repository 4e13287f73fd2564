import { z } from 'zod'
import type { Month } from '../../metering/month.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { COUNTED_LATE } from './adjustment-reasons.ts'
import { BYTE_DAY_CORRECTIONS, CorrectionsParams } from './byte-day-corrections.ts'
import { AS_TEXT, type ClosedStatementKey, EXACT_ROW_SETTINGS } from './canonical-lines.ts'

/** The byte-days of a line of usage, as SQL columns over `kind`, `days` and `values` (share-of-month.ts). They add up over the projects. */
export const BYTE_DAYS_OF_LINE = `
        if(kind = 'peak', arrayReduce('sum', values), NULL) AS byte_days,
        if(kind = 'peak', toUInt32(length(days)), NULL) AS days_with_samples`

/**
 * The lines of a closed statement, each with the byte-days of the same recount. An earlier month of which only the byte-days were corrected
 * gets a line with the value 0. No recount may be missing (findMissingRecount). Throws StoreError.
 */
export function readClosedLinesWithByteDays(clickhouse: ClickHouse, { partnerId, closing }: ClosedStatementKey, month: Month) {
  const closings: [string, string][] = [[partnerId, closing]]
  return {
    projects: clickhouse.reads.bytes(closedLinesWithByteDays, { partnerId, closing, month }, 'JSONEachRow'),
    adjustments: clickhouse.reads.bytes(closedAdjustmentsWithByteDays, { closings, month, partnerId, closing }, 'JSONEachRow'),
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
