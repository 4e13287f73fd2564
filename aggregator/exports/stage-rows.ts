import { z } from 'zod'
import { STATEMENT_LINES } from '../../contract/lists.ts'
import { METRIC_KINDS, type MetricKind } from '../../metering/metrics.ts'
import type { Lane } from '../../sql/clickhouse.ts'
import { defineQuery, defineStatement } from '../../sql/query.ts'
import { VALUE_ON_PEAK_DAY } from '../statements/share-of-month.ts'
import { EVENTS_THAT_COUNT, perSource, readSource } from '../usage/effective-usage.ts'
import { KIND_OF_METRIC, KNOWN_METRIC, UNIT_OF_METRIC } from '../usage/known-metrics.ts'
import { PEAK_DAY } from '../usage/peak-day.ts'
import { PROJECTS_OF_PARTNERS } from '../usage/projects-of-partner.ts'

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
 * Stages the live usage of a span of days, one row per project, metric and month. One statement reads the rollup, once, so that all rows are
 * of the same moment. The value of a peak follows from the days of all projects, so a second statement completes the rows of peaks from
 * what the first one has staged. Throws StoreError.
 */
export async function stageLiveUsage(lane: Lane, { exportId, partnerIds, from, end, days }: LiveUsage): Promise<void> {
  if (partnerIds.length === 0) return
  const withDays = days === 'none' ? [] : days === 'of sums' ? SUMS : [...SUMS, 'peak']
  const folded = METRIC_KINDS.filter((kind) => !SUMS.includes(kind) || withDays.includes(kind))
  const usage = { exportId, partnerIds: [...partnerIds], from, end, folded, withDays: [...withDays] }
  await lane.execute(stageUsage[await readSource(lane, { from, end })], usage)
  await lane.execute(completePeaks, { exportId, withDays: [...withDays] })
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

/**
 * The rollup is sorted by project and day, so the engine has the groups of one project at a time, however many there are. Grouping by day as
 * well takes several times as long, so only the metrics that need their days collect them, and add them up within the row: a day may have several
 * rows, and one of which no event counts has no usage.
 */
const stageUsage = perSource((source) =>
  defineStatement({
    name: 'stage_live_usage',
    sql: `
    INSERT INTO export_rows_v1 (export, partner_id, place, month, line, for_month, project_id, metric, entry, name, status, deleted_at, kind, unit,
      value, peak_day, own_max, own_max_day, events, reason, region, days, values)
    SELECT {exportId: String}, partner_id, if(kind = 'peak', 0, 1), month, 'usage', month, project_id, metric, '', name, status, deleted_at, kind, unit,
      multiIf(kind = 'peak', toDecimal256(0, 9), is_folded, arrayReduce('sum', day_values), month_total), NULL,
      if(kind = 'peak', arrayReduce('max', day_values), NULL), if(kind = 'peak', folded.1[indexOf(day_values, arrayReduce('max', day_values))], NULL),
      if(is_folded, arrayReduce('sum', folded.4), month_events), '', region,
      if(kind = 'peak' OR kind IN {withDays: Array(String)}, folded.1, []), if(kind = 'peak' OR kind IN {withDays: Array(String)}, day_values, [])
    FROM (
      SELECT project_id, formatDateTime(first_of_month, '%Y-%m') AS month, metric, month_total, month_events, ${KIND_OF_METRIC} AS kind, ${UNIT_OF_METRIC} AS unit,
        notEmpty(samples) AS is_folded, arraySort(sample -> sample.1, samples) AS ordered,
        arraySplit((sample, previous) -> sample.1 != previous, ordered, arrayShiftRight(ordered.1, 1)) AS per_day,
        arrayFilter(day -> day.4 > 0,
          arrayMap(day -> (day.1[1], arrayReduce('max', day.2), arrayReduce('sum', day.3), arrayReduce('sum', day.4)), per_day)) AS folded,
        if(kind = 'peak', arrayMap(peak -> toDecimal256(peak, 9), folded.2), folded.3) AS day_values
      FROM (
        SELECT project_id, toStartOfMonth(usage_date) AS first_of_month, metric, sum(total) AS month_total, ${EVENTS_THAT_COUNT} AS month_events,
          groupArrayIf((usage_date, peak, total, events - voided), metric IN (SELECT metric FROM metrics_v1 FINAL WHERE kind IN {folded: Array(String)})) AS samples
        FROM ${source(`usage_date >= {from: Date} AND usage_date < {end: Date} AND project_id IN (${PROJECTS_OF_PARTNERS}) AND ${KNOWN_METRIC}`, 'month')}
        GROUP BY project_id, first_of_month, metric
      )
      WHERE if(is_folded, notEmpty(folded), month_events > 0)
    ) AS months
    INNER JOIN (
      SELECT project_id, partner_id, name, status, deleted_at, region FROM projects_v1 FINAL WHERE partner_id IN {partnerIds: Array(String)}
    ) AS projects USING project_id`,
    params: z.object({
      exportId: z.string(),
      partnerIds: z.array(z.string()),
      from: z.string(),
      end: z.string(),
      folded: z.array(z.string()),
      withDays: z.array(z.string()),
    }),
    settings: { ...STAGING_SETTINGS, optimize_aggregation_in_order: 1, aggregation_in_order_max_block_bytes: 4 * 1024 ** 2 },
  }),
)

/**
 * The rows of peaks, with the project's value on the partner's peak day: the day is the partner's own, within the part of the month that the
 * span covers. Rows with place 0 are what the first statement has staged of them; no export reads these.
 */
const completePeaks = defineStatement({
  name: 'complete_staged_peaks',
  sql: `
    INSERT INTO export_rows_v1 (export, partner_id, place, month, line, for_month, project_id, metric, entry, name, status, deleted_at, kind, unit,
      value, peak_day, own_max, own_max_day, events, reason, region, days, values)
    SELECT {exportId: String}, partner_id, 1, month, line, for_month, project_id, metric, entry, name, status, deleted_at, kind, unit,
      ${VALUE_ON_PEAK_DAY}, peak_day, own_max, own_max_day, events, reason, region,
      if(kind IN {withDays: Array(String)}, days, []), if(kind IN {withDays: Array(String)}, values, [])
    FROM (SELECT * EXCEPT peak_day FROM export_rows_v1 WHERE export = {exportId: String} AND place = 0) AS staged
    INNER JOIN (
      SELECT partner_id, month, metric, ${PEAK_DAY} AS peak_day
      FROM (
        SELECT partner_id, month, metric, sumMap(days, values) AS sums, min(days[1]) AS first_day
        FROM export_rows_v1 WHERE export = {exportId: String} AND place = 0
        GROUP BY partner_id, month, metric
      )
      /* sumMap leaves out days whose sum is 0. If all are, the earliest day is the peak day. */
      ARRAY JOIN arrayPushBack(sums.1, first_day) AS day, arrayPushBack(sums.2, toDecimal256(0, 9)) AS total
      GROUP BY partner_id, month, metric
    ) AS peaks USING (partner_id, month, metric)`,
  params: z.object({ exportId: z.string(), withDays: z.array(z.string()) }),
  settings: STAGING_SETTINGS,
})

/** The rows staged for an export, as SQL after FROM. */
export const STAGED_ROWS = 'export_rows_v1 WHERE export = {exportId: String} AND place > 0'

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
