import type { SentFields } from '../../metering/event-steps.ts'
import type { EventFormat } from './arrival.ts'
import { readCanonicalFields } from './canonical-event.ts'
import { readCloudEvent } from './cloud-event.ts'
import { type JsonBytes, type Member, readLabelsOf, readMembers } from './read-members.ts'
import { isFailure, OPEN_OBJECT, skipValue } from './scan-json.ts'

/** The event at a position, and the position behind it, which is a failure if it is not JSON. Without fields it is not an object. */
export type ReadEvent = (json: JsonBytes, start: number) => { end: number; fields: SentFields | undefined; format: EventFormat }

/** As JSON without a declared format: an object that has a specversion and no event_id is a CloudEvent. */
export function readUsageEvent(json: JsonBytes, start: number): ReturnType<ReadEvent> {
  return readCanonicalFields(json, start) ?? readAnyEvent(json, start)
}

/** The same for any form of the event; this defines what the canonical form means. */
export function readAnyEvent(json: JsonBytes, start: number): ReturnType<ReadEvent> {
  if (json.text.charCodeAt(start) !== OPEN_OBJECT) return { end: skipValue(json.text, start), fields: undefined, format: 'json' }
  const values = NO_VALUES.slice()
  const end = readMembers(json, start, EVENT_FIELDS, values)
  const [event_id, project_id, metric, value, timestamp, specversion, corrects, action, reason, labels, correction_batch, batch_action, from, to] = values
  if (event_id === undefined && specversion !== undefined && !isFailure(end)) return readCloudEventAt(json, start)
  const isOfBatch = correction_batch !== undefined || batch_action !== undefined
  if (corrects !== undefined && !isOfBatch) return { end, fields: { event_id, project_id, value, corrects, action, reason }, format: 'json' }
  const ofBatch = isOfBatch ? { correction_batch, batch_action, from, to, corrects, reason } : {}
  const fields = { event_id, project_id, metric, value, timestamp, ...ofBatch }
  return { end, fields: labels === undefined || isFailure(end) ? fields : { ...fields, labels: readLabelsOf(json, labels) }, format: 'json' }
}

export function readCloudEventAt(json: JsonBytes, start: number): ReturnType<ReadEvent> {
  return { ...readCloudEvent(json, start), format: 'cloudevent' }
}

export function formatOf(read: ReadEvent): EventFormat {
  return read === readCloudEventAt ? 'cloudevent' : 'json'
}

const EVENT_FIELDS = [
  'event_id',
  'project_id',
  'metric',
  'value',
  'timestamp',
  'specversion',
  'corrects',
  'action',
  'reason',
  'labels',
  'correction_batch',
  'batch_action',
  'from',
  'to',
]
const NO_VALUES: Member[] = EVENT_FIELDS.map(() => undefined)
