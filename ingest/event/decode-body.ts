import { isUtf8 } from 'node:buffer'
import { EVENTS_BODY_BYTES_MAX, EVENTS_PER_REQUEST_MAX, LINES_PER_REQUEST_MAX } from '../../contract/events.ts'
import type { Arrival, EventFormat } from './arrival.ts'
import { endOfBrokenElement } from './broken-element.ts'
import { type CloudEventAttributes, structuredFormOf } from './cloud-event.ts'
import { describeNotJson, firstByteNotUtf8 } from './json-place.ts'
import { formatOf, type ReadEvent, readCloudEventAt, readUsageEvent } from './read-event.ts'
import type { JsonBytes } from './read-members.ts'
import { CLOSE_ARRAY, COMMA, failAt, failureAt, isFailure, OPEN_ARRAY, skipSpace, skipValue } from './scan-json.ts'

export type BodyFormat = 'json' | 'ndjson' | 'cloudevent' | 'cloudevent-batch'

export type DecodeOutcome =
  | { status: 'decoded'; arrivals: Arrival[] }
  | { status: 'not_json'; message: string }
  | { status: 'too_many_events' }
  | { status: 'too_many_lines' }

/**
 * Splits a body into events. It fails as a whole only if it is not JSON and the bounds of the broken event cannot be told; otherwise a
 * broken event does not affect the others.
 */
export function decodeBody(body: Buffer, format: BodyFormat): DecodeOutcome {
  return format === 'ndjson' ? decodeLines(withoutByteOrderMark(body)) : decodeDocument(body, format)
}

/**
 * Decodes one event outside of a request: a record of a topic, or the kept bytes of a rejected event. Of bytes that no request could
 * have, nothing is read: a record of a few kilobytes can unpack to gigabytes.
 */
export function decodeEvent(bytes: Buffer, format: EventFormat = 'json'): Arrival {
  if (bytes.length > EVENTS_BODY_BYTES_MAX) return { index: 0, format, fields: undefined, problem: undefined, bytes: bytes.length, original: () => bytes }
  return decodeAlone(withoutByteOrderMark(bytes), format)
}

/** Decodes a CloudEvent in binary mode: the attributes are in headers, the data is the body. */
export function decodeBinaryCloudEvent(attributes: CloudEventAttributes, data: Buffer): Arrival {
  if (data.length > EVENTS_BODY_BYTES_MAX) return decodeEvent(data, 'cloudevent')
  return decodeAlone(structuredFormOf(attributes, withoutByteOrderMark(data)), 'cloudevent')
}

/** RFC 8259 allows a reader to skip a byte order mark at the very beginning, which some editors and languages write. */
function withoutByteOrderMark(bytes: Buffer): Buffer {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(BYTE_ORDER_MARK_BYTES) : bytes
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
    arrivals.push(arrivalAt(json, { index, start, end, isAllUtf8, read: readUsageEvent }))
  }
  return { status: 'decoded', arrivals }
}

function hasMoreLines(body: Buffer, linesMax: number): boolean {
  let lines = 1
  for (let at = body.indexOf(LINE_FEED); at !== -1 && lines <= linesMax; at = body.indexOf(LINE_FEED, at + 1)) lines += 1
  return lines > linesMax
}

function decodeDocument(body: Buffer, format: Exclude<BodyFormat, 'ndjson'>): DecodeOutcome {
  const bytes = withoutByteOrderMark(body)
  const skipped = body.length - bytes.length
  const json = { bytes, text: bytes.toString('latin1') }
  const isArray = json.text.charCodeAt(skipSpace(json.text, 0)) === OPEN_ARRAY
  if (format === 'cloudevent-batch' && !isArray) return { status: 'not_json', message: 'A CloudEvents batch is a JSON array.' }
  if (format === 'cloudevent' && isArray) {
    return { status: 'not_json', message: 'application/cloudevents+json is for one event; send an array as application/cloudevents-batch+json.' }
  }
  if (isArray) return decodeArray(json, { read: format === 'json' ? readUsageEvent : readCloudEventAt, skipped })
  const arrival = decodeAlone(bytes, format === 'json' ? 'json' : 'cloudevent')
  return arrival.problem === 'not_json' ? notJson((arrival.errorAt ?? 0) + skipped) : { status: 'decoded', arrivals: [arrival] }
}

/** The events of a JSON array. Too many are detected before the rest is read. */
function decodeArray(json: JsonBytes, { read, skipped }: { read: ReadEvent; skipped: number }): DecodeOutcome {
  const { text, bytes } = json
  const arrivals: Arrival[] = []
  const isAllUtf8 = isUtf8(bytes)
  let at = skipSpace(text, skipSpace(text, 0) + 1)
  if (text.charCodeAt(at) === CLOSE_ARRAY) at += 1
  else {
    for (let code = COMMA; code !== CLOSE_ARRAY; ) {
      const index = arrivals.length
      if (index === EVENTS_PER_REQUEST_MAX) return { status: 'too_many_events' }
      const { arrival, end } = elementAt(json, { index, start: at, isAllUtf8, read })
      if (isFailure(end)) return notJson(failureAt(end) + skipped, index)
      arrivals.push(arrival)
      at = skipSpace(text, end)
      code = text.charCodeAt(at)
      if (code !== COMMA && code !== CLOSE_ARRAY) return notJson(at + skipped, index)
      at = code === COMMA ? skipSpace(text, at + 1) : at + 1
    }
  }
  const behind = skipSpace(text, at)
  return behind === text.length ? { status: 'decoded', arrivals } : notJson(behind + skipped)
}

/** An element of an array. `end` is a failure if it is not JSON and its bounds cannot be told. */
function elementAt(json: JsonBytes, element: { index: number; start: number; isAllUtf8: boolean; read: ReadEvent }): { arrival: Arrival; end: number } {
  const { start, read, isAllUtf8 } = element
  // What is not UTF-8 must not be decoded, so its end is found first.
  const whole = isAllUtf8 ? read(json, start) : { end: skipValue(json.text, start) }
  const end = isFailure(whole.end) ? endOfBrokenElement(json.text, start) : whole.end
  if (isAllUtf8 && 'fields' in whole && end === whole.end) return { arrival: arrivalOf(json, { ...element, end }, whole), end }
  return { arrival: arrivalAt(json, { ...element, end: end ?? start }), end: end ?? whole.end }
}

function notJson(at: number, index?: number): DecodeOutcome {
  const where = index === undefined ? '' : ` It is in or after the event at index ${index}.`
  return { status: 'not_json', message: `${describeNotJson('The body', at)}${where}` }
}

const LINE_FEED = 0x0a
const BYTE_ORDER_MARK_BYTES = 3

/** An event that is a document of its own. */
function decodeAlone(bytes: Buffer, format: EventFormat): Arrival {
  const json = { bytes, text: bytes.toString('latin1') }
  const read = format === 'json' ? readUsageEvent : readCloudEventAt
  return arrivalAt(json, { index: 0, start: 0, end: bytes.length, isAllUtf8: isUtf8(bytes), read })
}

interface Place {
  readonly index: number
  readonly start: number
  readonly end: number
  readonly isAllUtf8: boolean
  readonly read: ReadEvent
}

/** The event between two positions. Bytes that are not UTF-8 are never decoded: they would all become U+FFFD, and two ids could turn into one. */
function arrivalAt(json: JsonBytes, place: Place): Arrival {
  const { start, end, isAllUtf8, read } = place
  if (!isAllUtf8 && !isUtf8(json.bytes.subarray(start, end)))
    return arrivalOf(json, place, { end: failAt(start + firstByteNotUtf8(json.bytes.subarray(start, end))), fields: undefined, format: formatOf(read) })
  const event = read(json, skipSpace(json.text, start))
  const behind = isFailure(event.end) ? event.end : skipSpace(json.text, event.end)
  return arrivalOf(json, place, behind === end || isFailure(behind) ? event : { ...event, end: failAt(Math.min(behind, end)) })
}

function arrivalOf(json: JsonBytes, { index, start, end }: Omit<Place, 'read'>, event: ReturnType<ReadEvent>): Arrival {
  const { format } = event
  const isJson = !isFailure(event.end)
  const fields = isJson ? event.fields : undefined
  const problem = isJson ? (fields === undefined ? 'not_an_object' : undefined) : 'not_json'
  const errorAt = isJson ? undefined : Math.min(failureAt(event.end), end) - start
  return { index, format, fields, problem, errorAt, bytes: end - start, original: () => json.bytes.subarray(start, end) }
}
