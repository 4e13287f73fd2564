import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import { EVENT_ID_CODE_POINTS_MAX } from '../metering/event.ts'
import { parseExactJson } from '../metering/exact-json.ts'

/** One event as it arrived, not judged yet: the five fields that may stand in it, and its own bytes. */
export interface Arrival {
  /** 0-based place in the request; for NDJSON the line. */
  readonly index: number
  /** Undefined where the bytes are not JSON or not an object. */
  readonly fields: ArrivalFields | undefined
  readonly problem: 'not_json' | 'not_an_object' | undefined
  readonly bytes: number
  /** The event's own bytes, cut out of the body only when they are asked for. */
  original(): Buffer
}

export interface ArrivalFields {
  readonly event_id?: unknown
  readonly project_id?: unknown
  readonly metric?: unknown
  readonly value?: unknown
  readonly timestamp?: unknown
}

export type BodyFormat = 'json' | 'ndjson' | 'cloudevent' | 'cloudevent-batch'

export type DecodeOutcome = { status: 'decoded'; arrivals: Arrival[] } | { status: 'not_json'; message: string } | { status: 'too_many_events'; count: number }

export const EVENTS_PER_REQUEST_MAX = 10_000
export const BODY_BYTES_MAX = 10 * 1024 * 1024

/** Takes a body apart into events. Only a body that is no JSON as a whole fails as a whole. */
export function decodeBody(body: Buffer, format: BodyFormat): DecodeOutcome {
  const decoded = format === 'ndjson' ? decodeLines(body) : decodeDocument(body, format)
  if (decoded.status === 'decoded' && decoded.arrivals.length > EVENTS_PER_REQUEST_MAX) {
    return { status: 'too_many_events', count: decoded.arrivals.length }
  }
  return decoded
}

/** One event outside a request, such as a record of a topic. */
export function decodeEvent(bytes: Buffer): Arrival {
  const json = isUtf8(bytes) ? parseJson(bytes.toString('utf8')) : NOT_JSON
  return arrivalOf(json, 0, bytes.length, () => bytes)
}

function decodeLines(body: Buffer): DecodeOutcome {
  const arrivals: Arrival[] = []
  let index = 0
  for (let start = 0; start <= body.length; index += 1) {
    const feed = body.indexOf(LINE_FEED, start)
    const line = body.subarray(start, feed === -1 ? body.length : feed)
    start = feed === -1 ? body.length + 1 : feed + 1
    const text = isUtf8(line) ? line.toString('utf8') : undefined
    if (text?.trim() === '') continue
    arrivals.push(arrivalOf(text === undefined ? NOT_JSON : parseJson(text), index, line.length, () => line))
  }
  return { status: 'decoded', arrivals }
}

function decodeDocument(body: Buffer, format: Exclude<BodyFormat, 'ndjson'>): DecodeOutcome {
  // Bytes that are no UTF-8 would all become U+FFFD: two event ids would turn into one.
  const json = isUtf8(body) ? parseJson(body.toString('utf8')) : NOT_JSON
  if (json === NOT_JSON) return { status: 'not_json', message: 'The body is not JSON in UTF-8.' }
  if (format === 'cloudevent-batch' && !Array.isArray(json)) return { status: 'not_json', message: 'A CloudEvents batch is a JSON array.' }
  if (format === 'cloudevent' && Array.isArray(json)) {
    return { status: 'not_json', message: 'application/cloudevents+json holds one event; send an array as application/cloudevents-batch+json.' }
  }
  const read = format === 'json' ? (event: unknown) => event : readCloudEvent
  if (!Array.isArray(json)) return { status: 'decoded', arrivals: [arrivalOf(read(json), 0, body.length, () => body)] }
  const spans = lazily(() => elementSpans(body))
  // In a body this small no event can be too large, so its bytes need not be found.
  const sizeOf = (index: number) => (body.length <= SMALL_BODY_BYTES ? 0 : lengthOf(spans()[index]))
  const arrivals = json.map((event, index) => arrivalOf(read(event), index, sizeOf(index), () => body.subarray(...(spans()[index] ?? [0, 0]))))
  return { status: 'decoded', arrivals }
}

const SMALL_BODY_BYTES = 64 * 1024
const LINE_FEED = 0x0a
const NOT_JSON = Symbol('not JSON')

function arrivalOf(json: unknown, index: number, bytes: number, original: () => Buffer): Arrival {
  if (json === NOT_JSON) return { index, fields: undefined, problem: 'not_json', bytes, original }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return { index, fields: undefined, problem: 'not_an_object', bytes, original }
  return { index, fields: json, problem: undefined, bytes, original }
}

/**
 * JSON.parse is many times faster than a parser that keeps the digits, and the same where every `value` is a plain number
 * of at most 15 digits. Where one may not be, or where a key may be spelled with escapes, the digits are kept.
 */
function parseJson(text: string): unknown {
  try {
    const json: unknown = JSON.parse(text)
    return MAY_LOSE_DIGITS.test(text) ? parseExactJson(text) : json
  } catch {
    return NOT_JSON
  }
}

const MAY_LOSE_DIGITS = /"value"\s*:\s*-?(?:[\d.]{16,}|\d*\.\d{10,}|[\d.]+[eE])|\\u00[67]/

/** CloudEvents 1.0 (CNCF specification): identity is source and id, the subject is the project, the type the metric. */
function readCloudEvent(json: unknown): unknown {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return json
  const { specversion, source, id, subject, type, time, data } = json as Record<string, unknown>
  const value = typeof data === 'object' && data !== null ? (data as Record<string, unknown>)['value'] : undefined
  return {
    event_id: specversion === '1.0' ? cloudEventId(source, id) : undefined,
    project_id: subject,
    metric: type,
    value,
    timestamp: time,
  } satisfies ArrivalFields
}

/** A source is a URI reference and holds no space, so the first space parts the two and no two pairs meet in one id. */
function cloudEventId(source: unknown, id: unknown): string | undefined {
  if (typeof source !== 'string' || typeof id !== 'string' || source === '' || id === '' || source.includes(' ')) return undefined
  const joined = `${source} ${id}`
  if ([...joined].length <= EVENT_ID_CODE_POINTS_MAX) return joined
  return `ce:${createHash('sha256').update(joined).digest('hex')}`
}

type Span = readonly [start: number, end: number]

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c]
const [OPEN_OBJECT, CLOSE_OBJECT, OPEN_ARRAY, CLOSE_ARRAY] = [0x7b, 0x7d, 0x5b, 0x5d]

/** Where each element of a JSON array stands in its bytes. The body is known to be valid JSON. */
function elementSpans(body: Buffer): Span[] {
  const spans: Span[] = []
  let depth = 0
  let start = body.indexOf('[') + 1
  for (let at = start; at < body.length; at += 1) {
    const byte = body[at]
    if (byte === QUOTE) at = endOfString(body, at)
    else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) depth += 1
    else if (depth > 0 && (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY)) depth -= 1
    else if (depth === 0 && (byte === COMMA || byte === CLOSE_ARRAY)) {
      spans.push(trimmed(body, start, at))
      start = at + 1
    }
  }
  return spans
}

function endOfString(body: Buffer, open: number): number {
  let at = open + 1
  while (body[at] !== QUOTE) at += body[at] === BACKSLASH ? 2 : 1
  return at
}

function trimmed(body: Buffer, start: number, end: number): Span {
  let first = start
  let last = end
  while (first < last && isSpace(body[first])) first += 1
  while (last > first && isSpace(body[last - 1])) last -= 1
  return [first, last]
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}

function lengthOf(span: Span | undefined): number {
  return span === undefined ? 0 : span[1] - span[0]
}

function lazily<T>(make: () => T): () => T {
  let made: T | undefined
  return () => {
    made ??= make()
    return made
  }
}
