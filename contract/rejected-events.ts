import { z } from 'zod'
import { REJECT_REASONS } from '../metering/rejection-reasons.ts'
import { IN_FEBRUARY, PROJECT_ID } from './example-values.ts'
import { Instant, MonthText } from './fields.ts'
import { defineOperation } from './operation.ts'
import { NextCursor, PageQuery } from './pages.ts'

/** How many rejected events one request may resubmit. */
const RESEND_IDS_MAX = 1_000

const RejectedPage = z.object({
  rejected_events: z.array(
    z.object({
      id: z
        .string()
        .regex(/^.+\/\d+$/)
        .meta({ description: 'Identifies the event when it is resubmitted: its log and its offset in that log.' }),
      reason: z.enum(REJECT_REASONS),
      message: z.string(),
      project_id: z.string(),
      event_id: z.string(),
      received_at: Instant,
      original: z.string().meta({
        description:
          'The event as it was received, at most 64 KiB. Empty if the ingest key had more rejected events on that day than are kept whole, or if the same bytes were rejected before and are kept there.',
      }),
      resent_at: Instant.nullable().meta({ description: 'When an operator resubmitted it; null if none has.' }),
    }),
  ),
  next_cursor: NextCursor,
})

const ResendAnswer = z.object({
  events: z.array(
    z.object({
      id: z.string(),
      outcome: z.enum(['accepted', 'duplicate', 'rejected', 'not_found']),
      reason: z.enum(REJECT_REASONS).nullable(),
    }),
  ),
})

const REJECTED = {
  id: 'http/1706',
  reason: 'unknown_metric',
  message: 'There is no metric "ai_token".',
  project_id: PROJECT_ID,
  event_id: 'req-7f3b',
  received_at: IN_FEBRUARY,
  original: '{"event_id":"req-7f3b","project_id":"p1","metric":"ai_token","value":1500,"timestamp":"2026-02-04T09:29:59Z"}',
  resent_at: null,
}

export const LIST_OWN_REJECTED_EVENTS = defineOperation({
  method: 'GET',
  path: '/v1/rejected-events',
  tag: 'events',
  summary: 'List the rejected events of this ingest key, newest first',
  query: PageQuery,
  answers: { 200: RejectedPage },
  errors: { 400: true, 401: true, 429: true, 500: true, 503: true },
  example: { answers: { 200: { rejected_events: [REJECTED], next_cursor: null } } },
})

export const LIST_REJECTED_EVENTS = defineOperation({
  method: 'GET',
  path: '/admin/v1/rejected-events',
  tag: 'admin',
  summary: 'List all rejected events, newest first',
  query: PageQuery,
  answers: { 200: RejectedPage },
  errors: { 400: true, 401: true, 403: true, 429: true, 500: true, 503: true },
  example: { answers: { 200: { rejected_events: [REJECTED], next_cursor: null } } },
})

export const RESEND_REJECTED_EVENTS = defineOperation({
  method: 'POST',
  path: '/admin/v1/rejected-events/resend',
  tag: 'logs',
  summary: 'Resubmit rejected events',
  description:
    'For use after a fix, such as a metric that has become known. The events are treated as new records that are received now. Those that are rejected again are kept as rejected; those without an original are not found.',
  body: z.strictObject({ ids: z.array(z.string()).min(1).max(RESEND_IDS_MAX) }),
  answers: { 200: ResendAnswer },
  errors: { 400: true, 401: true, 403: true, 413: true, 415: true, 429: true, 500: true, 503: true },
  example: {
    request: { ids: [REJECTED.id] },
    answers: { 200: { events: [{ id: REJECTED.id, outcome: 'accepted', reason: null }] } },
  },
})

export const DROP_REJECTED_EVENTS = defineOperation({
  method: 'POST',
  path: '/admin/v1/rejected-events/drop',
  tag: 'logs',
  summary: 'Drop the rejected events of past months',
  description: 'Deletes the rejected events that were received before a month, for all ingest keys. They cannot be resent afterwards. Idempotent.',
  body: z.strictObject({ before: MonthText.meta({ description: 'The first month that is kept; at most the current one.' }) }),
  answers: { 200: z.object({ months: z.array(z.object({ month: z.string(), events: z.number().int() })) }) },
  errors: { 400: true, 401: true, 403: true, 413: true, 415: true, 429: true, 500: true, 503: true },
  example: { request: { before: '2026-01' }, answers: { 200: { months: [{ month: '2025-12', events: 1706 }] } } },
})
