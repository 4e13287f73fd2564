import type { FastifyInstance } from 'fastify'
import { listSilentProjects } from '../../aggregator/usage/silent-projects.ts'
import { LIST_SILENT_PROJECTS } from '../../contract/silent-projects.ts'
import { formatTimestamp } from '../../metering/timestamp.ts'
import { ANY_ADMIN } from '../auth/access.ts'
import type { ApiContext } from '../context.ts'
import { addRoute } from '../route.ts'

export function listSilentProjectsRoute(app: FastifyInstance, { limitedReads, now }: ApiContext): void {
  addRoute(app, LIST_SILENT_PROJECTS, { access: ANY_ADMIN }, async (request) => {
    const { silent, truncated } = await listSilentProjects(limitedReads, request.query.days, now())
    return {
      silent: silent.map(({ projectId, partnerId, metric, lastDay, silentDays, lastEventMs }) => ({
        project_id: projectId,
        partner_id: partnerId,
        metric,
        last_day: lastDay,
        silent_days: silentDays,
        last_event_at: formatTimestamp(lastEventMs),
      })),
      truncated,
    }
  })
}
