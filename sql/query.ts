// The escaping of parameters (`literal` and `quote`, below) is security-critical: an error in it is an SQL injection.
import type { z } from 'zod'
import { type Settings, settingsClause } from './session.ts'

/**
 * A query to ClickHouse as one object: its name, its SQL with typed placeholders, and the schemas of its parameters and rows.
 * Both are validated here, so a column that changed its type is an error and never a wrong number on a bill.
 */
export interface Query<P extends z.ZodObject, R extends z.ZodObject> {
  readonly name: string
  readonly sql: string
  readonly params: P
  readonly row: R
  readonly settings: Settings
}

/** The length of a statement, which may contain the identities of many events. */
export const QUERY_TEXT_BYTES_MAX = 16 * 1024 * 1024

/**
 * The settings of every session. The length cannot be among the settings of a statement, because the statement's text is read before
 * its settings apply. Nothing is compiled, because compiling an expression takes longer than most statements here run.
 */
export const SESSION_SETTINGS: Settings = {
  max_query_size: QUERY_TEXT_BYTES_MAX,
  compile_expressions: 0,
  compile_aggregate_expressions: 0,
  compile_sort_description: 0,
}

const QUERY_SECONDS_MAX = 25
/** The memory limit of internal queries: closing, audits, exports. Queries of API callers have less (sql/limited-reads.ts). */
export const QUERY_BYTES_MAX = 8 * 1024 ** 3

export function defineQuery<P extends z.ZodObject, R extends z.ZodObject>(query: Omit<Query<P, R>, 'settings'> & { settings?: Settings }): Query<P, R> {
  return { ...query, settings: { ...READ_SETTINGS, ...query.settings } }
}

/** For a query that reads few rows: starting threads takes longer than what they save. */
export const IN_ONE_THREAD: Settings = { max_threads: 1 }

/**
 * A change that ClickHouse computes itself, such as INSERT … SELECT, so that its rows are not sent here and back. Like a query, it
 * is one object. It is sent once; after an error the outcome is unknown, unless the fault is `fenced`.
 */
export interface Statement<P extends z.ZodObject> {
  readonly name: string
  readonly sql: string
  readonly params: P
  readonly settings: Settings
}

export function defineStatement<P extends z.ZodObject>(statement: Omit<Statement<P>, 'settings'> & { settings?: Settings }): Statement<P> {
  return { ...statement, settings: { max_memory_usage: QUERY_BYTES_MAX, ...statement.settings } }
}

/** ClickHouse quotes decimals and 64-bit integers in its JSON, because JSON.parse would round bare numbers. */
const READ_SETTINGS: Settings = {
  max_execution_time: QUERY_SECONDS_MAX,
  max_memory_usage: QUERY_BYTES_MAX,
  output_format_json_quote_decimals: 1,
  output_format_json_quote_64bit_integers: 1,
}

/** How long the engine may run it. A client that waits less would mistake a slow query for an unavailable store. */
export function secondsMaxOf({ settings }: { settings: Settings }): number {
  return Number(settings['max_execution_time'] ?? QUERY_SECONDS_MAX)
}

/** Returns the SQL text of a statement, with its parameters as literals of their declared types. */
export function renderQuery<P extends z.ZodObject>(query: Statement<P>, params: z.input<P>, more: Settings = {}): string {
  const checked = query.params.parse(params) as Record<string, unknown>
  return `/* meterline:${query.name} */ ${bindParameters(query.sql, checked)}${settingsClause({ ...query.settings, ...more })}`
}

/**
 * Replaces each `{name: Type}` with an escaped literal. ClickHouse's own query parameters are not used, because the embedded engine
 * runs statements with parameters one at a time in the whole process, so a slow report would delay every insert.
 */
export function bindParameters(sql: string, params: Record<string, unknown>): string {
  return sql.replace(/\{(\w+): ([\w(), ]+)\}/g, (_, name: string, type: string) => {
    if (!Object.hasOwn(params, name)) throw new Error(`The parameter {${name}: ${type}} has no value.`)
    return literal(type.trim(), params[name])
  })
}

function literal(type: string, value: unknown): string {
  const array = /^Array\((.+)\)$/.exec(type)
  if (array !== null) {
    const items = elements(value, () => array[1] ?? '')
    return items.length === 0 ? `CAST([], '${type}')` : `[${items.join(', ')}]`
  }
  const tuple = /^Tuple\((.+)\)$/.exec(type)
  const types = tuple?.[1]?.split(',').map((each) => each.trim())
  if (types !== undefined) return `(${elements(value, (index) => types[index] ?? '').join(', ')})`
  if (type === 'String' && typeof value === 'string') return quote(value)
  if (type === 'Date' && typeof value === 'string' && /^\d{4}-\d\d-\d\d$/.test(value)) return `toDate(${quote(value)})`
  if (type === 'UInt64' && isUnsigned(value)) return `toUInt64(${value})`
  if (type === 'Int64' && Number.isSafeInteger(value)) return `toInt64(${value})`
  throw new Error(`${JSON.stringify(value)} is not a valid ${type}.`)
}

function elements(value: unknown, typeAt: (index: number) => string): string[] {
  if (!Array.isArray(value)) throw new Error(`${JSON.stringify(value)} is not a list.`)
  return value.map((each, index) => literal(typeAt(index), each))
}

function isUnsigned(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
