import { isCountedText, isEventId, isProjectId, isReservedProjectId, TIMESTAMP_AHEAD_MS_MAX, TIMESTAMP_MIN_MS, type UsageEvent } from './event.ts'
import { DOCUMENTED_METRICS, isKindOfStates, METRIC_NAMES, type MetricKinds } from './metrics.ts'
import { didYouMean } from './nearest-name.ts'
import { parseQuantity, type Quantity, quantityRule } from './quantity.ts'
import type { Rejection, RejectReason } from './rejection-reasons.ts'
import { LAST_DAY, LAST_DAY_END_MS } from './storable-days.ts'
import { formatTimestamp, parseTimestamp } from './timestamp.ts'

/** The fields of an event as they were sent. A number is a NumberToken, so that it has all its digits. */
export interface SentFields {
  readonly event_id?: unknown
  readonly project_id?: unknown
  readonly metric?: unknown
  readonly value?: unknown
  readonly timestamp?: unknown
  /** The id of another event: then this is a correction (correction.ts). */
  readonly corrects?: unknown
  readonly action?: unknown
  readonly reason?: unknown
  /** An object of texts, or whatever was sent instead. */
  readonly labels?: unknown
  /** The batch under which an event is sent to replace others, and what a record does to a batch (window-record.ts). */
  readonly correction_batch?: unknown
  readonly batch_action?: unknown
  readonly from?: unknown
  readonly to?: unknown
  /** Why a CloudEvent has no event_id. */
  readonly identity_problem?: string
}

/** What the sender calls the fields, for messages. */
export interface FieldNames {
  readonly eventId: string
  readonly projectId: string
  readonly metric: string
  readonly value: string
  readonly timestamp: string
}

export interface Receipt {
  /** When the event arrived. A timestamp is in the future compared with this, never with the clock of the process that counts it. */
  readonly receivedMs: number
  /** Whether that is the timestamp of a record of a topic. Its producer may have set it. */
  readonly receivedAsRecord?: boolean
  /** The metrics that are defined; by default the documented ones. */
  readonly metrics?: MetricKinds
}

/** The event itself while the steps fill it in; it is valid only when all of them have passed. */
export type EventDraft = { -readonly [Field in keyof UsageEvent]: UsageEvent[Field] }

type FieldStep = (draft: EventDraft, fields: SentFields, names: FieldNames, receipt: Receipt) => Rejection | undefined

/** What is required of the fields of an event, in order. The first rejection applies. */
export const FIELD_STEPS: readonly FieldStep[] = [parseIdentity, requireKnownMetric, parseValue, requireTimeInWindow]

export function newDraft(): EventDraft {
  return { projectId: '', eventId: '', metric: 'ai_tokens', value: '0', timestampMs: 0 }
}

/** Whether an event with these fields would be rejected, without its size, its form, and whether the sender may send for its project. */
export function findRejection(fields: SentFields, names: FieldNames, receipt: Receipt): Rejection | undefined {
  const draft = newDraft()
  for (const step of FIELD_STEPS) {
    const rejection = step(draft, fields, names, receipt)
    if (rejection !== undefined) return rejection
  }
  return undefined
}

/** The names of the JSON format. */
export const JSON_FIELD_NAMES: FieldNames = { eventId: 'event_id', projectId: 'project_id', metric: 'metric', value: 'value', timestamp: 'timestamp' }

/** The identity of an event or of a correction. */
export function parseIdentity(
  draft: Pick<EventDraft, 'eventId' | 'projectId'>,
  { event_id, project_id, identity_problem }: SentFields,
  names: FieldNames,
): Rejection | undefined {
  const { eventId, projectId } = names
  if (!isEventId(event_id)) return reject('invalid_event', identity_problem ?? `${eventId} ${EVENT_ID_RULE}`)
  if (!isProjectId(project_id)) return reject('invalid_event', `${projectId} must be a string of 1 to 128 of the characters A-Z a-z 0-9 _ . : -`)
  if (isReservedProjectId(project_id)) return reject('invalid_event', `${projectId} must not be "${project_id}": it is reserved for paths of the API.`)
  draft.eventId = event_id
  draft.projectId = project_id
  return undefined
}

function requireKnownMetric(draft: EventDraft, { metric }: SentFields, names: FieldNames, { metrics = DOCUMENTED_METRICS }: Receipt): Rejection | undefined {
  if (typeof metric !== 'string' || metrics.kindOf(metric) === undefined)
    return reject(
      'unknown_metric',
      `${names.metric} must be one of ${METRIC_NAMES.join(', ')}, or a metric that an operator has defined.${didYouMean(metric, METRIC_NAMES)}`,
    )
  draft.metric = metric
  return undefined
}

function parseValue(draft: EventDraft, { value: sent }: SentFields, names: FieldNames, { metrics = DOCUMENTED_METRICS }: Receipt): Rejection | undefined {
  const kind = metrics.kindOf(draft.metric)
  if (kind !== undefined && kind !== 'left_to_service' && isKindOfStates(kind)) draft.hasState = true
  if (kind === 'unique') return parseText(draft, sent, names)
  // Whether a text is a valid value depends on the kind of the metric, which a client does not know.
  if (kind === 'left_to_service' && isCountedText(sent)) return undefined
  const isOptional = kind === 'count' || kind === 'left_to_service'
  const value = isOptional && (sent === undefined || sent === null) ? COUNTED_ONCE : parseQuantity(sent)
  if (value === undefined) return reject('invalid_value', quantityRule(names.value))
  // Any other value would be counted as 1, and its sender would not notice.
  if (kind === 'count' && value !== COUNTED_ONCE)
    return reject('invalid_value', `${names.value} must be 1 or left out: each event of ${draft.metric} counts 1.`)
  draft.value = value
  return undefined
}

/** The text is kept as it was sent: two texts are the same if all their code points are. */
function parseText(draft: EventDraft, sent: unknown, names: FieldNames): Rejection | undefined {
  if (!isCountedText(sent))
    return reject('invalid_value', `${names.value} must be a string of 1 to 128 characters without control characters: ${draft.metric} counts different texts.`)
  draft.text = sent
  return undefined
}

/** What an event of a metric of the kind `count` adds. */
const COUNTED_ONCE: Quantity = '1'

function requireTimeInWindow(
  draft: EventDraft,
  { timestamp }: SentFields,
  names: FieldNames,
  { receivedMs, receivedAsRecord }: Receipt,
): Rejection | undefined {
  const name = names.timestamp
  const timestampMs = typeof timestamp === 'string' ? parseTimestamp(timestamp) : undefined
  if (timestampMs === undefined) return reject('invalid_timestamp', `${name} ${TIMESTAMP_RULE}`)
  if (timestampMs < TIMESTAMP_MIN_MS) return reject('invalid_timestamp', `${name} must not be before ${formatTimestamp(TIMESTAMP_MIN_MS)}.`)
  // Before the comparison with the time of receipt: that comes from a clock or a producer, which may be wrong.
  if (timestampMs >= LAST_DAY_END_MS) return reject('invalid_timestamp', `${name} must not be after ${LAST_DAY}.`)
  if (timestampMs > receivedMs + TIMESTAMP_AHEAD_MS_MAX) {
    const received = receivedAsRecord === true ? RECORD_RECEIVED : 'when the event was received'
    return reject('timestamp_in_future', `${name} is more than 5 minutes after ${formatTimestamp(receivedMs)}, ${received}. Check the clock of the emitter.`)
  }
  draft.timestampMs = timestampMs
  return undefined
}

const EVENT_ID_RULE = 'must be a string of 1 to 128 characters without control characters.'
const TIMESTAMP_RULE = 'must be an RFC 3339 date-time with a zone, such as 2026-01-31T12:00:00Z, of a day that exists and without leap seconds.'
const RECORD_RECEIVED = 'the timestamp of its record, which must be the current time and not that of the event'

function reject(reason: RejectReason, message: string): Rejection {
  return { reason, message }
}
