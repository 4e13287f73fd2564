import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { PageQuery } from '../../contract/pages.ts'
import type { Arrival } from '../../ingest/event/decode-body.ts'
import { RESEND_IDS_MAX, resendRejected } from '../../ingest/rejected/resend-rejected.ts'
import { REJECT_REASONS } from '../../metering/event.ts'
import { findIngestKey } from '../../registry/credentials/ingest-keys.ts'
import { errorAnswers } from '../answers/error-answers.ts'
import { RejectedPage, rejectedPage } from '../answers/rejected-page.ts'
import { EMITTER_MANAGER } from '../auth/access.ts'
import { findAllowedProjects } from '../auth/allowed-projects.ts'
import { actorOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'

/** What was refused, whoever sent it, and sending it again. */
export function rejectedEventRoutes(app: FastifyInstance, { clickhouse, registry, eventLog, now }: ApiContext): void {
  const routes = app.withTypeProvider<ZodTypeProvider>()
  const common = { tags: ['admin'] }

  routes.get(
    '/admin/v1/rejected-events',
    {
      config: { access: EMITTER_MANAGER },
      schema: {
        ...common,
        summary: 'All refusals, the latest first',
        querystring: PageQuery,
        response: { 200: RejectedPage, ...errorAnswers(400, 401, 429, 500, 503) },
      },
    },
    async (request) => rejectedPage(clickhouse, '', request.query),
  )

  routes.post(
    '/admin/v1/rejected-events/resend',
    {
      config: { access: EMITTER_MANAGER },
      schema: {
        tags: ['logs'],
        summary: 'Send rejected events through again, as new records received now',
        description: 'After a fix, such as a metric that is known now. Those that are refused again are kept again.',
        body: z.strictObject({ ids: z.array(z.string()).min(1).max(RESEND_IDS_MAX) }),
        response: { 200: ResendAnswer, ...errorAnswers(400, 401, 415, 429, 500, 503) },
      },
    },
    async (request) => {
      const ids = [...new Set(request.body.ids)]
      await registry.changes.note(actorOf(request), { action: 'rejected-events.resend', subject: 'all', details: { events: ids.length } })
      const allowedProjectsOf = async (keyId: string, arrivals: readonly Arrival[]) =>
        findAllowedProjects(registry, (await findIngestKey(registry, keyId)) ?? ALL_PROJECTS, arrivals)
      return { events: await resendRejected({ clickhouse, eventLog, findAllowedProjects: allowedProjectsOf }, ids, now()) }
    },
  )
}

/** Of events that came without a key of ours. */
const ALL_PROJECTS = { partnerIds: [] }

const ResendAnswer = z.object({
  events: z.array(
    z.object({
      id: z.string(),
      outcome: z.enum(['accepted', 'duplicate', 'rejected', 'not_found']),
      reason: z.enum(REJECT_REASONS).nullable(),
    }),
  ),
})
