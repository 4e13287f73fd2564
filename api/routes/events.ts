import type { FastifyInstance, FastifyRequest } from 'fastify'
import { EVENT_BODY_CONTENT, NDJSON_TYPES } from '../../contract/event-body.ts'
import { EVENTS_BODY_BYTES_MAX, EVENTS_PER_REQUEST_MAX, LINES_PER_REQUEST_MAX, SEND_EVENTS } from '../../contract/events.ts'
import type { Arrival } from '../../ingest/event/arrival.ts'
import { type BodyFormat, decodeBinaryCloudEvent, decodeBody } from '../../ingest/event/decode-body.ts'
import { identityOf } from '../../ingest/event/pipeline.ts'
import { validateEvents } from '../../ingest/event/validate-events.ts'
import { eventsAnswer } from '../answers/events.ts'
import { EMITTER } from '../auth/access.ts'
import { findAllowedProjects } from '../auth/allowed-projects.ts'
import { ingestKeyOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'
import { PastMonthsBudget } from '../http/past-months-budget.ts'
import { readBody } from '../http/request-body.ts'
import { readCloudEventHeaders } from '../requests/cloud-event-headers.ts'
import { rejectClosedMonths } from '../requests/reject-closed-months.ts'
import { addRoute } from '../route.ts'

const FORMATS: Readonly<Record<string, BodyFormat>> = {
  'application/json': 'json',
  ...Object.fromEntries(NDJSON_TYPES.map((type) => [type, 'ndjson'] as const)),
  'application/cloudevents+json': 'cloudevent',
  'application/cloudevents-batch+json': 'cloudevent-batch',
}

/** Bodies stay bytes on the routes of `app`, because an event is validated by its text and stored as it was sent. */
export function acceptEventBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(Object.keys(FORMATS), { parseAs: 'buffer', bodyLimit: EVENTS_BODY_BYTES_MAX }, (request: FastifyRequest, body: Buffer) =>
    readBody(request, body),
  )
}

/** On an app of acceptEventBodies. */
export function sendEvents(app: FastifyInstance, { limitedReads, registry, eventLog, knownMetrics, now, pastMonthsPerMinute }: ApiContext): void {
  const pastMonths = new PastMonthsBudget({ monthsPerMinute: pastMonthsPerMinute })
  addRoute(app, SEND_EVENTS, { access: EMITTER, limit: 'events', bodyLimit: EVENTS_BODY_BYTES_MAX }, async (request, reply) => {
    const receivedMs = now()
    const ingestKey = ingestKeyOf(request)
    const body = bodyOf(request)
    const arrivals = decodeArrivals(body, request)
    const allowedProjects = await findAllowedProjects(registry, ingestKey, arrivals)
    const validated = await rejectClosedMonths(limitedReads, await validateEvents(arrivals, { receivedMs, allowedProjects }, knownMetrics))
    pastMonths.spend(ingestKey.id, validated, receivedMs)
    const submission = { validated, ingestKeyId: ingestKey.id, receivedMs, bytes: body.length, traceparent: request.traced?.traceparent }
    const verdicts = validated.length === 0 ? [] : await eventLog.submit(submission)
    for (const each of validated) if (each.status !== 'rejected') registry.projectSenders.note(ingestKey.id, identityOf(each).projectId)
    return reply.code(eventLog.acknowledges === 'durable' ? 202 : 200).send(eventsAnswer(eventLog, validated, verdicts))
  })
}

export function decodeArrivals(body: Buffer, request: FastifyRequest): Arrival[] {
  const format = formatOf(request)
  const attributes = format === 'json' ? readCloudEventHeaders(request.headers) : undefined
  if (attributes !== undefined) return [decodeBinaryCloudEvent(attributes, body)]
  const decoded = decodeBody(body, format)
  if (decoded.status === 'not_json') throw new ApiError('BODY_NOT_JSON', decoded.message)
  if (decoded.status === 'too_many_events') {
    throw new ApiError('TOO_LARGE', `A request has at most ${EVENTS_PER_REQUEST_MAX} events. None of these was stored.`)
  }
  if (decoded.status === 'too_many_lines') {
    throw new ApiError('TOO_LARGE', `A request has at most ${LINES_PER_REQUEST_MAX} lines, blank ones included. None of these was stored.`)
  }
  return decoded.arrivals
}

export function bodyOf(request: FastifyRequest): Buffer {
  if (!Buffer.isBuffer(request.body) || request.body.length === 0)
    throw new ApiError('BODY_NOT_JSON', 'The body is empty. Send one event, an array of events, or NDJSON.')
  return request.body
}

function formatOf(request: FastifyRequest): BodyFormat {
  const contentType = (request.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase()
  const format = contentType === undefined ? undefined : FORMATS[contentType]
  if (format === undefined) throw new ApiError('UNSUPPORTED_MEDIA_TYPE', `Send events as ${Object.keys(EVENT_BODY_CONTENT).join(', ')}.`)
  return format
}
