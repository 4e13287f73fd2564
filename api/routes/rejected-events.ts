import type { FastifyInstance } from 'fastify'
import { LIST_OWN_REJECTED_EVENTS, LIST_REJECTED_EVENTS, RESEND_REJECTED_EVENTS } from '../../contract/rejected-events.ts'
import type { Arrival } from '../../ingest/event/decode-body.ts'
import { resendRejected } from '../../ingest/rejected/resend-rejected.ts'
import { findIngestKey } from '../../registry/credentials/ingest-keys.ts'
import { rejectedPage } from '../answers/rejected-page.ts'
import { EMITTER, EMITTER_MANAGER } from '../auth/access.ts'
import { findAllowedProjects } from '../auth/allowed-projects.ts'
import { actorOf, ingestKeyOf } from '../auth/auth.ts'
import type { ApiContext, OperatorContext } from '../context.ts'
import { addRoute } from '../route.ts'

export function listOwnRejectedEvents(app: FastifyInstance, { limitedReads }: ApiContext): void {
  addRoute(app, LIST_OWN_REJECTED_EVENTS, { access: EMITTER }, async (request) => rejectedPage(limitedReads, ingestKeyOf(request).id, request.query))
}

export function listRejectedEvents(app: FastifyInstance, { limitedReads }: ApiContext): void {
  addRoute(app, LIST_REJECTED_EVENTS, { access: EMITTER_MANAGER }, async (request) => rejectedPage(limitedReads, '', request.query))
}

export function resendRejectedEvents(app: FastifyInstance, { clickhouse, registry, eventLog, now }: OperatorContext): void {
  addRoute(app, RESEND_REJECTED_EVENTS, { access: EMITTER_MANAGER }, async (request) => {
    const ids = [...new Set(request.body.ids)]
    await registry.changes.note(actorOf(request), { action: 'rejected-events.resend', subject: 'all', details: { events: ids.length } })
    const allowedProjectsOf = async (keyId: string, arrivals: readonly Arrival[]) =>
      findAllowedProjects(registry, (await findIngestKey(registry, keyId)) ?? ALL_PROJECTS, arrivals)
    return { events: await resendRejected({ clickhouse, eventLog, findAllowedProjects: allowedProjectsOf }, ids, now()) }
  })
}

/** The scope of events that were not sent with an ingest key of this service. */
const ALL_PROJECTS = { partnerIds: [] }
