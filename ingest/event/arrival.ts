import type { SentFields } from '../../metering/event-steps.ts'

/** One event as it arrived, not validated yet: its fields and its own bytes. */
export interface Arrival {
  /** 0-based position in the request; for NDJSON the line. */
  readonly index: number
  readonly format: EventFormat
  /** Undefined if the bytes are not JSON or not an object. */
  readonly fields: SentFields | undefined
  readonly problem: 'not_json' | 'not_an_object' | undefined
  /** Where the event's own bytes stop being JSON. */
  readonly errorAt?: number | undefined
  readonly bytes: number
  /** The event's own bytes. They are cut out of the body only when this is called, which is for rejected events. */
  original(): Buffer
}

/** How an event is read. It is kept with the bytes of a rejected event, so that a resend reads them the same way. */
export type EventFormat = 'json' | 'cloudevent'
