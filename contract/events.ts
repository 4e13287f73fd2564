import { z } from 'zod'
import { REJECT_REASONS } from '../metering/rejection-reasons.ts'
import { EVENT_BODY_CONTENT, NDJSON_TYPES } from './event-body.ts'
import { defineOperation } from './operation.ts'

export const EVENTS_PER_REQUEST_MAX = 10_000
/** Blank lines of NDJSON included. */
export const LINES_PER_REQUEST_MAX = 2 * EVENTS_PER_REQUEST_MAX
export const EVENTS_BODY_BYTES_MAX = 10 * 1024 * 1024
/** A body with Content-Encoding may unpack to EVENTS_BODY_BYTES_MAX, and to this many times its own size. */
export const UNPACKED_RATIO_MAX = 200
/** Up to this size the ratio is not limited. */
export const UNPACKED_PLAIN_BYTES = 64 * 1024
/** How deep arrays and objects may be nested; the list of ten million opened levels would take a second to build. */
export const JSON_LEVELS_MAX = 100_000

const RejectedInRequest = z.array(
  z.object({
    index: z.number().int().meta({ description: 'Position in the request, starting at 0. For NDJSON it is the line, starting at 0.' }),
    event_id: z.string().nullable(),
    reason: z.enum(REJECT_REASONS),
    message: z.string(),
  }),
)

export const EventsCounted = z.object({
  accepted: z.number().int().meta({ description: 'Events that this request counted.' }),
  duplicates: z.number().int().meta({ description: 'Events that had already been counted.' }),
  rejected: RejectedInRequest,
})

export const EventsProduced = z
  .object({
    accepted: z.number().int().meta({ description: 'Events that are durable in Kafka and will be counted once.' }),
    rejected: RejectedInRequest,
  })
  .meta({ description: 'With Kafka. Duplicates are detected later, when the topic is read.' })

export const SEND_EVENTS = defineOperation({
  method: 'POST',
  path: '/v1/events',
  tag: 'events',
  summary: 'Send usage events',
  description: [
    `One event, an array, NDJSON (${NDJSON_TYPES.join(', ')}) or CloudEvents 1.0; at most ${EVENTS_PER_REQUEST_MAX} events and ${EVENTS_BODY_BYTES_MAX} bytes, in UTF-8.`,
    `Content-Encoding may be gzip, deflate, br or zstd; such a body may unpack to ${EVENTS_BODY_BYTES_MAX} bytes and to ${UNPACKED_RATIO_MAX} times its own size.`,
    'CloudEvents may also be sent as application/json, and one alone in binary mode: its attributes as ce- headers, its data as the body.',
    'Each event is validated separately: valid events are counted, and rejected events are listed with the reason. An element of an array that is not JSON is rejected alone where its end is certain; otherwise the body is 400, with the place of the error.',
    'After a 503 or without an answer, send the whole request again; no event counts twice.',
    'Of two different values with one event_id the first one counts, and the second is a conflict: never send it again with another event_id.',
    'What has a field `corrects` is a correction of an earlier event of the same project: with the action `void` the event does not count, with `amend` it counts with another value. It has an event_id of its own, the latest one applies, and a copy is a duplicate. A CloudEvent cannot be a correction. Events of closed months are corrected by an operator or finance.',
  ].join(' '),
  rawBody: EVENT_BODY_CONTENT,
  answers: { 200: EventsCounted, 202: EventsProduced },
  errors: { 400: true, 401: true, 413: true, 415: true, 429: true, 500: true, 503: 'EVENTS_UNAVAILABLE' },
  // The body has an example for each content type (event-body.ts).
  example: {
    answers: {
      200: { accepted: 1, duplicates: 1, rejected: [{ index: 2, event_id: 'req-7f3b', reason: 'unknown_metric', message: 'There is no metric "ai_token".' }] },
      202: { accepted: 2, rejected: [] },
    },
  },
})
