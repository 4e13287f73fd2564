/** A level: the highest sample of a day counts. */
export type PeakMetric = 'database_size_bytes' | 'file_storage_bytes'
/** A flow: the samples of a day are summed. */
export type CumulativeMetric = 'ai_tokens' | 'mcp_calls' | 'egress_bytes' | 'ai_credits' | 'email_requests' | 'function_calls' | 'ec2_compute'
/** The catalogue of usage metrics. test/emitter/catalogue.test.ts compares it with the service's. */
export type MetricName = PeakMetric | CumulativeMetric
/** Operators define others. Editors suggest the documented ones. */
export type DefinedMetric = string & Record<never, never>

/** What POST /v1/events accepts as one event. The service counts it once per (project_id, event_id), however often it is sent. */
export interface WireEvent {
  readonly event_id: string
  readonly project_id: string
  readonly metric: string
  /** A decimal as text, with at most 29 integer and 9 fraction digits; or a number that JSON represents exactly. */
  readonly value: string | number
  /** RFC 3339 with a time zone. The usage counts for its UTC day. */
  readonly timestamp: string
  /** By the keys that the metric declares, at most 64 characters each. Others are ignored. They are no part of the identity. */
  readonly labels?: Labels | undefined
}

/** Properties that divide the usage of a metric, such as its model or its region. */
export type Labels = Readonly<Record<string, string>>

/** A correction of an event that was sent before, as POST /v1/events accepts it among events. It has an id of its own, and counts once. */
export interface WireCorrection {
  readonly event_id: string
  readonly project_id: string
  /** The event_id of the event. */
  readonly corrects: string
  /** void: the event does not count any more. amend: it counts with another value. The latest correction of an event applies. */
  readonly action: 'void' | 'amend'
  /** For amend only. */
  readonly value?: string | number
  /** Why, in 1 to 500 characters. The partner can read it. */
  readonly reason: string
}

/** What the service accepts in one request. */
export const EVENTS_PER_REQUEST_MAX = 10_000
export const BODY_BYTES_MAX = 10 * 1024 * 1024

/** Why the service rejects an event. A later service may have more reasons. */
export type RejectReason =
  | 'invalid_json'
  | 'invalid_event'
  | 'unknown_metric'
  | 'invalid_value'
  | 'invalid_timestamp'
  | 'timestamp_in_future'
  | 'conflict'
  | 'invalid_correction'
  | 'unknown_event'
  | 'month_closed'
  | 'too_large'
  | 'project_not_allowed'
  | 'refused_by_store'
