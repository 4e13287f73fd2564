import { z } from 'zod'
import { type Month, periodOfMonth } from '../../metering/month.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { row } from '../../sql/tab-separated.ts'
import { EVENTS_THAT_COUNT, perSource, readSource } from '../usage/effective-usage.ts'
import { KNOWN_METRIC } from '../usage/known-metrics.ts'
import { PROJECT_VALUE_FROM_ROLLUP } from '../usage/peak-or-sum.ts'
import { PROJECTS_OF_PARTNER } from '../usage/projects-of-partner.ts'
import { findMissingRecount, type MissingRecount } from './byte-day-corrections.ts'
import { AS_TEXT, type ClosedStatementKey, EXACT_ROW_SETTINGS } from './canonical-lines.ts'
import { BYTE_DAYS_OF_LINE, readClosedLinesWithByteDays } from './lines-with-byte-days.ts'
import { unbilledManualAdjustments } from './manual-adjustments.ts'
import { listStatements, type Statement } from './read-statements.ts'
import { DAYS_OF_MONTH, SHARE_OF_MONTH } from './share-of-month.ts'
import { readUnbilledByteDays, type UnbilledByteDays } from './unbilled-byte-days.ts'

/**
 * The lines of a statement as the API returns them: one JSON object per line, with exact numbers. They are streamed as the store
 * writes them, because a partner may have some hundred thousand.
 */
export interface StatementLinesJson {
  readonly projects: AsyncIterable<Uint8Array>
  readonly adjustments: AsyncIterable<Uint8Array>
}

export interface LinesOptions {
  readonly nowMs: number
  /** Whether lines of peak metrics also have their byte-days. */
  readonly withByteDays: boolean
}

export type LinesOutcome = { status: 'read'; lines: StatementLinesJson } | { status: 'byte_days_unknown'; missing: MissingRecount }

/**
 * For a closed month the lines that were written; for an open one what they would be by now. Whether byte-days are known is checked
 * before the first line. Throws StoreError.
 */
export function readLinesAsJson(clickhouse: ClickHouse, partnerId: string, statement: Statement, options: LinesOptions): Promise<LinesOutcome> {
  const { header } = statement
  if (header === undefined) return readOpenLines(clickhouse, partnerId, statement, options)
  return readClosedLines(clickhouse, { partnerId, closing: header.closing, month: statement.month }, options)
}

async function readClosedLines(
  clickhouse: ClickHouse,
  { partnerId, closing, month }: ClosedStatementKey & { readonly month: Month },
  { withByteDays }: LinesOptions,
): Promise<LinesOutcome> {
  const { reads } = clickhouse
  const key = { partnerId, closing }
  if (!withByteDays) {
    const projects = reads.bytes(closedProjectLines, key, 'JSONEachRow')
    return { status: 'read', lines: { projects, adjustments: reads.bytes(closedAdjustmentLines, key, 'JSONEachRow') } }
  }
  const missing = await findMissingRecount(reads, { closings: [[partnerId, closing]], month })
  if (missing !== undefined) return { status: 'byte_days_unknown', missing }
  return { status: 'read', lines: readClosedLinesWithByteDays(clickhouse, key, month) }
}

async function readOpenLines(clickhouse: ClickHouse, partnerId: string, { month, totals, isNext }: Statement, options: LinesOptions): Promise<LinesOutcome> {
  const { first: from, end } = periodOfMonth(month)
  const catalogue = totals.map(({ metric, kind, peakDay }) => row([metric, kind, peakDay])).join('')
  const projects = openLines(clickhouse, { partnerId, from, end, catalogue }, options.withByteDays)
  if (!isNext) return { status: 'read', lines: { projects, adjustments: nothing() } }
  const before = (await listStatements(clickhouse, partnerId, options.nowMs)).filter((each) => each.month < month)
  const unbilled = options.withByteDays ? await readUnbilledByteDays(clickhouse, partnerId, before) : undefined
  if (unbilled?.status === 'byte_days_unknown') return unbilled
  return { status: 'read', lines: { projects, adjustments: pendingAdjustments(clickhouse, { partnerId, before, byteDaysOf: unbilled?.byteDaysOf }) } }
}

async function* openLines({ reads }: ClickHouse, open: z.output<typeof OpenMonth>, withByteDays: boolean): AsyncIterable<Uint8Array> {
  const query = withByteDays ? openProjectLinesWithByteDays : openProjectLines
  yield* reads.bytes(query[await readSource(reads, open)], open, 'JSONEachRow')
}

/** What the next statement will correct: first what is unbilled now, by month and metric, then the manual lines. */
async function* pendingAdjustments(clickhouse: ClickHouse, { partnerId, before, byteDaysOf }: Pending): AsyncIterable<Uint8Array> {
  const lines = before.flatMap((statement) =>
    statement.totals.flatMap(({ metric, unbilled }) => {
      const byteDays = byteDaysOf?.(statement, metric)
      if (unbilled === '0' && (byteDays ?? '0') === '0') return []
      return [jsonLine({ forMonth: statement.month, projectId: '', metric, line: 'adjustment', value: unbilled, reason: NOT_BILLED_YET, byteDays })]
    }),
  )
  const manual = await unbilledManualAdjustments(clickhouse, partnerId)
  const byteDays = byteDaysOf === undefined ? undefined : null
  yield Buffer.from([...lines, ...manual.map((entry) => jsonLine({ ...entry, line: 'manual', byteDays }))].join(''))
}

interface Pending {
  readonly partnerId: string
  /** The statements of the months before. */
  readonly before: readonly Statement[]
  /** Set for lines with byte-days. */
  readonly byteDaysOf: UnbilledByteDays | undefined
}

const NOT_BILLED_YET = 'not billed yet; it is recounted when this month is closed'

interface AdjustmentLine {
  readonly forMonth: Month
  readonly projectId: string
  readonly metric: string
  readonly line: string
  /** Already written as a plain JSON number. */
  readonly value: string
  readonly reason: string
  /** The same; null for a line without byte-days, undefined without the field. */
  readonly byteDays: string | null | undefined
}

function jsonLine({ forMonth, projectId, metric, line, value, reason, byteDays }: AdjustmentLine): string {
  const project = projectId === '' ? 'null' : JSON.stringify(projectId)
  return `{"for_month":"${forMonth}","project_id":${project},"metric":"${metric}","kind":"${line}","value":${value},"reason":${JSON.stringify(reason)}${byteDays === undefined ? '' : `,"byte_days":${byteDays}`}}\n`
}

async function* nothing(): AsyncIterable<Uint8Array> {}

const ProjectLine = z.object({
  project_id: z.string(),
  name: z.string(),
  status: z.string(),
  deleted_at: z.string().nullable(),
  metric: z.string(),
  value: z.string(),
  own_max: z.string().nullable(),
  own_max_day: z.string().nullable(),
  events: z.string(),
})

const closedProjectLines = defineQuery({
  name: 'closed_project_lines',
  sql: `SELECT project_id, name, toString(status) AS status, ${AS_TEXT.time('stored.deleted_at')} AS deleted_at, toString(metric) AS metric, value, own_max, own_max_day, events
        FROM (SELECT * FROM statement_lines_v1 WHERE partner_id = {partnerId: String} AND closing = {closing: String} AND line = 'usage') AS stored
        ORDER BY project_id, metric`,
  params: z.object({ partnerId: z.string(), closing: z.string() }),
  row: ProjectLine,
  settings: EXACT_ROW_SETTINGS,
})

const closedAdjustmentLines = defineQuery({
  name: 'closed_adjustment_lines',
  sql: `SELECT for_month, nullIf(project_id, '') AS project_id, toString(metric) AS metric, toString(line) AS kind, value, nullIf(reason, '') AS reason
        FROM (SELECT * FROM statement_lines_v1 WHERE partner_id = {partnerId: String} AND closing = {closing: String} AND line != 'usage') AS stored
        ORDER BY line, for_month, stored.project_id, stored.metric, entry`,
  params: z.object({ partnerId: z.string(), closing: z.string() }),
  row: z.object({
    for_month: z.string(),
    project_id: z.string().nullable(),
    metric: z.string(),
    kind: z.string(),
    value: z.string(),
    reason: z.string().nullable(),
  }),
  settings: EXACT_ROW_SETTINGS,
})

const OpenMonth = z.object({ partnerId: z.string(), from: z.string(), end: z.string(), catalogue: z.string() })

/** `catalogue` has the kind of each metric and the peak days of the statement's totals, so that the lines add up to these totals. */
const openProjectLinesWith = (more: { readonly names: string; readonly sql: string }) =>
  perSource((source) =>
    defineQuery({
      name: 'open_project_lines',
      sql: `
    SELECT project_id, projects.name AS name, toString(projects.status) AS status, ${AS_TEXT.time('projects.deleted_at')} AS deleted_at,
      toString(metric) AS metric, value, own_max, own_max_day, events${more.names}
    FROM (
      SELECT project_id, metric, ${SHARE_OF_MONTH}${more.sql},
        arrayReduce('sum', events_per_day) AS events
      FROM (
        SELECT project_id, metric, per_day.1 AS days, per_day.2 AS values, per_day.3 AS events_per_day
        FROM (
          SELECT project_id, metric, ${DAYS_OF_MONTH} AS per_day
          FROM (
            SELECT project_id, usage_date, metric, ${EVENTS_THAT_COUNT} AS day_events, ${PROJECT_VALUE_FROM_ROLLUP} AS day_value
            FROM ${source(`usage_date >= {from: Date} AND usage_date < {end: Date} AND project_id IN (${PROJECTS_OF_PARTNER}) AND ${KNOWN_METRIC}`)}
            GROUP BY project_id, usage_date, metric HAVING day_events > 0
          )
          GROUP BY project_id, metric
        )
      ) AS months
      LEFT JOIN format(TabSeparated, 'metric String, kind String, peak_day Nullable(Date)', {catalogue: String}) AS catalogue USING metric
    ) AS shares
    LEFT JOIN (SELECT project_id, name, status, deleted_at FROM projects_v1 FINAL WHERE partner_id = {partnerId: String}) AS projects USING project_id
    ORDER BY project_id, metric`,
      params: OpenMonth,
      row: ProjectLine,
      settings: EXACT_ROW_SETTINGS,
    }),
  )

const openProjectLines = openProjectLinesWith({ names: '', sql: '' })
const openProjectLinesWithByteDays = openProjectLinesWith({ names: ', byte_days, days_with_samples', sql: `, ${BYTE_DAYS_OF_LINE}` })
