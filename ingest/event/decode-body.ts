import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import { EVENTS_PER_REQUEST_MAX } from '../../contract/events.ts'
import { EVENT_ID_CODE_POINTS_MAX, isPlainText } from '../../metering/event.ts'
import { parseExactJson } from '../../metering/exact-json.ts'

/** One event as it arrived, not validated yet: its fields and its own bytes. */
export interface Arrival {
  /** 0-based position in the request; for NDJSON the line. */
  readonly index: number
  /** Undefined if the bytes are not JSON or not an object. */
  readonly fields: ArrivalFields | undefined
  readonly problem: 'not_json' | 'not_an_object' | undefined
  readonly bytes: number
  /** The event's own bytes. They are cut out of the body only when this is called, which is for rejected events. */
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

export type DecodeOutcome = { status: 'decoded'; arrivals: Arrival[] } | { status: 'not_json'; message: string } | { status: 'too_many_events' }

/** Splits a body into events. It fails as a whole only if it is not JSON as a whole; a single broken event does not affect the others. */
export function decodeBody(body: Buffer, format: BodyFormat): DecodeOutcome {
  return format === 'ndjson' ? decodeLines(body) : decodeDocument(body, format)
}

/** Decodes one event outside of a request, such as a record of a topic. */
export function decodeEvent(bytes: Buffer): Arrival {
  return arrivalOf(parseEvent(bytes), 0, bytes.length, () => bytes)
}

/** Decodes a rejected event from its stored bytes. Its fields show whether it was sent as a CloudEvent. */
export function decodeRejectedEvent(bytes: Buffer): Arrival {
  const json = parseEvent(bytes)
  const isCloudEvent = typeof json === 'object' && json !== null && 'specversion' in json && !('event_id' in json)
  return arrivalOf(isCloudEvent ? readCloudEvent(json) : json, 0, bytes.length, () => bytes)
}

function decodeLines(body: Buffer): DecodeOutcome {
  const arrivals: Arrival[] = []
  let index = 0
  for (let start = 0; start <= body.length; index += 1) {
    const feed = body.indexOf(LINE_FEED, start)
    const line = body.subarray(start, feed === -1 ? body.length : feed)
    start = feed === -1 ? body.length + 1 : feed + 1
    if (line.every(isSpace)) continue
    // Checked while counting: 10 MiB can be five million lines, and that many events would not fit into memory.
    if (arrivals.length === EVENTS_PER_REQUEST_MAX) return { status: 'too_many_events' }
    arrivals.push(arrivalOf(parseEvent(line), index, line.length, () => line))
  }
  return { status: 'decoded', arrivals }
}

function decodeDocument(body: Buffer, format: Exclude<BodyFormat, 'ndjson'>): DecodeOutcome {
  const text = textOf(body)
  const json = parseFast(text)
  if (text === undefined || json === NOT_JSON) return { status: 'not_json', message: 'The body is not JSON in UTF-8.' }
  if (format === 'cloudevent-batch' && !Array.isArray(json)) return { status: 'not_json', message: 'A CloudEvents batch is a JSON array.' }
  if (format === 'cloudevent' && Array.isArray(json)) {
    return { status: 'not_json', message: 'application/cloudevents+json is for one event; send an array as application/cloudevents-batch+json.' }
  }
  const read = format === 'json' ? (event: unknown) => event : readCloudEvent
  if (!Array.isArray(json)) return { status: 'decoded', arrivals: [arrivalOf(read(withDigits(json, text)), 0, body.length, () => body)] }
  if (json.length > EVENTS_PER_REQUEST_MAX) return { status: 'too_many_events' }
  const spans = lazily(() => elementSpans(body))
  const original = (index: number) => body.subarray(...(spans()[index] ?? [0, 0]))
  const exactly = MAY_LOSE_DIGITS.test(text)
    ? (event: unknown, index: number) => withDigits(event, original(index).toString('utf8'))
    : (event: unknown) => event
  // In a body this small no event can be too large, so the sizes need not be known.
  const sizeOf = (index: number) => (body.length <= SMALL_BODY_BYTES ? 0 : lengthOf(spans()[index]))
  const arrivals = json.map((event, index) => arrivalOf(read(exactly(event, index)), index, sizeOf(index), () => original(index)))
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

function parseEvent(bytes: Buffer): unknown {
  const text = textOf(bytes)
  return text === undefined ? NOT_JSON : withDigits(parseFast(text), text)
}

/** Undefined if the bytes are not UTF-8: decoded, they would all become U+FFFD, and two event ids could turn into one. */
function textOf(bytes: Buffer): string | undefined {
  return isUtf8(bytes) ? bytes.toString('utf8') : undefined
}

function parseFast(text: string | undefined): unknown {
  try {
    return text === undefined ? NOT_JSON : JSON.parse(text)
  } catch {
    return NOT_JSON
  }
}

/**
 * JSON.parse is many times faster than a parser that keeps the digits of numbers, and gives the same result if every `value` is a
 * plain number of at most 15 digits. If one may not be, or if a key may be spelled with escapes, the event is parsed again with its
 * digits. An event that is nested too deep for that parser counts as not JSON; the other events of the request are not affected.
 */
function withDigits(json: unknown, text: string): unknown {
  if (json === NOT_JSON || !MAY_LOSE_DIGITS.test(text)) return json
  try {
    return parseExactJson(text)
  } catch {
    return NOT_JSON
  }
}

const MAY_LOSE_DIGITS = /"value"\s*:\s*-?(?:[\d.]{16,}|\d*\.\d{10,}|[\d.]+[eE])|\\u00[67]/

/** CloudEvents 1.0 (CNCF specification): source and id are the identity, the subject is the project, the type is the metric. */
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

/** A source is a URI reference without spaces, so the first space separates the two, and different pairs never give the same id. */
function cloudEventId(source: unknown, id: unknown): string | undefined {
  if (typeof source !== 'string' || typeof id !== 'string' || source === '' || id === '' || source.includes(' ')) return undefined
  const joined = `${source} ${id}`
  // Checked before hashing, because a hash no longer shows what is wrong with the text.
  if (!isPlainText(joined)) return undefined
  if ([...joined].length <= EVENT_ID_CODE_POINTS_MAX) return joined
  return `ce:${createHash('sha256').update(joined).digest('hex')}`
}

type Span = readonly [start: number, end: number]

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c]
const [OPEN_OBJECT, CLOSE_OBJECT, OPEN_ARRAY, CLOSE_ARRAY] = [0x7b, 0x7d, 0x5b, 0x5d]

/** The byte range of each element of a JSON array. The body is known to be valid JSON. */
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
