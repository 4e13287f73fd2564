import type { FastifyInstance } from 'fastify'
import { DROP_REJECTED_EVENTS, LIST_OWN_REJECTED_EVENTS, LIST_REJECTED_EVENTS, RESEND_REJECTED_EVENTS } from '../../contract/rejected-events.ts'
import type { Arrival } from '../../ingest/event/arrival.ts'
import type { ValidatedEvent } from '../../ingest/event/pipeline.ts'
import { dropRejected } from '../../ingest/rejected/drop-rejected.ts'
import { resendRejected } from '../../ingest/rejected/resend-rejected.ts'
import { monthOf } from '../../metering/month.ts'
import { dayOf } from '../../metering/timestamp.ts'
import { findIngestKey } from '../../registry/credentials/ingest-keys.ts'
import { rejectedPage } from '../answers/rejected-page.ts'
import { EMITTER, EMITTER_MANAGER, OPERATOR } from '../auth/access.ts'
import { findAllowedProjects } from '../auth/allowed-projects.ts'
import { actorOf, ingestKeyOf } from '../auth/auth.ts'
import type { ApiContext, OperatorContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'
import { rejectClosedMonths } from '../requests/reject-closed-months.ts'
import { addRoute } from '../route.ts'

export function listOwnRejectedEvents(app: FastifyInstance, { limitedReads }: ApiContext): void {
  addRoute(app, LIST_OWN_REJECTED_EVENTS, { access: EMITTER }, async (request) => rejectedPage(limitedReads, ingestKeyOf(request).id, request.query))
}

export function listRejectedEvents(app: FastifyInstance, { limitedReads }: ApiContext): void {
  addRoute(app, LIST_REJECTED_EVENTS, { access: EMITTER_MANAGER }, async (request) => rejectedPage(limitedReads, '', request.query))
}

export function resendRejectedEvents(app: FastifyInstance, { clickhouse, registry, eventLog, knownMetrics: metrics, now }: OperatorContext): void {
  addRoute(app, RESEND_REJECTED_EVENTS, { access: EMITTER_MANAGER }, async (request) => {
    const ids = [...new Set(request.body.ids)]
    await registry.changes.note(actorOf(request), { action: 'rejected-events.resend', subject: 'all', details: { events: ids.length } })
    const allowedProjectsOf = async (keyId: string, arrivals: readonly Arrival[]) =>
      findAllowedProjects(registry, (await findIngestKey(registry, keyId)) ?? ALL_PROJECTS, arrivals)
    const options = {
      clickhouse,
      eventLog,
      metrics,
      findAllowedProjects: allowedProjectsOf,
      rejectClosedMonths: (events: readonly ValidatedEvent[]) => rejectClosedMonths(clickhouse, events),
    }
    return { events: await resendRejected(options, ids, now()) }
  })
}

export function dropRejectedEvents(app: FastifyInstance, { clickhouse, registry, now }: OperatorContext): void {
  addRoute(app, DROP_REJECTED_EVENTS, { access: OPERATOR }, async (request) => {
    const { before } = request.body
    const current = monthOf(dayOf(now()))
    // The events of this month may still be written again, with the batch that they are part of.
    if (before > current) throw new ApiError('INVALID_REQUEST', `body.before: must not be after the current month, ${current}`)
    await registry.changes.note(actorOf(request), { action: 'rejected-events.drop', subject: before })
    return { months: await dropRejected(clickhouse, before) }
  })
}

/** The scope of events that were not sent with an ingest key of this service. */
const ALL_PROJECTS = { partnerIds: [] }
