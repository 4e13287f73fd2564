import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import { counted } from '../../metering/counted.ts'
import { EVENT_BYTES_MAX } from '../../metering/event.ts'
import type { SentFields } from '../../metering/event-steps.ts'
import { parseExactJson, stringifyExactJson } from '../../metering/exact-json.ts'
import { NumberToken } from '../../metering/quantity.ts'
import type { Rejection, RejectReason } from '../../metering/rejection-reasons.ts'
import { EVENT_FIELDS, type EventField, type Places, type Sources } from './columns.ts'
import { cellsOf } from './csv-record.ts'
import { type LabelField, labelFieldsOf, labelsOf } from './label-columns.ts'
import type { Row } from './row.ts'

/** A row as an event, or why it cannot be sent. */
export interface ReadRow {
  readonly row: Row
  /** Undefined if the row cannot be read. */
  readonly fields: SentFields | undefined
  /** Whether the id was made from the row. */
  readonly isDerived: boolean
  /** The JSON that is sent; undefined if it cannot be. */
  readonly text: string | undefined
  readonly rejection: Rejection | undefined
}

export interface ReadOptions {
  readonly sources: Sources
  /** Part of derived ids: rows of files with different names here are different events. */
  readonly source: string
  /** For CSV. */
  readonly csv: { readonly delimiter: string; readonly columns: number; readonly places: Places } | undefined
}

/**
 * Reads a row. What can be sent is sent, even if it will be rejected: the service decides, and keeps a rejected event with its reason. Here only
 * what is no event at all is rejected.
 */
export function readEvent(row: Row, options: ReadOptions): ReadRow {
  const found = row.problem ?? (isUtf8(row.bytes) ? fieldsOf(row, options) : NOT_UTF8)
  if ('reason' in found) return { row, fields: undefined, isDerived: false, text: undefined, rejection: found as Rejection }
  const isDerived = found.event_id === undefined || found.event_id === null || found.event_id === ''
  const fields = isDerived ? { ...found, event_id: deriveId(found, row.number, options.source) } : found
  const text = textOf(fields)
  const rejection = Buffer.byteLength(text) > EVENT_BYTES_MAX ? TOO_LARGE : undefined
  return { row, fields, isDerived, text: rejection === undefined ? text : undefined, rejection }
}

/**
 * The id of a row that has none: of its fields and its number. So the same row counts once however often its file is imported, also after
 * other rows of the file were corrected or appended, and two equal rows of a file are two events. Labels are no part of an identity.
 */
function deriveId(fields: SentFields, number: number, source: string): string {
  const hash = createHash('sha256').update(`${source}\n${number}\n${textOf({ ...fields, event_id: undefined, labels: undefined })}`)
  return `row-${hash.digest('hex').slice(0, DERIVED_HEX_DIGITS)}`
}

/** 128 bits. */
const DERIVED_HEX_DIGITS = 32

function fieldsOf(row: Row, { sources, csv }: ReadOptions): SentFields | Rejection {
  const read = csv === undefined ? membersOf(row.bytes, sources) : cellsOfRow(row.bytes, csv)
  if ('reason' in read) return read as Rejection
  const { labels: own, ...fields } = { ...read, ...constantsOf(sources) }
  const labels = isObject(own) || own === undefined ? labelsOf(Object.fromEntries(labelFieldsOf(sources.constants)), own) : own
  return labels === undefined ? fields : { ...fields, labels }
}

function constantsOf({ constants }: Sources): Partial<Record<EventField, string>> {
  return Object.fromEntries(EVENT_FIELDS.flatMap((field) => (constants[field] === undefined ? [] : [[field, constants[field]]])))
}

function cellsOfRow(bytes: Buffer, { delimiter, columns, places }: NonNullable<ReadOptions['csv']>): SentFields | Rejection {
  const cells = cellsOf(bytes.toString('utf8'), delimiter)
  if (cells.length !== columns) return reject('invalid_event', `The row has ${counted(cells.length, 'cell')}, and the header ${columns}.`)
  const fields: Partial<Record<EventField, unknown>> = {}
  for (const field of EVENT_FIELDS) {
    const place = places[field]
    if (place !== undefined) fields[field] = cells[place]
  }
  const labels = labelsOf(Object.fromEntries(labelFieldsOf(places).map(([field, place]) => [field, cells[place ?? -1]])))
  return labels === undefined ? fields : { ...fields, labels }
}

function membersOf(bytes: Buffer, { columns }: Sources): SentFields | Rejection {
  let value: unknown
  try {
    value = parseExactJson(bytes.toString('utf8'))
  } catch (cause) {
    return reject('invalid_json', `The row is not JSON (${cause instanceof Error ? cause.message : String(cause)}).`)
  }
  if (!isObject(value)) return reject('invalid_event', 'An event is a JSON object.')
  const fields: Partial<Record<EventField, unknown>> = {}
  for (const field of EVENT_FIELDS) {
    const column = columns[field]
    const found = column === undefined ? ownOf(value, field) : (ownOf(value, column) ?? nestedOf(value, column))
    // An id that another system writes as a number is the same id as a text.
    fields[field] = column !== undefined && field !== 'value' && found instanceof NumberToken ? found.text : found
  }
  const sent = ownOf(value, 'labels')
  if (sent !== undefined && !isObject(sent)) return { ...fields, labels: sent }
  const mapped: Partial<Record<LabelField, unknown>> = {}
  for (const [field, column = ''] of labelFieldsOf(columns)) mapped[field] = ownOf(value, column) ?? nestedOf(value, column)
  const labels = labelsOf(mapped, sent)
  return labels === undefined ? fields : { ...fields, labels }
}

/** "data.value" is the member "value" of the member "data". */
function nestedOf(object: Record<string, unknown>, path: string): unknown {
  return path.split('.').reduce<unknown>((inner, name) => (isObject(inner) ? ownOf(inner, name) : undefined), object)
}

function ownOf(object: Record<string, unknown>, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof NumberToken)
}

/** The JSON of an event, in which numbers have the digits with which they were written. */
export function textOf(fields: SentFields): string {
  const members = [...EVENT_FIELDS, 'labels' as const].filter((field) => fields[field] !== undefined).map((field) => `"${field}":${valueText(fields[field])}`)
  return `{${members.join(',')}}`
}

function valueText(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value)
  return value instanceof NumberToken ? value.text : stringifyExactJson(value)
}

function reject(reason: RejectReason, message: string): Rejection {
  return { reason, message }
}

const NOT_UTF8 = reject('invalid_json', 'The row is not UTF-8. Save the file as UTF-8.')
const TOO_LARGE = reject('too_large', `One event has at most ${EVENT_BYTES_MAX} bytes.`)
