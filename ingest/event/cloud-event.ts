import { createHash } from 'node:crypto'
import { EVENT_ID_CODE_POINTS_MAX, hasCodePointsAtMost, isPlainText } from '../../metering/event.ts'
import type { SentFields } from '../../metering/event-steps.ts'
import { type JsonBytes, type Member, readLabelsOf, readMembers, UnreadObject } from './read-members.ts'
import { isFailure, OPEN_OBJECT, skipSpace, skipValue } from './scan-json.ts'

/** The attributes of a CloudEvent that a count needs. All others are ignored. */
export const CLOUD_EVENT_ATTRIBUTES = ['specversion', 'source', 'id', 'subject', 'type', 'time'] as const
export type CloudEventAttributes = { readonly [Attribute in (typeof CLOUD_EVENT_ATTRIBUTES)[number]]?: string | undefined }

/** CloudEvents 1.0 (CNCF specification): source and id are the identity, the subject is the project, the type is the metric. */
export function readCloudEvent(json: JsonBytes, start: number): { end: number; fields: SentFields | undefined } {
  if (json.text.charCodeAt(start) !== OPEN_OBJECT) return { end: skipValue(json.text, start), fields: undefined }
  const members: Member[] = []
  const end = readMembers(json, start, MEMBERS, members)
  const [specversion, source, id, subject, type, time, data, correction_batch] = members
  const inData: Member[] = []
  if (!isFailure(end) && data instanceof UnreadObject) readMembers(json, data.start, ['value', 'labels'], inData)
  const identity = identityOf(specversion, source, id)
  const [value, labels] = inData
  const labelled = labels === undefined ? {} : { labels: readLabelsOf(json, labels) }
  const ofBatch = correction_batch === undefined ? {} : { correction_batch }
  return { end, fields: { ...identity, project_id: subject, metric: type, value, timestamp: time, ...labelled, ...ofBatch } }
}

/** `correction_batch` is no attribute of a CloudEvent: it marks one that a batch has rejected, which must not count if it is resent. */
const MEMBERS = [...CLOUD_EVENT_ATTRIBUTES, 'data', 'correction_batch']

/**
 * The structured form of an event in binary mode, whose attributes are headers and whose data is the body. Everything after this treats
 * it as if it had been sent so, and it can be kept and resent. Data that is not JSON becomes data_base64, so that it cannot bring
 * attributes of its own.
 */
export function structuredFormOf(attributes: CloudEventAttributes, data: Buffer): Buffer {
  const text = data.toString('latin1')
  const end = skipValue(text, skipSpace(text, 0))
  const isJson = !isFailure(end) && skipSpace(text, end) === text.length
  const written = CLOUD_EVENT_ATTRIBUTES.flatMap((name) => (attributes[name] === undefined ? [] : [`"${name}":${JSON.stringify(attributes[name])},`]))
  const head = Buffer.from(`{${written.join('')}"${isJson ? 'data' : 'data_base64'}":`)
  return Buffer.concat([head, isJson ? data : Buffer.from(`"${data.toString('base64')}"`), Buffer.from('}')])
}

function identityOf(specversion: Member, source: Member, id: Member): Pick<SentFields, 'event_id' | 'identity_problem'> {
  if (specversion !== '1.0') return { identity_problem: 'specversion must be the string "1.0".' }
  // A source is a URI reference without spaces, so the first space separates the two, and different pairs never give the same id.
  if (typeof source !== 'string' || source === '' || source.includes(' ')) return { identity_problem: 'source must be a URI reference: not empty, no spaces.' }
  if (typeof id !== 'string' || id === '') return { identity_problem: 'id must be a string that is not empty.' }
  const joined = `${source} ${id}`
  // Checked before hashing, because a hash no longer shows what is wrong with the text.
  if (!isPlainText(joined)) return { identity_problem: 'source and id must be text without control characters and lone surrogates.' }
  if (hasCodePointsAtMost(joined, EVENT_ID_CODE_POINTS_MAX)) return { event_id: joined }
  return { event_id: `ce:${createHash('sha256').update(joined).digest('hex')}` }
}
