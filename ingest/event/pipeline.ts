import {
  EVENT_BYTES_MAX,
  isEventId,
  isProjectId,
  ORIGINAL_BYTES_KEPT_MAX,
  type Rejection,
  type RejectReason,
  TIMESTAMP_AHEAD_MS_MAX,
  TIMESTAMP_MIN_MS,
  type UsageEvent,
} from '../../metering/event.ts'
import { isMetricName, METRIC_NAMES } from '../../metering/metrics.ts'
import { parseQuantity, QUANTITY_RULE } from '../../metering/quantity.ts'
import { parseTimestamp } from '../../metering/timestamp.ts'
import type { Arrival } from './decode-body.ts'

/**
 * The whole path of an event before its log, in order. What remains, telling duplicates and writing, needs its place in
 * the log (detect-duplicates.ts, log-writer.ts). The first step that refuses ends the path.
 */
const STEPS = [requireSize, requireJson, parseIdentity, requireKnownMetric, parseValue, requireTimeInWindow] as const

export type Judged =
  | { readonly status: 'valid'; readonly index: number; readonly event: UsageEvent; original(): Buffer }
  | {
      readonly status: 'refused'
      readonly index: number
      readonly projectId: string
      readonly eventId: string | null
      readonly refusal: Rejection
      original(): Buffer
    }

/** "In the future" is judged against `receivedMs`, when the event arrived, never against the clock of who counts it. */
export function judgeEvent(arrival: Arrival, receivedMs: number): Judged {
  const draft: Draft = { projectId: '', eventId: '', metric: 'ai_tokens', value: '0', timestampMs: 0 }
  for (const step of STEPS) {
    const refusal = step(draft, arrival, receivedMs)
    if (refusal !== undefined) return rejectArrival(arrival, refusal)
  }
  return { status: 'valid', index: arrival.index, event: draft, original: arrival.original }
}

/** Filled in by the steps; an event only when all of them have passed. It keeps nothing of the arrival alive. */
type Draft = { -readonly [Field in keyof UsageEvent]: UsageEvent[Field] }

type Step = (draft: Draft, arrival: Arrival, receivedMs: number) => Rejection | undefined

function requireSize(_draft: Draft, { bytes }: Arrival): Rejection | undefined {
  if (bytes <= EVENT_BYTES_MAX) return undefined
  return refusal('too_large', `One event has at most ${EVENT_BYTES_MAX} bytes; this one has ${bytes}.`)
}

function requireJson(_draft: Draft, { problem }: Arrival): Rejection | undefined {
  if (problem === 'not_json') return refusal('invalid_json', 'The event is not JSON in UTF-8, or is nested too deep.')
  return problem === 'not_an_object' ? refusal('invalid_event', 'An event is a JSON object.') : undefined
}

function parseIdentity(draft: Draft, { fields = {} }: Arrival): Rejection | undefined {
  const { event_id, project_id } = fields
  if (!isEventId(event_id)) return refusal('invalid_event', 'event_id must be a string of 1 to 128 characters without control characters.')
  if (!isProjectId(project_id)) return refusal('invalid_event', 'project_id must be a string of 1 to 128 of the characters A-Z a-z 0-9 _ . : -')
  draft.eventId = event_id
  draft.projectId = project_id
  return undefined
}

function requireKnownMetric(draft: Draft, { fields = {} }: Arrival): Rejection | undefined {
  const { metric } = fields
  if (!isMetricName(metric)) return refusal('unknown_metric', `metric must be one of ${METRIC_NAMES.join(', ')}.`)
  draft.metric = metric
  return undefined
}

function parseValue(draft: Draft, { fields = {} }: Arrival): Rejection | undefined {
  const value = parseQuantity(fields.value)
  if (value === undefined) return refusal('invalid_value', QUANTITY_RULE)
  draft.value = value
  return undefined
}

function requireTimeInWindow(draft: Draft, { fields = {} }: Arrival, receivedMs: number): Rejection | undefined {
  const { timestamp } = fields
  const timestampMs = typeof timestamp === 'string' ? parseTimestamp(timestamp) : undefined
  if (timestampMs === undefined) return refusal('invalid_timestamp', 'timestamp must be an RFC 3339 date-time with a zone, such as 2026-01-31T12:00:00Z.')
  if (timestampMs < TIMESTAMP_MIN_MS) return refusal('invalid_timestamp', 'timestamp must not be before 2000-01-01T00:00:00Z.')
  if (timestampMs > receivedMs + TIMESTAMP_AHEAD_MS_MAX) {
    return refusal('timestamp_in_future', 'timestamp is more than 5 minutes after the event was received. Check the clock of the emitter.')
  }
  draft.timestampMs = timestampMs
  return undefined
}

STEPS satisfies readonly Step[]

function refusal(reason: RejectReason, message: string): Rejection {
  return { reason, message }
}

/** A refused event, with what can be told of its ids and at most 64 KiB of its bytes. */
export function rejectArrival(arrival: Arrival, refusal: Rejection): Judged {
  const { event_id, project_id } = arrival.fields ?? {}
  const original = () => arrival.original().subarray(0, ORIGINAL_BYTES_KEPT_MAX)
  return { status: 'refused', index: arrival.index, projectId: shown(project_id) ?? '', eventId: shown(event_id), refusal, original }
}

/** The same events, but those of projects that whoever sent them may not send for are refused. What is refused already stays so. */
export function rejectProjects(judged: readonly Judged[], allowed: ReadonlySet<string>): Judged[] {
  return judged.map((each) => {
    if (each.status === 'refused' || allowed.has(each.event.projectId)) return each
    const { index, event, original } = each
    return { status: 'refused', index, projectId: event.projectId, eventId: event.eventId, refusal: PROJECT_NOT_ALLOWED, original }
  })
}

/** The same words for a project of somebody else and for one that is nobody's: which it is must not be told. */
const PROJECT_NOT_ALLOWED: Rejection = {
  reason: 'project_not_allowed',
  message: 'This ingest key sends for the registered projects of its partners only. Have the project registered, or use another key.',
}

const SHOWN_CHARACTERS_MAX = 256

/** What was sent as an id, as far as it is text: enough for the emitter to find the event. */
function shown(value: unknown): string | null {
  return typeof value === 'string' ? value.slice(0, SHOWN_CHARACTERS_MAX) : null
}
