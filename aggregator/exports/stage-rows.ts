import { z } from 'zod'
import { STATEMENT_LINES } from '../../contract/lists.ts'
import type { MetricKind } from '../../metering/metrics.ts'
import type { Lane } from '../../sql/clickhouse.ts'
import { defineQuery, defineStatement } from '../../sql/query.ts'
import { DAYS_OF_MONTH, SHARE_OF_MONTH } from '../statements/share-of-month.ts'
import { EVENTS_THAT_COUNT, perSource, readSource } from '../usage/effective-usage.ts'
import { KIND_OF_METRIC, KNOWN_METRIC, UNIT_OF_METRIC } from '../usage/known-metrics.ts'
import { PEAK_DAY } from '../usage/peak-day.ts'
import { PROJECT_VALUE_FROM_ROLLUP } from '../usage/peak-or-sum.ts'
import { PROJECT_OWNERS, PROJECTS_OF_PARTNERS } from '../usage/projects-of-partner.ts'

/** Closed statements whose lines an export copies unchanged: partner and closing. */
export type Closings = readonly (readonly [partnerId: string, closing: string])[]

export interface LiveUsage {
  readonly exportId: string
  readonly partnerIds: readonly string[]
  /** Days; `end` is exclusive. */
  readonly from: string
  readonly end: string
  readonly days: StagedDays
}

/** The metrics whose rows also get their days: none, those that are added up, or peaks too. Days of the kinds `last` and `unique` are no usage of their own. */
export type StagedDays = 'none' | 'of sums' | 'of all'
const SUMS: readonly MetricKind[] = ['cumulative', 'count']

/**
 * Stages the live usage of a span of days, one row per project, metric and month. The rollup is read only once, so that all rows are of
 * the same moment; everything else is computed from what was read. Throws StoreError.
 */
export async function stageLiveUsage(lane: Lane, { exportId, partnerIds, from, end, days }: LiveUsage): Promise<void> {
  if (partnerIds.length === 0) return
  await lane.execute(stageDays[await readSource(lane, { from, end })], { exportId, partnerIds: [...partnerIds], from, end })
  await lane.execute(stageLiveRows, { exportId, withDays: days === 'none' ? [] : [...(days === 'of sums' ? SUMS : [...SUMS, 'peak'])] })
}

/** Stages the lines of closed statements. Throws StoreError. */
export async function stageClosedLines(
  lane: Lane,
  { exportId, closings, withDays }: { exportId: string; closings: Closings; withDays: boolean },
): Promise<void> {
  if (closings.length === 0) return
  const params = { exportId, closings: closings.map(([partnerId, closing]): [string, string] => [partnerId, closing]), lines: [...STATEMENT_LINES] }
  await lane.execute(withDays ? copyClosedLinesWithDays : copyClosedLines, params)
}

/** Drops the staged rows of an export, and what older exports left more than a day ago because their process was killed. Throws StoreError. */
export async function dropStagedRows(lane: Lane, exportId: string): Promise<void> {
  const partitions = await lane.query(droppablePartitions, { exportId })
  for (const { table, partitionId } of partitions) await lane.command(`ALTER TABLE ${table} DROP PARTITION ID '${partitionId}'`)
}

const droppablePartitions = defineQuery({
  name: 'droppable_export_partitions',
  sql: `SELECT table, partition_id AS partitionId FROM system.parts
        WHERE database = currentDatabase() AND active AND table IN ('export_days_v1', 'export_rows_v1')
        GROUP BY table, partition, partition_id
        HAVING partition = {exportId: String} OR max(modification_time) < now() - INTERVAL 1 DAY`,
  params: z.object({ exportId: z.string() }),
  row: z.object({ table: z.enum(['export_days_v1', 'export_rows_v1']), partitionId: z.string().regex(/^[0-9a-f]+$/) }),
})

/** Small blocks and early spilling to disk: an export of a million rows must not need the memory of a million rows. */
export const STAGING_SETTINGS = {
  max_execution_time: 3600,
  max_threads: 1,
  max_block_size: 16_384,
  max_insert_threads: 1,
  min_insert_block_size_rows: 65_536,
  min_insert_block_size_bytes: 8 * 1024 ** 2,
  max_bytes_before_external_group_by: 128 * 1024 ** 2,
  max_bytes_before_external_sort: 64 * 1024 ** 2,
}

const stageDays = perSource((source) =>
  defineStatement({
    name: 'stage_export_days',
    sql: `
    INSERT INTO export_days_v1 (export, partner_id, month, metric, project_id, days, values, events)
    SELECT {exportId: String}, partner_id, month, metric, project_id, per_day.1, per_day.2, arrayReduce('sum', per_day.3)
    FROM (
      SELECT project_id, month, metric, ${DAYS_OF_MONTH} AS per_day
      FROM (
        SELECT project_id, usage_date, metric, formatDateTime(usage_date, '%Y-%m') AS month, ${EVENTS_THAT_COUNT} AS day_events,
          ${PROJECT_VALUE_FROM_ROLLUP} AS day_value
        FROM ${source(`usage_date >= {from: Date} AND usage_date < {end: Date} AND project_id IN (${PROJECTS_OF_PARTNERS}) AND ${KNOWN_METRIC}`, 'month')}
        GROUP BY project_id, usage_date, metric HAVING day_events > 0
      )
      GROUP BY project_id, month, metric
    ) AS months
    INNER JOIN (${PROJECT_OWNERS}) AS owners USING project_id`,
    params: z.object({ exportId: z.string(), partnerIds: z.array(z.string()), from: z.string(), end: z.string() }),
    settings: STAGING_SETTINGS,
  }),
)

/** The peak day is the partner's own, within the part of the month that the span covers. */
const stageLiveRows = defineStatement({
  name: 'stage_live_rows',
  sql: `
    INSERT INTO export_rows_v1 (export, partner_id, place, month, line, for_month, project_id, metric, entry, name, status, deleted_at, kind, unit,
      value, peak_day, own_max, own_max_day, events, reason, region, days, values)
    SELECT {exportId: String}, partner_id, 1, month, 'usage', month, project_id, metric, '', name, status, deleted_at, kind, unit,
      value, peak_day, own_max, own_max_day, events, '', region,
      if(kind IN {withDays: Array(String)}, days, []), if(kind IN {withDays: Array(String)}, values, [])
    FROM (
      SELECT partner_id, month, project_id, metric, kind, unit, peak_day, days, values, events, ${SHARE_OF_MONTH}
      FROM (
        SELECT partner_id, month, project_id, metric, days, values, events,
          ${KIND_OF_METRIC} AS kind,
          ${UNIT_OF_METRIC} AS unit,
          if(kind = 'peak', peaks.greatest_day, NULL) AS peak_day
        FROM (SELECT * FROM export_days_v1 WHERE export = {exportId: String}) AS staged
        LEFT JOIN (
          SELECT partner_id, month, metric, ${PEAK_DAY} AS greatest_day
          FROM (
            SELECT partner_id, month, metric, day, sum(value) AS total
            FROM export_days_v1 ARRAY JOIN days AS day, values AS value
            WHERE export = {exportId: String}
            GROUP BY partner_id, month, metric, day
          )
          GROUP BY partner_id, month, metric
        ) AS peaks USING (partner_id, month, metric)
      )
    ) AS shares
    LEFT JOIN (SELECT project_id, name, status, deleted_at, region FROM projects_v1 FINAL) AS projects USING project_id`,
  params: z.object({ exportId: z.string(), withDays: z.array(z.string()) }),
  settings: STAGING_SETTINGS,
})

const LINE_COLUMNS = `month, line, for_month, project_id, metric, entry, name, status, deleted_at, kind, unit, value, peak_day, own_max, own_max_day, events, reason, region`

const CopyParams = z.object({ exportId: z.string(), closings: z.array(z.tuple([z.string(), z.string()])), lines: z.array(z.string()) })

const copyClosedLines = defineStatement({
  name: 'copy_closed_lines',
  sql: `
    INSERT INTO export_rows_v1 (export, partner_id, place, ${LINE_COLUMNS})
    SELECT {exportId: String}, partner_id, indexOf({lines: Array(String)}, toString(line)), ${LINE_COLUMNS}
    FROM statement_lines_v1
    WHERE (partner_id, closing) IN {closings: Array(Tuple(String, String))}`,
  params: CopyParams,
  settings: STAGING_SETTINGS,
})

/**
 * Copies the lines of closings that meet an SQL condition, and those of them that meet `withDays` with their days. These are in the recount
 * from which the lines were computed. Both sides of the join are sorted and may spill to disk.
 */
export function copyLinesWithDays({ name, lines, withDays }: { readonly name: string; readonly lines: string; readonly withDays: string }) {
  return defineStatement({
    name,
    sql: `
    INSERT INTO export_rows_v1 (export, partner_id, place, ${LINE_COLUMNS}, days, values)
    SELECT {exportId: String}, partner_id, indexOf({lines: Array(String)}, toString(line)), ${LINE_COLUMNS},
      if(${withDays}, recounts.days, []), if(${withDays}, recounts.values, [])
    FROM (SELECT * FROM statement_lines_v1 WHERE (partner_id, closing) IN {closings: Array(Tuple(String, String))} AND ${lines}) AS billed
    LEFT JOIN (
      SELECT partner_id, closing, month AS for_month, metric, project_id, days, values FROM statement_recounts_v1
      WHERE (partner_id, closing) IN {closings: Array(Tuple(String, String))}
    ) AS recounts USING (partner_id, closing, for_month, metric, project_id)`,
    params: CopyParams,
    settings: { ...STAGING_SETTINGS, join_algorithm: 'full_sorting_merge' },
  })
}

const copyClosedLinesWithDays = copyLinesWithDays({
  name: 'copy_closed_lines_with_days',
  lines: 'true',
  withDays: "line = 'usage' AND kind IN ('cumulative', 'count')",
})
