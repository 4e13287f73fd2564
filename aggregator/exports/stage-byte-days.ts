import { z } from 'zod'
import { STATEMENT_LINES } from '../../contract/lists.ts'
import type { Lane } from '../../sql/clickhouse.ts'
import { defineStatement } from '../../sql/query.ts'
import { COUNTED_LATE } from '../statements/adjustment-reasons.ts'
import { BYTE_DAY_CORRECTIONS, type ClosingsOfMonth, CorrectionsParams } from '../statements/byte-day-corrections.ts'
import { UNIT_OF_METRIC } from '../usage/known-metrics.ts'
import { copyLinesWithDays, STAGING_SETTINGS } from './stage-rows.ts'

/**
 * Stages the lines of closed statements with the days of the recount that they were computed from, those of peak metrics too:
 * - a line of usage has the project's days, so that their sum is its byte-days
 * - a correction of a peak has one element, by how much the byte-days of the month were corrected. All else is that of its line, the reason
 *   too: the hash of the statement is over it. A month of which only the byte-days changed gets a row with the value 0. It has the name and
 *   region that a line of the newest statement has, because the project may have others by now.
 * All of it is stored since the closing and never changes. No recount may be missing (findMissingRecount). Throws StoreError.
 */
export async function stageClosedLinesWithByteDays(lane: Lane, { exportId, closings, month }: ClosingsOfMonth & { readonly exportId: string }): Promise<void> {
  if (closings.length === 0) return
  const params = { exportId, closings: closings.map(([partnerId, closing]): [string, string] => [partnerId, closing]), month, lines: [...STATEMENT_LINES] }
  await lane.execute(copyClosedLinesWithAllDays, params)
  await lane.execute(copyByteDayCorrections, params)
}

const Params = CorrectionsParams.extend({ exportId: z.string(), lines: z.array(z.string()) })

const copyClosedLinesWithAllDays = copyLinesWithDays({
  name: 'copy_closed_lines_with_all_days',
  lines: "NOT (line = 'adjustment' AND kind = 'peak')",
  withDays: "line = 'usage' AND kind IN ('cumulative', 'count', 'peak')",
})

/** Name and region of each project of the partners as the newest statement up to the month has them. */
const LAST_NAMES = `
      SELECT partner_id, project_id, newest.1 AS last_name, newest.2 AS last_region
      FROM (
        SELECT partner_id, project_id, argMax((name, toString(region)), month) AS newest FROM statement_lines_v1
        WHERE partner_id IN (SELECT arrayJoin({closings: Array(Tuple(String, String))}).1)
          AND closing IN (SELECT closing FROM statements_v1 WHERE month <= {month: String})
        GROUP BY partner_id, project_id
      )`

const copyByteDayCorrections = defineStatement({
  name: 'copy_byte_day_corrections',
  sql: `
    INSERT INTO export_rows_v1 (export, partner_id, place, month, line, for_month, project_id, metric, entry, name, status, deleted_at, kind, unit,
      value, peak_day, own_max, own_max_day, events, reason, region, days, values)
    SELECT {exportId: String}, partner_id, indexOf({lines: Array(String)}, 'adjustment'), {month: String}, 'adjustment', for_month, project_id, metric, '',
      multiIf(has_line = 1, line_name, last_name != '', last_name, project_id), line_status, line_deleted_at, 'peak', line_unit,
      billed, line_peak_day, line_own_max, line_own_max_day, line_events, if(has_line = 1, line_reason, '${COUNTED_LATE}'),
      if(has_line = 1, line_region, last_region), [toDate(concat(for_month, '-01'))], [corrected]
    FROM (
      SELECT partner_id, for_month, project_id, metric, max(is_line) AS has_line, max(name) AS line_name, max(status) AS line_status,
        max(deleted_at) AS line_deleted_at, max(unit) AS line_unit, sum(value) AS billed, max(peak_day) AS line_peak_day, max(own_max) AS line_own_max,
        max(own_max_day) AS line_own_max_day, sum(events) AS line_events, max(reason) AS line_reason, max(region) AS line_region, sum(byte_days) AS corrected
      FROM (
        SELECT partner_id, for_month, project_id, metric, 1 AS is_line, name, toString(status) AS status, deleted_at, toString(unit) AS unit, value, peak_day,
          own_max, own_max_day, events, reason, toString(region) AS region, toDecimal256(0, 9) AS byte_days
        FROM statement_lines_v1
        WHERE (partner_id, closing) IN {closings: Array(Tuple(String, String))} AND line = 'adjustment' AND kind = 'peak'
        UNION ALL
        SELECT partner_id, for_month, project_id, metric, 0, '', '', NULL, ${UNIT_OF_METRIC}, toDecimal256(0, 9), NULL, NULL, NULL, 0, '', '', byte_days
        FROM (${BYTE_DAY_CORRECTIONS})
      )
      GROUP BY partner_id, for_month, project_id, metric
    ) AS corrections
    LEFT JOIN (${LAST_NAMES}) AS names USING (partner_id, project_id)`,
  params: Params,
  settings: STAGING_SETTINGS,
})
