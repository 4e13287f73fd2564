/** Why an event was rejected. The list is closed: a rejection without one of these reasons cannot be stored. */
export const REJECT_REASONS = [
  'invalid_json',
  'invalid_event',
  'unknown_metric',
  'invalid_value',
  'invalid_timestamp',
  'timestamp_in_future',
  'conflict',
  'invalid_correction',
  'unknown_event',
  'month_closed',
  'too_large',
  'project_not_allowed',
  'refused_by_store',
] as const
export type RejectReason = (typeof REJECT_REASONS)[number]

export function isRejectReason(text: string): text is RejectReason {
  return (REJECT_REASONS as readonly string[]).includes(text)
}

export interface Rejection {
  readonly reason: RejectReason
  /** A sentence for the emitter: what is wrong, and what would be accepted. */
  readonly message: string
}
