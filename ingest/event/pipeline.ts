import {
  EVENT_BYTES_MAX,
  isEventId,
  isProjectId,
  isReservedProjectId,
  ORIGINAL_BYTES_KEPT_MAX,
  TIMESTAMP_AHEAD_MS_MAX,
  TIMESTAMP_MIN_MS,
  type UsageEvent,
} from '../../metering/event.ts'
import { isMetricName, METRIC_NAMES } from '../../metering/metrics.ts'
import { parseQuantity, quantityRule } from '../../metering/quantity.ts'
import type { Rejection, RejectReason } from '../../metering/rejection-reasons.ts'
import { LAST_DAY, LAST_DAY_END_MS } from '../../metering/storable-days.ts'
import { formatTimestamp, parseTimestamp } from '../../metering/timestamp.ts'
import type { Arrival, EventFormat } from './arrival.ts'
import { describeNotJson } from './json-place.ts'

/**
 * The whole path of an event up to its log, in order; the first step that rejects the event ends it. Detecting duplicates and
 * writing come later, because they need the event's place in the log (ingest/log/detect-duplicates.ts, ingest/log/log-writer.ts).
 * The scope of the ingest key comes last: an event that is invalid in itself keeps that reason, which its emitter can fix.
 */
const STEPS = [requireSize, requireJson, parseIdentity, requireKnownMetric, parseValue, requireTimeInWindow, requireAllowedProject] as const

/**
 * An event after all steps: valid, or rejected with the reason of the first step that failed. Its bytes are cut out of the body
 * on demand.
 */
export type ValidatedEvent =
  | { readonly status: 'valid'; readonly index: number; readonly format: EventFormat; readonly event: UsageEvent; original(): Buffer }
  | {
      readonly status: 'rejected'
      readonly index: number
      readonly format: EventFormat
      readonly projectId: string
      readonly eventId: string | null
      readonly rejection: Rejection
      original(): Buffer
    }

/** The ids of an event, also of one that was rejected: as far as they are text, otherwise ''. */
export function identityOf(validated: ValidatedEvent): { projectId: string; eventId: string } {
  if (validated.status === 'valid') return validated.event
  return { projectId: validated.projectId, eventId: validated.eventId ?? '' }
}

/** The projects for which the sender of an event may send. */
export type AllowedProjects = ReadonlySet<string> | 'all'

export interface ValidationContext {
  /** When the event arrived. A timestamp is in the future compared with this, never with the clock of the process that counts it. */
  readonly receivedMs: number
  /** Whether that is the timestamp of a record of a topic. Its producer may have set it. */
  readonly receivedAsRecord?: boolean
  /** Fetched before validation, for all events of a request with one query. */
  readonly allowedProjects: AllowedProjects
}

export function validateEvent(arrival: Arrival, context: ValidationContext): ValidatedEvent {
  const draft: Draft = { projectId: '', eventId: '', metric: 'ai_tokens', value: '0', timestampMs: 0 }
  for (const step of STEPS) {
    const rejection = step(draft, arrival, context)
    if (rejection !== undefined) return rejectArrival(arrival, rejection)
  }
  return { status: 'valid', index: arrival.index, format: arrival.format, event: draft, original: arrival.original }
}

/** The projects that these events name. Validation needs to know which of them are allowed. */
export function projectIdsOf(arrivals: readonly Arrival[]): Set<string> {
  const projectIds = new Set<string>()
  for (const { fields } of arrivals) if (isProjectId(fields?.project_id)) projectIds.add(fields.project_id)
  return projectIds
}

/**
 * The event itself while the steps fill it in; it is valid only when all of them have passed. It keeps nothing of the arrival
 * in memory.
 */
type Draft = { -readonly [Field in keyof UsageEvent]: UsageEvent[Field] }

type Step = (draft: Draft, arrival: Arrival, context: ValidationContext) => Rejection | undefined

function requireSize(_draft: Draft, { bytes }: Arrival): Rejection | undefined {
  if (bytes <= EVENT_BYTES_MAX) return undefined
  return reject('too_large', `One event has at most ${EVENT_BYTES_MAX} bytes; this one has ${bytes}.`)
}

function requireJson(_draft: Draft, { problem, errorAt = 0 }: Arrival): Rejection | undefined {
  if (problem === 'not_json') return reject('invalid_json', describeNotJson('The event', errorAt))
  return problem === 'not_an_object' ? reject('invalid_event', 'An event is a JSON object.') : undefined
}

function parseIdentity(draft: Draft, { fields = {}, format }: Arrival): Rejection | undefined {
  const { event_id, project_id, identity_problem } = fields
  const { projectId } = FIELD_NAMES[format]
  if (!isEventId(event_id)) return reject('invalid_event', identity_problem ?? EVENT_ID_RULE)
  if (!isProjectId(project_id)) return reject('invalid_event', `${projectId} must be a string of 1 to 128 of the characters A-Z a-z 0-9 _ . : -`)
  if (isReservedProjectId(project_id)) return reject('invalid_event', `${projectId} must not be "${project_id}": it is reserved for paths of the API.`)
  draft.eventId = event_id
  draft.projectId = project_id
  return undefined
}

function requireKnownMetric(draft: Draft, { fields = {}, format }: Arrival): Rejection | undefined {
  const { metric } = fields
  if (!isMetricName(metric)) return reject('unknown_metric', `${FIELD_NAMES[format].metric} must be one of ${METRIC_NAMES.join(', ')}.`)
  draft.metric = metric
  return undefined
}

function parseValue(draft: Draft, { fields = {}, format }: Arrival): Rejection | undefined {
  const value = parseQuantity(fields.value)
  if (value === undefined) return reject('invalid_value', quantityRule(FIELD_NAMES[format].value))
  draft.value = value
  return undefined
}

function requireTimeInWindow(draft: Draft, { fields = {}, format }: Arrival, { receivedMs, receivedAsRecord }: ValidationContext): Rejection | undefined {
  const { timestamp } = fields
  const name = FIELD_NAMES[format].timestamp
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

/** What the fields of an event are called in the format in which it was sent. */
const FIELD_NAMES: Readonly<Record<EventFormat, { projectId: string; metric: string; value: string; timestamp: string }>> = {
  json: { projectId: 'project_id', metric: 'metric', value: 'value', timestamp: 'timestamp' },
  cloudevent: { projectId: 'subject', metric: 'type', value: 'data.value', timestamp: 'time' },
}

const EVENT_ID_RULE = 'event_id must be a string of 1 to 128 characters without control characters.'
const TIMESTAMP_RULE = 'must be an RFC 3339 date-time with a zone, such as 2026-01-31T12:00:00Z, of a day that exists and without leap seconds.'
const RECORD_RECEIVED = 'the timestamp of its record, which must be the current time and not that of the event'

function requireAllowedProject({ projectId }: Draft, _arrival: Arrival, { allowedProjects }: ValidationContext): Rejection | undefined {
  return allowedProjects === 'all' || allowedProjects.has(projectId) ? undefined : PROJECT_NOT_ALLOWED
}

/** One text for another partner's project and for an unregistered one: the sender must not learn which of the two it is. */
const PROJECT_NOT_ALLOWED: Rejection = {
  reason: 'project_not_allowed',
  message: 'This ingest key sends for the registered projects of its partners only. Have the project registered, or use another key.',
}

STEPS satisfies readonly Step[]

function reject(reason: RejectReason, message: string): Rejection {
  return { reason, message }
}

/** Rejects an event, with its ids as far as they are text and at most 64 KiB of its bytes. */
export function rejectArrival(arrival: Arrival, rejection: Rejection): ValidatedEvent {
  const { event_id, project_id } = arrival.fields ?? {}
  const original = () => arrival.original().subarray(0, ORIGINAL_BYTES_KEPT_MAX)
  return { status: 'rejected', index: arrival.index, format: arrival.format, projectId: shown(project_id) ?? '', eventId: shown(event_id), rejection, original }
}

const SHOWN_CHARACTERS_MAX = 256

/** The beginning of what was sent as an id, if it is text: enough for the emitter to find the event. */
function shown(value: unknown): string | null {
  return typeof value === 'string' ? value.slice(0, SHOWN_CHARACTERS_MAX) : null
}
