import { z } from 'zod'
import { isMetricName, METRIC_NAMES, METRICS, type MeasuredMetric } from '../../metering/metrics.ts'
import type { Month } from '../../metering/month.ts'
import { readMetrics } from '../../registry/metrics/metrics.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { leaseTag } from '../../sql/lease.ts'
import { defineQuery, defineStatement } from '../../sql/query.ts'
import { row } from '../../sql/tab-separated.ts'
import { PEAK_DAY } from '../usage/peak-day.ts'
import { COUNTED_LATER } from './byte-day-corrections.ts'
import type { StatementHeader } from './headers.ts'
import { unbilledManualAdjustments } from './manual-adjustments.ts'
import type { ClosingAttempt } from './recount-months.ts'
import { SHARE_OF_MONTH } from './share-of-month.ts'

export interface LineSources {
  /** The statements closed before, ascending. */
  readonly closed: readonly StatementHeader[]
  /** The months that this attempt has recounted, its own among them. */
  readonly recounted: readonly Month[]
}

/**
 * Writes the lines of an attempt, which the store computes from the attempt's recount alone:
 * 1. usage: each project's share of the month (share-of-month.ts). The lines of a metric add up to what the partner is billed.
 * 2. adjustment: for each earlier month that was recounted, the share now minus what was billed for it (its statement and the
 *    adjustments since). If the peak moved to another day, the line of a single project may be negative; the sum of the month may not.
 * 3. manual: the entries of operators that are on no statement yet.
 * Returns the metrics of the statement: the documented ones, and those others of which the month has usage. Throws StoreError.
 */
export async function writeStatementLines(clickhouse: ClickHouse, attempt: ClosingAttempt, { closed, recounted }: LineSources): Promise<MeasuredMetric[]> {
  const { partnerId, month, closing, lease } = attempt
  const { name: log, epoch, owner } = lease
  const { catalogue, metrics } = await catalogueOfMonths(clickhouse, attempt, recounted)
  const params = { log, epoch, owner, partnerId, month, closing, catalogue, closings: closed.map((header) => header.closing) }
  const tag = leaseTag(log)
  await clickhouse.work.execute(writeUsageLines, params, tag)
  if (recounted.length > 1) await clickhouse.work.execute(writeAdjustmentLines, { ...params, recounted: [...recounted] }, tag)
  await clickhouse.work.execute(writeManualLines, params, tag)
  return metrics
}

/** Kind and unit of every metric, and the partner's peak day of every peak metric, by month: one row each in TabSeparated. */
async function catalogueOfMonths(clickhouse: ClickHouse, { partnerId, closing, month: closed }: ClosingAttempt, months: readonly Month[]) {
  const peakDays = await clickhouse.work.query(recountedPeakDays, { partnerId, closing })
  const manual = await unbilledManualAdjustments(clickhouse, partnerId)
  const used = new Set([...peakDays, ...manual].map(({ metric }) => metric))
  const defined = (await readMetrics({ clickhouse })).filter(({ metric }) => !isMetricName(metric) && used.has(metric))
  const known = [...DOCUMENTED, ...defined]
  const unknown = [...used].find((name) => !known.some(({ metric }) => metric === name))
  // Its usage would get no line, and months that were billed for it would be corrected to 0.
  if (unknown !== undefined)
    throw new Error(`There is usage or an adjustment of the metric ${unknown}, which is not in the catalogue. Define it with "meterline metrics define".`)
  const rows = months.flatMap((month) =>
    known.map(({ metric, kind, unit }) => {
      const peak = kind === 'peak' ? peakDays.find((each) => each.month === month && each.metric === metric) : undefined
      return row([month, metric, kind, unit, peak?.peakDay ?? null])
    }),
  )
  const isUsed = (metric: string) => peakDays.some((each) => each.month === closed && each.metric === metric)
  const metrics = [...DOCUMENTED, ...defined.filter(({ metric }) => isUsed(metric))]
  return { catalogue: rows.join(''), metrics }
}

const DOCUMENTED: readonly MeasuredMetric[] = METRIC_NAMES.map((metric) => ({ metric, kind: METRICS[metric].kind, unit: METRICS[metric].unit }))

const recountedPeakDays = defineQuery({
  name: 'recounted_peak_days',
  sql: `
    SELECT month, metric, ${PEAK_DAY} AS peakDay
    FROM (
      SELECT month, metric, day, sum(value) AS total
      FROM statement_recounts_v1 ARRAY JOIN days AS day, values AS value
      WHERE partner_id = {partnerId: String} AND closing = {closing: String}
      GROUP BY month, metric, day
    )
    GROUP BY month, metric`,
  params: z.object({ partnerId: z.string(), closing: z.string() }),
  row: z.object({ month: z.string(), metric: z.string(), peakDay: z.string() }),
  settings: { max_execution_time: 600 },
})

const AttemptParams = z.object({
  log: z.string(),
  epoch: z.number(),
  owner: z.string(),
  partnerId: z.string(),
  month: z.string(),
  closing: z.string(),
  catalogue: z.string(),
  closings: z.array(z.string()),
})

/** What all lines of an attempt begin with. */
const INSERT_LINES = `
    INSERT INTO statement_lines_inbox_v1 (log, epoch, owner, partner_id, closing, month, line, for_month, project_id, metric, entry,
      name, status, deleted_at, kind, unit, value, peak_day, own_max, own_max_day, events, reason, region)
    SELECT {log: String}, {epoch: UInt64}, {owner: String}, {partnerId: String}, {closing: String}, {month: String}`

const CATALOGUE = `format(TabSeparated, 'month String, metric String, kind String, unit String, peak_day Nullable(Date)', {catalogue: String})`

/** The share of each project in each month that the attempt has recounted. */
const RECOUNTED_SHARES = `
      SELECT month AS for_month, project_id, metric, kind, unit, peak_day, ${SHARE_OF_MONTH},
        arrayReduce('sum', events) AS events
      FROM (SELECT month, metric, project_id, days, values, events FROM statement_recounts_v1 WHERE partner_id = {partnerId: String} AND closing = {closing: String}) AS recounts
      INNER JOIN ${CATALOGUE} AS catalogue USING (month, metric)`

const PROJECTS = `(SELECT project_id, name, status, deleted_at, region FROM projects_v1 FINAL WHERE partner_id = {partnerId: String}) AS projects`

const LINE_SETTINGS = { max_execution_time: 600 }

const writeUsageLines = defineStatement({
  name: 'write_usage_lines',
  sql: `
    ${INSERT_LINES}, 'usage', for_month, project_id, metric, '',
      name, status, deleted_at, kind, unit, value, peak_day, own_max, own_max_day, events, '', region
    FROM (${RECOUNTED_SHARES}
      WHERE month = {month: String}
    ) AS shares
    LEFT JOIN ${PROJECTS} USING project_id`,
  params: AttemptParams,
  settings: LINE_SETTINGS,
})

/** What was billed before enters with the opposite sign, so that the sum is the correction. */
const writeAdjustmentLines = defineStatement({
  name: 'write_adjustment_lines',
  sql: `
    ${INSERT_LINES}, 'adjustment', for_month, project_id, metric, '',
      name, status, deleted_at, kind, unit, value, peak_day, own_max, own_max_day, events, '${COUNTED_LATER}', region
    FROM (
      SELECT for_month, project_id, metric, max(kind) AS kind, max(unit) AS unit, sum(value) AS value, sum(events) AS events,
        max(peak_day) AS peak_day, max(own_max) AS own_max, max(own_max_day) AS own_max_day
      FROM (
        SELECT for_month, project_id, metric, kind, unit, value, events, peak_day, own_max, own_max_day FROM (${RECOUNTED_SHARES}
          WHERE month != {month: String})
        UNION ALL
        SELECT for_month, project_id, metric, kind, unit, -value, -events, NULL, NULL, NULL FROM statement_lines_v1
        WHERE partner_id = {partnerId: String} AND closing IN {closings: Array(String)}
          AND line IN ('usage', 'adjustment') AND for_month IN {recounted: Array(String)}
      )
      GROUP BY for_month, project_id, metric
      HAVING value != 0
    ) AS corrections
    LEFT JOIN ${PROJECTS} USING project_id`,
  params: AttemptParams.extend({ recounted: z.array(z.string()) }),
  settings: LINE_SETTINGS,
})

const writeManualLines = defineStatement({
  name: 'write_manual_lines',
  sql: `
    ${INSERT_LINES}, 'manual', for_month, project_id, metric, entry,
      name, status, deleted_at, kind, unit, value, NULL, NULL, NULL, 0, reason, region
    FROM (
      SELECT entry, for_month, project_id, metric, value, reason FROM manual_adjustments_v1 FINAL
      WHERE partner_id = {partnerId: String} AND entry NOT IN (
        SELECT entry FROM statement_lines_v1
        WHERE partner_id = {partnerId: String} AND closing IN {closings: Array(String)} AND line = 'manual')
    ) AS entries
    INNER JOIN (SELECT DISTINCT metric, kind, unit FROM ${CATALOGUE}) AS catalogue USING metric
    LEFT JOIN ${PROJECTS} USING project_id`,
  params: AttemptParams,
  settings: LINE_SETTINGS,
})
