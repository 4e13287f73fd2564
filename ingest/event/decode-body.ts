import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import { EVENTS_PER_REQUEST_MAX, LINES_PER_REQUEST_MAX } from '../../contract/events.ts'
import { EVENT_ID_CODE_POINTS_MAX, hasCodePointsAtMost, isPlainText } from '../../metering/event.ts'
import { type JsonBytes, type Member, readMembers, UnreadObject } from './read-members.ts'
import { CLOSE_ARRAY, COMMA, NOT_JSON, OPEN_ARRAY, OPEN_OBJECT, skipSpace, skipValue } from './scan-json.ts'

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

export type DecodeOutcome =
  | { status: 'decoded'; arrivals: Arrival[] }
  | { status: 'not_json'; message: string }
  | { status: 'too_many_events' }
  | { status: 'too_many_lines' }

/** Splits a body into events. It fails as a whole only if it is not JSON as a whole; a single broken event does not affect the others. */
export function decodeBody(body: Buffer, format: BodyFormat): DecodeOutcome {
  return format === 'ndjson' ? decodeLines(body) : decodeDocument(body, format)
}

/** Decodes one event outside of a request, such as a record of a topic. */
export function decodeEvent(bytes: Buffer): Arrival {
  return decodeAlone(bytes, 0, readUsageEvent)
}

/** Decodes a rejected event from its stored bytes. Its fields show whether it was sent as a CloudEvent. */
export function decodeRejectedEvent(bytes: Buffer): Arrival {
  const event = decodeAlone(bytes, 0, readUsageEvent)
  if (event.fields?.event_id !== undefined) return event
  const cloudEvent = decodeAlone(bytes, 0, readCloudEvent)
  return cloudEvent.fields?.event_id === undefined ? event : cloudEvent
}

function decodeLines(body: Buffer): DecodeOutcome {
  // First, because 10 MiB can be ten million lines, and already their line feeds take seconds to replace.
  if (hasMoreLines(body, LINES_PER_REQUEST_MAX)) return { status: 'too_many_lines' }
  const arrivals: Arrival[] = []
  const isAllUtf8 = isUtf8(body)
  // In NDJSON a line feed is no white space: an event ends with its line. A NUL is nowhere allowed in JSON, so it ends whatever is read.
  const json = { bytes: body, text: body.toString('latin1').replaceAll('\n', '\0') }
  let index = 0
  for (let next = 0; next <= body.length; index += 1) {
    const start = next
    const feed = body.indexOf(LINE_FEED, start)
    const end = feed === -1 ? body.length : feed
    next = end + 1
    const first = skipSpace(json.text, start)
    if (first === end) continue
    if (arrivals.length === EVENTS_PER_REQUEST_MAX) return { status: 'too_many_events' }
    const event = isAllUtf8 || isUtf8(body.subarray(start, end)) ? readUsageEvent(json, first) : NO_EVENT
    const isJson = event.end !== NOT_JSON && skipSpace(json.text, event.end) === end
    const { fields, problem } = isJson ? { fields: event.fields, problem: problemOf(event.fields) } : NOT_JSON_ALONE
    arrivals.push({ index, fields, problem, bytes: end - start, original: () => body.subarray(start, end) })
  }
  return { status: 'decoded', arrivals }
}

function hasMoreLines(body: Buffer, linesMax: number): boolean {
  let lines = 1
  for (let at = body.indexOf(LINE_FEED); at !== -1 && lines <= linesMax; at = body.indexOf(LINE_FEED, at + 1)) lines += 1
  return lines > linesMax
}

function decodeDocument(bytes: Buffer, format: Exclude<BodyFormat, 'ndjson'>): DecodeOutcome {
  const json = jsonOf(bytes)
  const isArray = json !== undefined && json.text.charCodeAt(skipSpace(json.text, 0)) === OPEN_ARRAY
  if (format === 'cloudevent-batch' && json !== undefined && !isArray) return { status: 'not_json', message: 'A CloudEvents batch is a JSON array.' }
  if (format === 'cloudevent' && isArray) {
    return { status: 'not_json', message: 'application/cloudevents+json is for one event; send an array as application/cloudevents-batch+json.' }
  }
  const read = format === 'json' ? readUsageEvent : readCloudEvent
  if (isArray) return decodeArray(json, read)
  const arrival = decodeAlone(bytes, 0, read)
  return arrival.problem === 'not_json' ? NOT_JSON_AS_A_WHOLE : { status: 'decoded', arrivals: [arrival] }
}

/** The events of a JSON array. Too many are detected before the rest is read. */
function decodeArray(json: JsonBytes, read: ReadEvent): DecodeOutcome {
  const { text } = json
  const arrivals: Arrival[] = []
  let at = skipSpace(text, skipSpace(text, 0) + 1)
  if (text.charCodeAt(at) === CLOSE_ARRAY) at += 1
  else {
    for (let code = COMMA; code !== CLOSE_ARRAY; ) {
      if (arrivals.length === EVENTS_PER_REQUEST_MAX) return { status: 'too_many_events' }
      const { end, fields } = read(json, at)
      if (end === NOT_JSON) return NOT_JSON_AS_A_WHOLE
      const [first, index] = [at, arrivals.length]
      arrivals.push({ index, fields, problem: problemOf(fields), bytes: end - first, original: () => json.bytes.subarray(first, end) })
      at = skipSpace(text, end)
      code = text.charCodeAt(at)
      if (code !== COMMA && code !== CLOSE_ARRAY) return NOT_JSON_AS_A_WHOLE
      at = code === COMMA ? skipSpace(text, at + 1) : at + 1
    }
  }
  return skipSpace(text, at) === text.length ? { status: 'decoded', arrivals } : NOT_JSON_AS_A_WHOLE
}

const NOT_JSON_AS_A_WHOLE = { status: 'not_json', message: 'The body is not JSON in UTF-8, or is nested too deep.' } as const
const LINE_FEED = 0x0a

/** An event that is a document of its own. */
function decodeAlone(bytes: Buffer, index: number, read: ReadEvent): Arrival {
  const json = jsonOf(bytes)
  const event = json === undefined ? NO_EVENT : read(json, skipSpace(json.text, 0))
  const isJson = json !== undefined && event.end !== NOT_JSON && skipSpace(json.text, event.end) === bytes.length
  const { fields, problem } = isJson ? { fields: event.fields, problem: problemOf(event.fields) } : NOT_JSON_ALONE
  return { index, fields, problem, bytes: bytes.length, original: () => bytes }
}

const NO_EVENT = { end: NOT_JSON, fields: undefined }
const NOT_JSON_ALONE = { fields: undefined, problem: 'not_json' } as const

function problemOf(fields: ArrivalFields | undefined): 'not_an_object' | undefined {
  return fields === undefined ? 'not_an_object' : undefined
}

/** Undefined if the bytes are not UTF-8: decoded, they would all become U+FFFD, and two event ids could turn into one. */
function jsonOf(bytes: Buffer): JsonBytes | undefined {
  return isUtf8(bytes) ? { bytes, text: bytes.toString('latin1') } : undefined
}

/** The event at a position, and the position behind it, which is NOT_JSON if it is none. Without fields it is not an object. */
type ReadEvent = (json: JsonBytes, start: number) => { end: number; fields: ArrivalFields | undefined }

function readUsageEvent(json: JsonBytes, start: number): ReturnType<ReadEvent> {
  if (json.text.charCodeAt(start) !== OPEN_OBJECT) return { end: skipValue(json.text, start), fields: undefined }
  const values = NO_VALUES.slice()
  const end = readMembers(json, start, EVENT_FIELDS, values)
  return { end, fields: { event_id: values[0], project_id: values[1], metric: values[2], value: values[3], timestamp: values[4] } }
}

/** CloudEvents 1.0 (CNCF specification): source and id are the identity, the subject is the project, the type is the metric. */
function readCloudEvent(json: JsonBytes, start: number): ReturnType<ReadEvent> {
  if (json.text.charCodeAt(start) !== OPEN_OBJECT) return { end: skipValue(json.text, start), fields: undefined }
  const attributes: Member[] = []
  const end = readMembers(json, start, CLOUD_EVENT_ATTRIBUTES, attributes)
  const [specversion, source, id, subject, type, time, data] = attributes
  const inData: Member[] = []
  if (end !== NOT_JSON && data instanceof UnreadObject) readMembers(json, data.start, ['value'], inData)
  const event_id = specversion === '1.0' ? cloudEventId(source, id) : undefined
  return { end, fields: { event_id, project_id: subject, metric: type, value: inData[0], timestamp: time } }
}

const EVENT_FIELDS = ['event_id', 'project_id', 'metric', 'value', 'timestamp']
const CLOUD_EVENT_ATTRIBUTES = ['specversion', 'source', 'id', 'subject', 'type', 'time', 'data']
const NO_VALUES: Member[] = EVENT_FIELDS.map(() => undefined)

/** A source is a URI reference without spaces, so the first space separates the two, and different pairs never give the same id. */
function cloudEventId(source: unknown, id: unknown): string | undefined {
  if (typeof source !== 'string' || typeof id !== 'string' || source === '' || id === '' || source.includes(' ')) return undefined
  const joined = `${source} ${id}`
  // Checked before hashing, because a hash no longer shows what is wrong with the text.
  if (!isPlainText(joined)) return undefined
  if (hasCodePointsAtMost(joined, EVENT_ID_CODE_POINTS_MAX)) return joined
  return `ce:${createHash('sha256').update(joined).digest('hex')}`
}
