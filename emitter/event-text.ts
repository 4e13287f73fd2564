import type { DefinedMetric, Labels, MetricName } from './event.ts'

/** A usage event as the caller gives it. */
export interface UsageEvent {
  readonly project_id: string
  readonly metric: MetricName | DefinedMetric
  /** Not negative, at most 29 integer and 9 fraction digits. A number must be exact: send what is not an integer as text. */
  readonly value: number | string | bigint
  /** When it was used: a Date, milliseconds since 1970, or RFC 3339. Now, if it is left out. */
  readonly timestamp?: Date | number | string | undefined
  /** Unique within the project. A UUIDv7, if it is left out: then two calls are two events. */
  readonly event_id?: string | undefined
  /** By the keys that the metric declares: see WireEvent. */
  readonly labels?: Labels | undefined
}

/**
 * The JSON of an event. What the service would reject is sent all the same: the service keeps a rejected event with its reason, so that it
 * can be corrected. Throws if there is no such text.
 */
export function textOfEvent({ project_id, metric, value, timestamp, labels }: UsageEvent, event_id: string, nowMs: number): string {
  // Without labels JSON has no such member.
  return JSON.stringify({ event_id, project_id, metric, value: writableValue(value), timestamp: timestampOf(timestamp ?? nowMs), labels })
}

/** A correction as the caller gives it: of an event of a month that is still open. */
export interface UsageCorrection {
  readonly project_id: string
  /** The event_id of the event. */
  readonly corrects: string
  readonly action: 'void' | 'amend'
  /** For amend only: the value that counts from now on, as in UsageEvent. */
  readonly value?: UsageEvent['value'] | undefined
  /** Why, in 1 to 500 characters. The partner can read it. */
  readonly reason: string
  /** Of the correction itself. A UUIDv7, if it is left out. */
  readonly event_id?: string | undefined
}

/** The JSON of a correction. Throws if there is no such text. */
export function textOfCorrection({ project_id, corrects, action, value, reason }: UsageCorrection, event_id: string): string {
  return JSON.stringify({ event_id, project_id, corrects, action, value: writableValue(value), reason })
}

/** The length of a text in UTF-8. */
export function utf8Bytes(text: string): number {
  let bytes = text.length
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at)
    // Half of a pair of surrogates: four bytes for two units.
    if (unit > 0x7f) bytes += unit > 0x7ff && (unit < 0xd800 || unit > 0xdfff) ? 2 : 1
  }
  return bytes
}

/** JSON has neither bigint nor NaN; it would write NaN as null. */
function writableValue(value: unknown): unknown {
  return typeof value === 'bigint' || (typeof value === 'number' && !Number.isFinite(value)) ? String(value) : value
}

function timestampOf(timestamp: Date | number | string): string {
  if (typeof timestamp === 'string') return timestamp
  const date = new Date(timestamp)
  return Number.isNaN(date.getTime()) ? String(date) : date.toISOString()
}
