import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { PageQuery } from '../../contract/pages.ts'
import { type Arrival, BODY_BYTES_MAX, type BodyFormat, decodeBody, EVENTS_PER_REQUEST_MAX } from '../../ingest/event/decode-body.ts'
import { type Judged, judgeEvent } from '../../ingest/event/pipeline.ts'
import type { Verdict } from '../../ingest/log/detect-duplicates.ts'
import { REJECT_REASONS } from '../../metering/event.ts'
import { errorAnswers } from '../answers/error-answers.ts'
import { RejectedPage, rejectedPage } from '../answers/rejected-page.ts'
import { EMITTER } from '../auth/access.ts'
import { findAllowedProjects } from '../auth/allowed-projects.ts'
import { ingestKeyOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'
import { EVENT_BODY_CONTENT } from '../requests/event-body.ts'

const FORMATS: Record<string, BodyFormat> = {
  'application/json': 'json',
  'application/x-ndjson': 'ndjson',
  'application/cloudevents+json': 'cloudevent',
  'application/cloudevents-batch+json': 'cloudevent-batch',
}

export function eventRoutes(parent: FastifyInstance, { registry, eventLog, clickhouse, now }: ApiContext): void {
  // A scope of its own: here bodies stay bytes, because an event is judged by its text and kept as it came.
  parent.register(async (app) => {
    app.removeAllContentTypeParsers()
    app.addContentTypeParser(Object.keys(FORMATS), { parseAs: 'buffer', bodyLimit: BODY_BYTES_MAX }, (_request, body, done) => done(null, body))
    const routes = app.withTypeProvider<ZodTypeProvider>()

    routes.post(
      '/v1/events',
      {
        bodyLimit: BODY_BYTES_MAX,
        config: { access: EMITTER, limit: 'events' },
        schema: {
          tags: ['events'],
          summary: 'Send usage events',
          description: `One event, an array, NDJSON or CloudEvents 1.0; at most ${EVENTS_PER_REQUEST_MAX} events or ${BODY_BYTES_MAX} bytes. Each event is judged alone: the good ones of a request count, the others are listed with their reason. After a 503 or no answer send all of it again; nothing counts twice.`,
          documentedBody: EVENT_BODY_CONTENT,
          response: { 200: EventsAnswer, 202: EventsProduced, ...errorAnswers(400, 401, 413, 415, 429, 500, 503) },
        },
      },
      async (request, reply) => {
        const receivedMs = now()
        const ingestKey = ingestKeyOf(request)
        const body = bodyOf(request)
        const arrivals = decodeArrivals(body, formatOf(request))
        const allowedProjects = await findAllowedProjects(registry, ingestKey, arrivals)
        const judged = arrivals.map((arrival) => judgeEvent(arrival, { receivedMs, allowedProjects }))
        const verdicts = judged.length === 0 ? [] : await eventLog.submit({ judged, ingestKeyId: ingestKey.id, receivedMs, bytes: body.length })
        const rejected = rejectedOf(judged, verdicts)
        const having = (...statuses: Verdict['status'][]) => verdicts.filter(({ status }) => statuses.includes(status)).length
        if (eventLog.acknowledges === 'durable') return reply.code(202).send({ accepted: having('produced'), rejected })
        return reply.send({ accepted: having('counted', 'already_stored'), duplicates: having('duplicate'), rejected })
      },
    )

    routes.get(
      '/v1/rejected-events',
      {
        config: { access: EMITTER },
        schema: {
          tags: ['events'],
          summary: 'The refusals of this ingest key, the latest first',
          querystring: PageQuery,
          response: { 200: RejectedPage, ...errorAnswers(400, 401, 429, 500, 503) },
        },
      },
      async (request) => rejectedPage(clickhouse, ingestKeyOf(request).id, request.query),
    )
  })
}

const RejectedEvents = z.array(
  z.object({
    index: z.number().int().meta({ description: '0-based; for NDJSON the line.' }),
    event_id: z.string().nullable(),
    reason: z.enum(REJECT_REASONS),
    message: z.string(),
  }),
)

const EventsAnswer = z.object({
  accepted: z.number().int().meta({ description: 'Events counted by this request.' }),
  duplicates: z.number().int().meta({ description: 'Events that had been counted before.' }),
  rejected: RejectedEvents,
})

const EventsProduced = z
  .object({ accepted: z.number().int().meta({ description: 'Events that are durable in Kafka and will be counted once.' }), rejected: RejectedEvents })
  .meta({ description: 'With Kafka: which of the events are duplicates nobody can know yet.' })

function decodeArrivals(body: Buffer, format: BodyFormat): Arrival[] {
  const decoded = decodeBody(body, format)
  if (decoded.status === 'not_json') throw new ApiError('BODY_NOT_JSON', decoded.message)
  if (decoded.status === 'too_many_events') {
    throw new ApiError('TOO_LARGE', `A request has at most ${EVENTS_PER_REQUEST_MAX} events. Nothing of it was kept.`)
  }
  return decoded.arrivals
}

function rejectedOf(judged: readonly Judged[], verdicts: readonly Verdict[]) {
  return judged.flatMap((each, index) => {
    const verdict = verdicts[index]
    if (verdict?.status !== 'rejected') return []
    const eventId = each.status === 'valid' ? each.event.eventId : each.eventId
    return [{ index: each.index, event_id: eventId, ...verdict.rejection }]
  })
}

function bodyOf(request: FastifyRequest): Buffer {
  if (!Buffer.isBuffer(request.body) || request.body.length === 0)
    throw new ApiError('BODY_NOT_JSON', 'The body is empty. Send one event, an array of events, or NDJSON.')
  return request.body
}

function formatOf(request: FastifyRequest): BodyFormat {
  const contentType = (request.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase()
  const format = contentType === undefined ? undefined : FORMATS[contentType]
  if (format === undefined || request.headers['content-encoding'] !== undefined) {
    throw new ApiError('UNSUPPORTED_MEDIA_TYPE', `Send events uncompressed as ${Object.keys(FORMATS).join(', ')}.`)
  }
  return format
}
