import { z } from 'zod'
import { EVENT_ID_CODE_POINTS_MAX, PROJECT_ID_CHARACTERS_MAX } from '../../metering/event.ts'
import { METRIC_NAMES } from '../../metering/metrics.ts'

/**
 * What POST /v1/events takes, for the API description. It is not what judges: a body is judged as the bytes it is, event
 * by event (ingest/event/pipeline.ts), so that one bad event does not refuse its neighbours and no digit of a value is lost.
 */
const UsageEventBody = z.object({
  event_id: z
    .string()
    .min(1)
    .max(EVENT_ID_CODE_POINTS_MAX)
    .meta({ description: 'Yours, unique within the project, for ever. Send it again as often as you like.' }),
  project_id: z.string().min(1).max(PROJECT_ID_CHARACTERS_MAX),
  metric: z.enum(METRIC_NAMES),
  value: z
    .union([z.string(), z.number()])
    .meta({ description: 'Not negative, at most 29 integer and 9 fraction digits. A string, or a number that every parser reads alike.' }),
  timestamp: z.string().meta({ format: 'date-time', description: 'RFC 3339 with a zone. Its UTC day is the day the usage counts for.' }),
})

const CloudEventBody = z.object({
  specversion: z.literal('1.0'),
  source: z.string().meta({ description: 'With id: the identity of the event.' }),
  id: z.string(),
  type: z.enum(METRIC_NAMES),
  subject: z.string().meta({ description: 'The project.' }),
  time: z.string().meta({ format: 'date-time' }),
  data: z.object({ value: z.union([z.string(), z.number()]) }),
})

const EXAMPLE = { event_id: 'req-7f3a', project_id: 'p1', metric: 'ai_tokens', value: 1500, timestamp: '2026-01-31T12:00:00Z' }
const CLOUD_EXAMPLE = {
  specversion: '1.0',
  source: '/gateway/eu',
  id: '7f3a',
  type: 'ai_tokens',
  subject: 'p1',
  time: EXAMPLE.timestamp,
  data: { value: 1500 },
}

const one = toSchema(UsageEventBody, EXAMPLE)
const cloudEvent = toSchema(CloudEventBody, CLOUD_EXAMPLE)

export const EVENT_BODY_CONTENT = {
  'application/json': { schema: { anyOf: [one, { type: 'array', items: one }], example: [EXAMPLE] } },
  'application/x-ndjson': { schema: { type: 'string', description: 'One event a line.', example: `${JSON.stringify(EXAMPLE)}\n` } },
  'application/cloudevents+json': { schema: cloudEvent },
  'application/cloudevents-batch+json': { schema: { type: 'array', items: cloudEvent, example: [CLOUD_EXAMPLE] } },
}

function toSchema(schema: z.ZodType, example: object) {
  // As it comes in: what an event has beside these is ignored.
  const { $schema: _, ...json } = z.toJSONSchema(schema, { io: 'input' })
  return { ...json, example }
}
