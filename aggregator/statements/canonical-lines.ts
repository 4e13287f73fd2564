import { createHash } from 'node:crypto'
import { z } from 'zod'
import { STATEMENT_LINES } from '../../contract/lists.ts'
import type { ClickHouse, Lane } from '../../sql/clickhouse.ts'
import { StoreError } from '../../sql/errors.ts'
import { defineQuery } from '../../sql/query.ts'
import { queryOne } from '../../sql/query-one.ts'
import type { Settings } from '../../sql/session.ts'

/** Names the lines of a statement: the header of a closed month names its closing. Lines of a closing without a header are no statement. */
export interface ClosedStatementKey {
  readonly partnerId: string
  readonly closing: string
}

/**
 * The canonical form of a closed statement: its lines as NDJSON, in canonical order. The `sha256` of a statement is the hash of exactly
 * these bytes, so nothing here may ever change for a closing that was written. One kind of line at a time, because within a kind the
 * store reads the lines in their order and never has to sort, however many there are. Throws StoreError.
 */
export async function* streamCanonicalLines(lane: Lane, { partnerId, closing }: ClosedStatementKey): AsyncIterable<Uint8Array> {
  for (const line of STATEMENT_LINES) yield* lane.bytes(closedStatementRows, { partnerId, closing, line }, 'JSONEachRow')
}

/** The same lines as groups of TabSeparated lines. Throws StoreError. */
export async function* streamClosedLines(lane: Lane, { partnerId, closing }: ClosedStatementKey): AsyncIterable<string[]> {
  for (const line of STATEMENT_LINES) yield* lane.lines(closedStatementRows, { partnerId, closing, line })
}

/** SHA-256 in hex over the canonical lines as they are read back, and the number of lines. Throws StoreError. */
export async function hashStatement({ work }: ClickHouse, { partnerId, closing }: ClosedStatementKey): Promise<{ lines: number; sha256: string }> {
  const hash = createHash('sha256')
  let lines = 0
  for await (const chunk of streamCanonicalLines(work, { partnerId, closing })) {
    hash.update(chunk)
    for (let at = chunk.indexOf(LINE_FEED); at !== -1; at = chunk.indexOf(LINE_FEED, at + 1)) lines += 1
  }
  // If the stream ended early, the hash of a part would become the hash of the statement.
  const stored = await queryOne(work, storedLines, { partnerId, closing })
  if (stored.lines !== lines) throw new StoreError('unavailable', `${lines} lines of a statement were read back, but ${stored.lines} are stored.`)
  return { lines, sha256: hash.digest('hex') }
}

const LINE_FEED = 0x0a

/** How a format writes names that people chose, decimals, days and times. Both the argument and the result are SQL. */
export interface ValueFormat {
  text(sql: string): string
  decimal(sql: string): string
  day(sql: string): string
  time(sql: string): string
}

/** Reads a table `rows` with the columns of statement_lines_v1. A value that does not apply is null, never an empty text. */
export function selectExportRows({ text, decimal, day, time }: ValueFormat): string {
  return `
    SELECT
      toString(rows.partner_id) AS partner_id,
      toString(rows.month) AS month,
      toString(rows.line) AS line,
      toString(rows.for_month) AS for_month,
      nullIf(rows.project_id, '') AS project_id,
      ${text("nullIf(rows.name, '')")} AS name,
      nullIf(toString(rows.status), '') AS status,
      ${time('rows.deleted_at')} AS deleted_at,
      toString(rows.metric) AS metric,
      toString(rows.kind) AS kind,
      toString(rows.unit) AS unit,
      ${decimal('rows.value')} AS value,
      ${day('rows.peak_day')} AS peak_day,
      ${decimal('rows.own_max')} AS own_max,
      ${day('rows.own_max_day')} AS own_max_day,
      rows.events AS events,
      ${text("nullIf(rows.reason, '')")} AS reason`
}

/** Days and times are formatted here, so that no setting of the store can change how they are written. */
export const AS_TEXT: ValueFormat = {
  text: (sql) => sql,
  decimal: (sql) => sql,
  day: (sql) => `formatDateTime(${sql}, '%Y-%m-%d', 'UTC')`,
  time: (sql) => `formatDateTime(${sql}, '%Y-%m-%dT%H:%i:%S', 'UTC') || '.' || leftPad(toString(toUnixTimestamp64Milli(${sql}) % 1000), 3, '0') || 'Z'`,
}

/** Every setting that could change how a row is written is set here and not left to a default of the engine. */
export const EXACT_ROW_SETTINGS: Settings = {
  output_format_json_quote_decimals: 0,
  output_format_json_quote_64bit_integers: 0,
  output_format_json_escape_forward_slashes: 0,
  output_format_json_array_of_rows: 0,
  output_format_json_validate_utf8: 0,
  output_format_decimal_trailing_zeros: 0,
  session_timezone: 'UTC',
  optimize_read_in_order: 1,
  // Rows arrive in chunks of this size: while a client reads nothing, one chunk is in memory.
  max_block_size: 4_096,
  // Otherwise the engine reads some 350,000 rows ahead of a client.
  read_in_order_use_buffering: 0,
  max_execution_time: 3600,
}

export const ExportRow = z.object({
  partner_id: z.string(),
  month: z.string(),
  line: z.enum(STATEMENT_LINES),
  for_month: z.string(),
  project_id: z.string().nullable(),
  name: z.string().nullable(),
  status: z.string().nullable(),
  deleted_at: z.string().nullable(),
  metric: z.string(),
  kind: z.string(),
  unit: z.string(),
  value: z.string(),
  peak_day: z.string().nullable(),
  own_max: z.string().nullable(),
  own_max_day: z.string().nullable(),
  events: z.string(),
  reason: z.string().nullable(),
})

/** The lines of one kind of a closed statement, in canonical order. */
export const FROM_CLOSED_LINES = `
    FROM statement_lines_v1 AS rows
    WHERE rows.partner_id = {partnerId: String} AND rows.closing = {closing: String} AND rows.line = {line: String}
    ORDER BY rows.for_month, rows.project_id, rows.metric, rows.entry`
export const ClosedLinesParams = z.object({ partnerId: z.string(), closing: z.string(), line: z.enum(STATEMENT_LINES) })

const closedStatementRows = defineQuery({
  name: 'closed_statement_rows',
  sql: `${selectExportRows(AS_TEXT)} ${FROM_CLOSED_LINES}`,
  params: ClosedLinesParams,
  row: ExportRow,
  settings: EXACT_ROW_SETTINGS,
})

const storedLines = defineQuery({
  name: 'stored_statement_lines',
  sql: 'SELECT count() AS lines FROM statement_lines_v1 WHERE partner_id = {partnerId: String} AND closing = {closing: String}',
  params: z.object({ partnerId: z.string(), closing: z.string() }),
  row: z.object({ lines: z.coerce.number() }),
})
