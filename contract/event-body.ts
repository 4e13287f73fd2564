import { z } from 'zod'
import { CORRECTION_ACTIONS, CORRECTION_REASON_CODE_POINTS_MAX } from '../metering/correction.ts'
import { EVENT_ID_CODE_POINTS_MAX, PROJECT_ID_CHARACTERS_MAX, RESERVED_PROJECT_IDS } from '../metering/event.ts'
import { LABEL_CHARACTERS_MAX } from '../metering/labels.ts'
import { METRIC_NAMES } from '../metering/metrics.ts'
import { LAST_DAY } from '../metering/storable-days.ts'
import { MetricNameField } from './metrics.ts'

/** A documented metric, or one that an operator has defined (contract/metrics.ts). */
const Metric = z.union([z.enum(METRIC_NAMES), MetricNameField]).meta({ description: 'A documented metric, or one that is defined.' })

const Labels = z.record(z.string(), z.string()).meta({
  description: `By the keys that the metric declares, 1 to ${LABEL_CHARACTERS_MAX} characters each. Others are ignored. They are no part of the identity.`,
})

const RESERVED = `Not one of ${RESERVED_PROJECT_IDS.join(', ')}, which are reserved for paths of the API.`

/**
 * The body of POST /v1/events, as OpenAPI describes it. The server does not validate with these schemas: it validates the bytes of a
 * body event by event (ingest/event/pipeline.ts), so that one bad event does not reject its neighbours and a value keeps all its digits.
 */
const UsageEventBody = z.object({
  event_id: z.string().min(1).max(EVENT_ID_CODE_POINTS_MAX).meta({
    description: 'An id of your choice, permanently unique within the project. An event may be sent again with the same id any number of times.',
  }),
  project_id: z.string().min(1).max(PROJECT_ID_CHARACTERS_MAX).meta({ description: RESERVED }),
  metric: Metric,
  value: z.union([z.string(), z.number()]).optional().meta({
    description:
      'Not negative, at most 29 integer and 9 fraction digits. A string, or a number that every JSON parser reads identically. Required, except for metrics of the kind `count`. Of a metric of the kind `unique` a text of 1 to 128 characters.',
  }),
  timestamp: z
    .string()
    .meta({ format: 'date-time', description: `RFC 3339 with a time zone, at most ${LAST_DAY}, without leap seconds. The usage counts for its UTC day.` }),
  labels: Labels.optional(),
})

const CorrectionBody = z
  .object({
    event_id: UsageEventBody.shape.event_id.meta({ description: 'An id of its own: events and corrections of a project share their ids.' }),
    project_id: UsageEventBody.shape.project_id,
    corrects: z.string().min(1).max(EVENT_ID_CODE_POINTS_MAX).meta({ description: 'The event_id of an event of the same project that was sent before.' }),
    action: z.enum(CORRECTION_ACTIONS).meta({ description: '`void`: the event does not count. `amend`: it counts with this value.' }),
    value: UsageEventBody.shape.value.meta({ description: 'Required for `amend`, with the rules of an event; left out for `void`.' }),
    reason: z.string().min(1).max(CORRECTION_REASON_CODE_POINTS_MAX).meta({ description: 'Why, without control characters.' }),
  })
  .meta({ description: 'A correction of an earlier event. The latest one applies.' })

const CloudEventBody = z.object({
  specversion: z.literal('1.0'),
  source: z.string().meta({ description: 'Together with id, the identity of the event.' }),
  id: z.string(),
  type: Metric,
  subject: z.string().meta({ description: `The project. ${RESERVED}` }),
  time: z.string().meta({ format: 'date-time' }),
  data: z.object({ value: z.union([z.string(), z.number()]), labels: Labels.optional() }).optional(),
})

const EXAMPLE = { event_id: 'req-7f3a', project_id: 'p1', metric: 'ai_tokens', value: 1500, timestamp: '2026-01-31T12:00:00Z' }
const CORRECTION_EXAMPLE = { event_id: 'fix-7f3a', project_id: 'p1', corrects: 'req-7f3a', action: 'amend', value: 1200, reason: 'tokens of a retry' }
const CLOUD_EXAMPLE = {
  specversion: '1.0',
  source: '/gateway/eu',
  id: '7f3a',
  type: 'ai_tokens',
  subject: 'p1',
  time: EXAMPLE.timestamp,
  data: { value: 1500 },
}

const usageEvent = toSchema(UsageEventBody, EXAMPLE)
const correction = toSchema(CorrectionBody, CORRECTION_EXAMPLE)
const cloudEvent = toSchema(CloudEventBody, CLOUD_EXAMPLE)

/** NDJSON has no registered media type; these are the names that its senders use. OpenAPI describes the first. */
export const NDJSON_TYPES = ['application/x-ndjson', 'application/ndjson', 'application/jsonl', 'application/x-jsonlines', 'application/jsonlines'] as const

/** The content types that POST /v1/events accepts, each with its schema and an example. */
export const EVENT_BODY_CONTENT = {
  'application/json': { schema: { anyOf: [usageEvent, correction, { type: 'array', items: { anyOf: [usageEvent, correction] } }], example: [EXAMPLE] } },
  'application/x-ndjson': { schema: { type: 'string', description: 'One event or correction per line.', example: `${JSON.stringify(EXAMPLE)}\n` } },
  'application/cloudevents+json': { schema: cloudEvent },
  'application/cloudevents-batch+json': { schema: { type: 'array', items: cloudEvent, example: [CLOUD_EXAMPLE] } },
}

/** The body of POST …/correction-batches/:batchId/events. */
export const BATCH_EVENTS_CONTENT = {
  'application/json': { schema: { anyOf: [usageEvent, { type: 'array', items: usageEvent }], example: [EXAMPLE] } },
  'application/x-ndjson': { schema: { type: 'string', description: 'One event per line.', example: `${JSON.stringify(EXAMPLE)}\n` } },
}

function toSchema(schema: z.ZodType, example: object) {
  // As input, because an event may have further fields, which are ignored.
  const { $schema: _, ...json } = z.toJSONSchema(schema, { io: 'input' })
  return { ...json, example }
}
