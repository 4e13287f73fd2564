import type { RejectReason } from '../../../metering/rejection-reasons.ts'

/** What each reason means, and what helps. */
export const REASON_MEANINGS: Readonly<Record<RejectReason, string>> = {
  invalid_json: 'The record is not JSON. Correct the emitter.',
  invalid_event: 'A field is missing or has another type. Correct the emitter.',
  unknown_metric: 'There is no such metric. Correct its name, or define the metric and resend the event.',
  invalid_value: 'The value is negative, not a number, or has too many digits. Correct the emitter.',
  invalid_timestamp: 'The timestamp cannot be read, or no event can be so old. Correct the emitter.',
  timestamp_in_future: 'The clock of the emitter is ahead. Correct it; resend when the time has come.',
  conflict: 'An event with the same id and another metric or value was counted before. Give each event an id of its own.',
  invalid_correction: 'A field of the correction is missing or not allowed. Correct the emitter.',
  unknown_event: 'The event to correct was not before its correction, or is a correction itself. Send the event, then resend.',
  month_closed: 'The month of the event is closed. An operator or finance can correct it.',
  too_large: 'The event is larger than allowed. Send less with it.',
  project_not_allowed: 'The ingest key may not send for this project. Register the project, or use another key; then resend.',
  refused_by_store: 'The database rejected the event. Read the service log, then resend.',
}
