import type { z } from 'zod'
import { type Settings, settingsClause } from './session.ts'

/**
 * A question to ClickHouse as one object: its name, its SQL with typed placeholders, and the shapes of what goes in and
 * what comes out. Parameters and rows are checked at the door, so a column that changed its type is an error here and
 * never a wrong number on a bill.
 */
export interface Query<P extends z.ZodObject, R extends z.ZodObject> {
  readonly name: string
  readonly sql: string
  readonly params: P
  readonly row: R
  readonly settings: Settings
}

/** Sessions are opened with it (max_query_size): a statement may carry many identities. */
export const QUERY_TEXT_BYTES_MAX = 16 * 1024 * 1024

const QUERY_SECONDS_MAX = 25
/** Of what works on all there is: closing, audits, exports. What is asked from outside has less (sql/limited-reads.ts). */
const QUERY_BYTES_MAX = 8 * 1024 ** 3

export function defineQuery<P extends z.ZodObject, R extends z.ZodObject>(query: Omit<Query<P, R>, 'settings'> & { settings?: Settings }): Query<P, R> {
  return { ...query, settings: { ...READ_SETTINGS, ...query.settings } }
}

/**
 * A change that the store computes by itself, as INSERT … SELECT: rows that need not come here and back. One object, like a
 * query. It is sent once; on any error the outcome is unknown, unless the fault is `fenced`.
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

/** Decimals and 64-bit integers leave ClickHouse quoted: as bare numbers JSON.parse would round them. */
const READ_SETTINGS: Settings = {
  max_execution_time: QUERY_SECONDS_MAX,
  max_memory_usage: QUERY_BYTES_MAX,
  output_format_json_quote_decimals: 1,
  output_format_json_quote_64bit_integers: 1,
}

/** How long the engine may work on it. A client that waits less takes a slow answer for a broken store. */
export function secondsMaxOf({ settings }: { settings: Settings }): number {
  return Number(settings['max_execution_time'] ?? QUERY_SECONDS_MAX)
}

/** The statement with its parameters written in as literals of their declared types. */
export function renderQuery<P extends z.ZodObject>(query: Statement<P>, params: z.input<P>, more: Settings = {}): string {
  const checked = query.params.parse(params) as Record<string, unknown>
  return `/* meterline:${query.name} */ ${bindParameters(query.sql, checked)}${settingsClause({ ...query.settings, ...more })}`
}

/**
 * Replaces each `{name: Type}` by a literal. Not the engine's own parameters: the embedded engine runs parametrised
 * statements one at a time for the whole process, so one slow report would hold up every look-up of the writer.
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
  throw new Error(`${JSON.stringify(value)} is not a ${type}.`)
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
