import { z } from 'zod'
import { STATEMENT_LINES } from '../../contract/fields.ts'
import type { Lane } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import type { Settings } from '../../sql/session.ts'

/** Which statement: the header of a closed month names its closing. Rows of a closing without a header are no statement. */
export interface ClosedStatementKey {
  readonly partnerId: string
  readonly closing: string
}

/**
 * The canonical form of a closed statement: its lines as NDJSON, in canonical order. A statement's `sha256` is over exactly
 * these bytes, so nothing here may ever change for a closing that was written. Kind by kind, because within one the store
 * reads the lines in their order and sorts nothing, however many there are. Throws StoreError.
 */
export async function* streamCanonical(lane: Lane, { partnerId, closing }: ClosedStatementKey): AsyncIterable<Uint8Array> {
  for (const line of STATEMENT_LINES) yield* lane.bytes(closedStatementRows, { partnerId, closing, line }, 'JSONEachRow')
}

/** How a format wants what people have named, decimals, days and times. What goes in and comes out is SQL. */
export interface Wording {
  text(sql: string): string
  decimal(sql: string): string
  day(sql: string): string
  time(sql: string): string
}

/** From a table with the columns of statement_lines_v1, by the name `rows`. What does not apply is null, never an empty text. */
export function selectExportRows({ text, decimal, day, time }: Wording): string {
  return `
    SELECT
      toString(rows.partner_id) AS partner_id,
      toString(rows.month) AS month,
      toString(rows.line) AS line,
      toString(rows.for_month) AS for_month,
      ${text("nullIf(rows.project_id, '')")} AS project_id,
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

/** Days and times as texts, so that no setting of the store words them. */
export const AS_TEXT: Wording = {
  text: (sql) => sql,
  decimal: (sql) => sql,
  day: (sql) => `formatDateTime(${sql}, '%Y-%m-%d', 'UTC')`,
  time: (sql) => `formatDateTime(${sql}, '%Y-%m-%dT%H:%i:%S', 'UTC') || '.' || leftPad(toString(toUnixTimestamp64Milli(${sql}) % 1000), 3, '0') || 'Z'`,
}

/** Everything that could word a row otherwise, said and not left to a default of the engine. */
export const EXACT_ROW_SETTINGS: Settings = {
  output_format_json_quote_decimals: 0,
  output_format_json_quote_64bit_integers: 0,
  output_format_json_escape_forward_slashes: 0,
  output_format_json_array_of_rows: 0,
  output_format_json_validate_utf8: 0,
  output_format_decimal_trailing_zeros: 0,
  session_timezone: 'UTC',
  optimize_read_in_order: 1,
  // Rows come in pieces of so many: a reader that takes nothing holds one piece in memory.
  max_block_size: 4_096,
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

/** Of one kind, in their order. */
export const FROM_CLOSED_LINES = `
    FROM statement_lines_v1 AS rows
    WHERE rows.partner_id = {partnerId: String} AND rows.closing = {closing: String} AND rows.line = {line: String}
    ORDER BY rows.for_month, rows.project_id, rows.metric, rows.entry`
export const ClosedLinesOf = z.object({ partnerId: z.string(), closing: z.string(), line: z.enum(STATEMENT_LINES) })

const closedStatementRows = defineQuery({
  name: 'closed_statement_rows',
  sql: `${selectExportRows(AS_TEXT)} ${FROM_CLOSED_LINES}`,
  params: ClosedLinesOf,
  row: ExportRow,
  settings: EXACT_ROW_SETTINGS,
})
