import { createHash } from 'node:crypto'
import { z } from 'zod'
import { isMetricName, METRIC_NAMES, METRICS, type MetricName } from '../../metering/metrics.ts'
import type { Month } from '../../metering/month.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { StoreError } from '../../sql/errors.ts'
import { leaseTag } from '../../sql/lease.ts'
import { defineQuery, defineStatement } from '../../sql/query.ts'
import { queryOne } from '../../sql/query-one.ts'
import { row } from '../../sql/tab-separated.ts'
import { streamCanonical } from './canonical-lines.ts'
import type { StatementHeader } from './headers.ts'
import type { ClosingAttempt } from './recount-months.ts'

/** The correction of a whole month that takes more back than it adds: only a repaired fault can have led to it. */
export interface NegativeAdjustment {
  readonly forMonth: Month
  readonly metric: MetricName
  readonly value: string
}

export interface LineSources {
  /** The statements closed before, ascending. */
  readonly closed: readonly StatementHeader[]
  /** The months that this attempt has recounted, its own among them. */
  readonly recounted: readonly Month[]
}

/**
 * Writes the lines of an attempt, computed by the store from its recount:
 * 1. usage: each project's share of the month. Of a peak that is its value on the day on which the partner's projects
 *    together were greatest (the earliest on ties), so that the lines add up to the partner's peak.
 * 2. adjustment: of each recounted month before, the share now less what was billed for it (its statement and the
 *    adjustments since). After a new peak day a project's line may be negative; the sum of the month may not.
 * 3. manual: what operators have put there and no statement has yet.
 * Throws StoreError.
 */
export async function writeStatementLines(
  clickhouse: ClickHouse,
  attempt: ClosingAttempt,
  { closed, recounted }: LineSources,
): Promise<{ negative: readonly NegativeAdjustment[] }> {
  const { partnerId, month, closing, ownership } = attempt
  const { name: log, epoch, owner } = ownership
  const peakDays = await clickhouse.work.query(recountedPeakDays, { partnerId, closing })
  const unknown = peakDays.find(({ metric }) => !isMetricName(metric))
  // It would be left out of the lines, and taken back from months that billed it.
  if (unknown !== undefined) throw new Error(`There are events of the metric ${unknown.metric}, which the catalogue does not know any more. Put it back.`)
  const metrics = recounted.flatMap((forMonth) =>
    METRIC_NAMES.map((metric) => {
      const peak = peakDays.find((each) => each.month === forMonth && each.metric === metric)
      return row([forMonth, metric, METRICS[metric].kind, METRICS[metric].unit, METRICS[metric].kind === 'peak' ? (peak?.peak_day ?? null) : null])
    }),
  )
  const params = { log, epoch, owner, partnerId, month, closing, metrics: metrics.join(''), closings: closed.map((header) => header.closing) }
  await clickhouse.work.execute(writeUsageLines, params, leaseTag(log))
  if (recounted.length > 1) await clickhouse.work.execute(writeAdjustmentLines, { ...params, recounted: [...recounted] }, leaseTag(log))
  await clickhouse.work.execute(writeManualLines, params, leaseTag(log))
  const negative = await clickhouse.work.query(negativeAdjustments, { partnerId, closing })
  return { negative: negative.map(({ for_month, metric, value }) => ({ forMonth: for_month, metric, value })) }
}

/** Corrections below zero on statements that were closed within the last 30 days, of all partners. Throws StoreError. */
export async function countNegativeAdjustments({ work }: ClickHouse): Promise<number> {
  const counted = await queryOne(work, recentNegativeAdjustments, {})
  return counted.negative
}

/** SHA-256, in hex, over the lines as they are read back, and how many they are. Throws StoreError. */
export async function hashStatement({ work }: ClickHouse, { partnerId, closing }: ClosingAttempt): Promise<{ lines: number; sha256: string }> {
  const hash = createHash('sha256')
  let lines = 0
  for await (const piece of streamCanonical(work, { partnerId, closing })) {
    hash.update(piece)
    for (let at = piece.indexOf(LINE_FEED); at !== -1; at = piece.indexOf(LINE_FEED, at + 1)) lines += 1
  }
  // A stream that ended early would make the hash of a part the hash of the statement.
  const [stored] = await work.query(storedLines, { partnerId, closing })
  if (stored?.lines !== lines) throw new StoreError('unavailable', `${lines} lines of a statement were read back, ${stored?.lines} are stored.`)
  return { lines, sha256: hash.digest('hex') }
}

const storedLines = defineQuery({
  name: 'stored_statement_lines',
  sql: 'SELECT count() AS lines FROM statement_lines_v1 WHERE partner_id = {partnerId: String} AND closing = {closing: String}',
  params: z.object({ partnerId: z.string(), closing: z.string() }),
  row: z.object({ lines: z.coerce.number() }),
})

const LINE_FEED = 0x0a

const Attempt = z.object({
  log: z.string(),
  epoch: z.number(),
  owner: z.string(),
  partnerId: z.string(),
  month: z.string(),
  closing: z.string(),
  metrics: z.string(),
  closings: z.array(z.string()),
})

const recountedPeakDays = defineQuery({
  name: 'recounted_peak_days',
  sql: `
    SELECT month, metric, argMax(day, (total, -toInt32(day))) AS peak_day
    FROM (
      SELECT month, metric, day, sum(value) AS total
      FROM statement_recounts_v1 ARRAY JOIN days AS day, values AS value
      WHERE partner_id = {partnerId: String} AND closing = {closing: String}
      GROUP BY month, metric, day
    )
    GROUP BY month, metric`,
  params: z.object({ partnerId: z.string(), closing: z.string() }),
  row: z.object({ month: z.string(), metric: z.string(), peak_day: z.string() }),
  settings: { max_execution_time: 600 },
})

const METRICS_OF_MONTHS = `format(TabSeparated, 'month String, metric String, kind String, unit String, peak_day Nullable(Date)', {metrics: String})`

/** What each project has of a recounted month: its share of what the partner is billed, and, of a peak, its own greatest day. */
const SHARES = `
      SELECT month AS for_month, project_id, metric, kind, unit, peak_day,
        if(kind = 'peak', if(has(days, assumeNotNull(peak_day)), values[indexOf(days, assumeNotNull(peak_day))], toDecimal256(0, 9)), arrayReduce('sum', values)) AS value,
        if(kind = 'peak', arrayReduce('max', values), NULL) AS own_max,
        if(kind = 'peak', days[indexOf(values, arrayReduce('max', values))], NULL) AS own_max_day,
        arrayReduce('sum', events) AS events
      FROM (SELECT month, metric, project_id, days, values, events FROM statement_recounts_v1 WHERE partner_id = {partnerId: String} AND closing = {closing: String}) AS recounts
      INNER JOIN ${METRICS_OF_MONTHS} AS catalogue USING (month, metric)`

const PROJECTS = `(SELECT project_id, name, status, deleted_at FROM projects_v1 FINAL WHERE partner_id = {partnerId: String}) AS projects`

const INTO_LINES = `INSERT INTO statement_lines_inbox_v1 (log, epoch, owner, partner_id, closing, month, line, for_month, project_id, metric, entry,
      name, status, deleted_at, kind, unit, value, peak_day, own_max, own_max_day, events, reason)
    SELECT {log: String}, {epoch: UInt64}, {owner: String}, {partnerId: String}, {closing: String}, {month: String}`

const LINE_SETTINGS = { max_execution_time: 600 }

const writeUsageLines = defineStatement({
  name: 'write_usage_lines',
  sql: `
    ${INTO_LINES}, 'usage', for_month, project_id, metric, '',
      name, status, deleted_at, kind, unit, value, peak_day, own_max, own_max_day, events, ''
    FROM (${SHARES}
      WHERE month = {month: String}) AS shares
    LEFT JOIN ${PROJECTS} USING project_id`,
  params: Attempt,
  settings: LINE_SETTINGS,
})

/** What was billed before stands with the opposite sign, so that the sum is the correction. */
const writeAdjustmentLines = defineStatement({
  name: 'write_adjustment_lines',
  sql: `
    ${INTO_LINES}, 'adjustment', for_month, project_id, metric, '',
      name, status, deleted_at, kind, unit, value, peak_day, own_max, own_max_day, events, 'counted after the month was billed'
    FROM (
      SELECT for_month, project_id, metric, max(kind) AS kind, max(unit) AS unit, sum(value) AS value, sum(events) AS events,
        max(peak_day) AS peak_day, max(own_max) AS own_max, max(own_max_day) AS own_max_day
      FROM (
        SELECT for_month, project_id, metric, kind, unit, value, events, peak_day, own_max, own_max_day FROM (${SHARES}
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
  params: Attempt.extend({ recounted: z.array(z.string()) }),
  settings: LINE_SETTINGS,
})

const writeManualLines = defineStatement({
  name: 'write_manual_lines',
  sql: `
    ${INTO_LINES}, 'manual', for_month, project_id, metric, entry,
      name, status, deleted_at, kind, unit, value, NULL, NULL, NULL, 0, reason
    FROM (
      SELECT entry, for_month, project_id, metric, value, reason FROM manual_adjustments_v1 FINAL
      WHERE partner_id = {partnerId: String} AND entry NOT IN (
        SELECT entry FROM statement_lines_v1
        WHERE partner_id = {partnerId: String} AND closing IN {closings: Array(String)} AND line = 'manual')
    ) AS entries
    INNER JOIN (SELECT DISTINCT metric, kind, unit FROM ${METRICS_OF_MONTHS}) AS catalogue USING metric
    LEFT JOIN ${PROJECTS} USING project_id`,
  params: Attempt,
  settings: LINE_SETTINGS,
})

const negativeAdjustments = defineQuery({
  name: 'negative_adjustments',
  sql: `SELECT for_month, metric, sum(value) AS value FROM statement_lines_v1
        WHERE partner_id = {partnerId: String} AND closing = {closing: String} AND line = 'adjustment'
        GROUP BY for_month, metric HAVING value < 0 ORDER BY for_month, metric`,
  params: z.object({ partnerId: z.string(), closing: z.string() }),
  row: z.object({ for_month: z.string(), metric: z.enum(METRIC_NAMES), value: z.string() }),
})

const recentNegativeAdjustments = defineQuery({
  name: 'recent_negative_adjustments',
  sql: `SELECT count() AS negative FROM (
          SELECT partner_id, closing, for_month, metric FROM statement_lines_v1
          WHERE line = 'adjustment' AND (partner_id, closing) IN (SELECT partner_id, closing FROM statements_v1 WHERE closed_at > now() - INTERVAL 30 DAY)
          GROUP BY partner_id, closing, for_month, metric HAVING sum(value) < 0)`,
  params: z.object({}),
  row: z.object({ negative: z.coerce.number() }),
})
