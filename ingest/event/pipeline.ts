import { type Correction, parseCorrection } from '../../metering/correction.ts'
import { EVENT_BYTES_MAX, isProjectId, ORIGINAL_BYTES_KEPT_MAX, type UsageEvent } from '../../metering/event.ts'
import { type EventDraft, FIELD_STEPS, type FieldNames, JSON_FIELD_NAMES, newDraft, type Receipt, type SentFields } from '../../metering/event-steps.ts'
import { readLabels } from '../../metering/labels.ts'
import type { Rejection, RejectReason } from '../../metering/rejection-reasons.ts'
import { isBatchId, parseWindowRecord, type WindowRecord } from '../../metering/window-record.ts'
import type { Arrival, EventFormat } from './arrival.ts'
import { CanonicalFields } from './canonical-event.ts'
import { describeNotJson } from './json-place.ts'

/**
 * The whole path of an event up to its log, in order; the first step that rejects the event ends it. Detecting duplicates and
 * writing come later, because they need the event's place in the log (ingest/log/detect-duplicates.ts, ingest/log/log-writer.ts).
 * The scope of the ingest key comes last: an event that is invalid in itself keeps that reason, which its emitter can fix.
 */
const STEPS: readonly Step[] = [requireSize, requireJson, ...FIELD_STEPS.map(ofFields), requireAllowedProject]

/**
 * An event after all steps: valid, a valid correction of another event, a record that closes or reverts a batch, or rejected with the reason of the first step that failed. Its
 * bytes are cut out of the body on demand.
 */
export type ValidatedEvent =
  | {
      readonly status: 'valid'
      readonly index: number
      readonly format: EventFormat
      readonly event: UsageEvent
      /** How many of its labels do not count (metering/labels.ts). */
      readonly ignoredLabels?: number
      original(): Buffer
    }
  | {
      readonly status: 'correction'
      readonly index: number
      readonly format: EventFormat
      readonly correction: Correction
      /** The day of the event that it corrects, as far as that was looked up and found. Nothing that counts depends on it. */
      readonly usageDate?: string
      original(): Buffer
    }
  | { readonly status: 'window'; readonly index: number; readonly format: EventFormat; readonly window: WindowRecord; original(): Buffer }
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
  if (validated.status === 'correction') return validated.correction
  if (validated.status === 'window') return validated.window
  return { projectId: validated.projectId, eventId: validated.eventId ?? '' }
}

/** A time of the day that an event or a correction touches, in ms since 1970; undefined if none is known. */
export function touchedMs(validated: ValidatedEvent): number | undefined {
  if (validated.status === 'valid') return validated.event.timestampMs
  if (validated.status !== 'correction' || validated.usageDate === undefined) return undefined
  return Date.parse(validated.usageDate)
}

/** The projects for which the sender of an event may send. */
export type AllowedProjects = ReadonlySet<string> | 'all'

export interface ValidationContext extends Receipt {
  /** Fetched before validation, for all events of a request with one query. */
  readonly allowedProjects: AllowedProjects
  /** Whether this may be of a correction batch: what operators and finance send, and what a topic has. */
  readonly allowsBatches?: boolean
}

export function validateEvent(arrival: Arrival, context: ValidationContext): ValidatedEvent {
  return validateCanonical(arrival, context) ?? validateAny(arrival, context)
}

/** An event in the canonical form, if it is certainly valid. Otherwise the steps find out why it is not. */
function validateCanonical(arrival: Arrival, context: ValidationContext): ValidatedEvent | undefined {
  const { index, format, fields, original } = arrival
  if (!(fields instanceof CanonicalFields) || arrival.bytes > EVENT_BYTES_MAX) return undefined
  const event = fields.toEvent(context)
  if (event === undefined || requireAllowedProject(event, arrival, context) !== undefined) return undefined
  return { status: 'valid', index, format, event, original }
}

function validateAny(arrival: Arrival, context: ValidationContext): ValidatedEvent {
  if (arrival.fields?.correction_batch !== undefined || arrival.fields?.batch_action !== undefined) return validateOfBatch(arrival, arrival.fields, context)
  if (arrival.fields?.corrects !== undefined) return validateCorrection(arrival, arrival.fields, context)
  const draft = newDraft()
  for (const step of STEPS) {
    const rejection = step(draft, arrival, context)
    if (rejection !== undefined) return rejectArrival(arrival, rejection)
  }
  const { index, format, fields, original } = arrival
  if (fields?.labels === undefined) return { status: 'valid', index, format, event: draft, original }
  const { text: labels, ignored: ignoredLabels } = readLabels(fields.labels, context.metrics?.labelsOf?.(draft.metric) ?? [])
  return { status: 'valid', index, format, event: labels === '' ? draft : { ...draft, labels }, ignoredLabels, original }
}

/** An event of a batch passes the same steps as any other; a record that closes or reverts a batch names its window. */
function validateOfBatch(arrival: Arrival, fields: SentFields, context: ValidationContext): ValidatedEvent {
  const { index, format, original } = arrival
  const { correction_batch, batch_action, ...event } = fields
  if (context.allowsBatches !== true) return rejectArrival(arrival, reject('invalid_correction', BATCHES_ELSEWHERE))
  if (batch_action === undefined) {
    if (!isBatchId(correction_batch) || event.corrects !== undefined || format === 'cloudevent')
      return rejectArrival(arrival, reject('invalid_correction', OF_BATCH))
    const validated = validateEvent({ ...arrival, fields: event }, context)
    return validated.status === 'valid' ? { ...validated, event: { ...validated.event, correctionBatch: correction_batch } } : validated
  }
  const tooLarge = requireSize(undefined, arrival)
  if (tooLarge !== undefined) return rejectArrival(arrival, tooLarge)
  const parsed = parseWindowRecord(fields)
  return parsed.status === 'valid' ? { status: 'window', index, format, window: parsed.window, original } : rejectArrival(arrival, parsed.rejection)
}

const BATCHES_ELSEWHERE =
  'correction_batch and batch_action are for replacing usage, which operators and finance do with POST /admin/v1/correction-batches. An event of a batch is sent to the batch again, any other without these fields.'
const OF_BATCH = 'An event of a correction batch is JSON with the id of the batch in correction_batch, and has no field corrects.'

/** A correction names no metric and no time: both are those of the event that it corrects, which is found in its log. */
function validateCorrection(arrival: Arrival, fields: SentFields, context: ValidationContext): ValidatedEvent {
  const { index, format, original } = arrival
  const tooLarge = requireSize(undefined, arrival)
  if (tooLarge !== undefined) return rejectArrival(arrival, tooLarge)
  const parsed = parseCorrection(fields)
  if (parsed.status === 'rejected') return rejectArrival(arrival, parsed.rejection)
  const { correction } = parsed
  const notAllowed = requireAllowedProject(correction, arrival, context)
  return notAllowed === undefined ? { status: 'correction', index, format, correction, original } : rejectArrival(arrival, notAllowed)
}

/** The projects that these events name. Validation needs to know which of them are allowed. */
export function projectIdsOf(arrivals: readonly Arrival[]): Set<string> {
  const projectIds = new Set<string>()
  for (const { fields } of arrivals) if (isProjectId(fields?.project_id)) projectIds.add(fields.project_id)
  return projectIds
}

type Step = (draft: EventDraft, arrival: Arrival, context: ValidationContext) => Rejection | undefined

function requireSize(_draft: unknown, { bytes }: Arrival): Rejection | undefined {
  if (bytes <= EVENT_BYTES_MAX) return undefined
  return reject('too_large', `One event has at most ${EVENT_BYTES_MAX} bytes; this one has ${bytes}.`)
}

function requireJson(_draft: EventDraft, { problem, errorAt = 0 }: Arrival): Rejection | undefined {
  if (problem === 'not_json') return reject('invalid_json', describeNotJson('The event', errorAt))
  return problem === 'not_an_object' ? reject('invalid_event', 'An event is a JSON object.') : undefined
}

/** A step that needs only the fields (metering/event-steps.ts), which names them as the format does. */
function ofFields(step: (typeof FIELD_STEPS)[number]): Step {
  return (draft, { fields = {}, format }, context) => step(draft, fields, FIELD_NAMES[format], context)
}

/** What the fields of an event are called in the format in which it was sent. */
const FIELD_NAMES: Readonly<Record<EventFormat, FieldNames>> = {
  json: JSON_FIELD_NAMES,
  cloudevent: { eventId: 'event_id', projectId: 'subject', metric: 'type', value: 'data.value', timestamp: 'time' },
}

function requireAllowedProject({ projectId }: Pick<UsageEvent, 'projectId'>, _arrival: Arrival, { allowedProjects }: ValidationContext): Rejection | undefined {
  return allowedProjects === 'all' || allowedProjects.has(projectId) ? undefined : PROJECT_NOT_ALLOWED
}

/** One text for another partner's project and for an unregistered one: the sender must not learn which of the two it is. */
const PROJECT_NOT_ALLOWED: Rejection = {
  reason: 'project_not_allowed',
  message: 'This ingest key sends for the registered projects of its partners only. Have the project registered, or use another key.',
}

function reject(reason: RejectReason, message: string): Rejection {
  return { reason, message }
}

/** Rejects an event, with its ids as far as they are text and at most 64 KiB of its bytes. */
export function rejectArrival(arrival: Arrival, rejection: Rejection): ValidatedEvent {
  const { event_id, project_id } = arrival.fields ?? {}
  const original = () => arrival.original().subarray(0, ORIGINAL_BYTES_KEPT_MAX)
  return { status: 'rejected', index: arrival.index, format: arrival.format, projectId: shown(project_id) ?? '', eventId: shown(event_id), rejection, original }
}

/** Rejects what was valid in itself. */
export function rejectValidated(validated: ValidatedEvent, rejection: Rejection): ValidatedEvent {
  const { index, format } = validated
  return { status: 'rejected', index, format, ...identityOf(validated), rejection, original: () => validated.original().subarray(0, ORIGINAL_BYTES_KEPT_MAX) }
}

const SHOWN_CHARACTERS_MAX = 256

/** The beginning of what was sent as an id, if it is text: enough for the emitter to find the event. */
function shown(value: unknown): string | null {
  return typeof value === 'string' ? value.slice(0, SHOWN_CHARACTERS_MAX) : null
}
