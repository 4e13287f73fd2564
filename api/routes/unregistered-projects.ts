import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { firstDayOf, listUnregisteredProjects } from '../../aggregator/usage/unregistered-projects.ts'
import { LIST_UNREGISTERED_PROJECTS, SENDING_KEYS_MAX, SIMILAR_IDS_MAX } from '../../contract/unregistered-projects.ts'
import { isDay } from '../../metering/period.ts'
import { formatTimestamp } from '../../metering/timestamp.ts'
import { findSimilarProjects } from '../../registry/projects/similar-projects.ts'
import { ANY_ADMIN } from '../auth/access.ts'
import type { ApiContext } from '../context.ts'
import { pageOf, requirePlace, writePlace } from '../requests/cursor.ts'
import { addRoute } from '../route.ts'

export function listUnregisteredProjectsRoute(app: FastifyInstance, { limitedReads, registry, now }: ApiContext): void {
  addRoute(app, LIST_UNREGISTERED_PROJECTS, { access: ANY_ADMIN }, async (request) => {
    const { days, limit, cursor } = request.query
    const query = ['unregistered', String(days)]
    // The days are those of the first page, so that midnight does not change the list.
    const [from, after] = cursor === undefined ? [firstDayOf(days, now()), ''] : requirePlace(cursor, query, Place)
    const found = await listUnregisteredProjects(limitedReads, { from, after, limit: limit + 1 })
    const { shown, next_cursor } = pageOf(found, limit, ({ projectId }) => writePlace(query, [from, projectId]))
    const ids = shown.map(({ projectId }) => projectId)
    const senders = await registry.projectSenders.of(ids, SENDING_KEYS_MAX)
    const similar = await findSimilarProjects(limitedReads, ids, SIMILAR_IDS_MAX)
    return {
      projects: shown.map(({ projectId, events, days: daysWithUsage, firstDay, lastDay, lastEventMs }) => ({
        id: projectId,
        events,
        days: daysWithUsage,
        first_day: firstDay,
        last_day: lastDay,
        last_event_at: formatTimestamp(lastEventMs),
        ingest_key_ids: [...(senders.get(projectId) ?? [])],
        similar_project_ids: [...(similar.get(projectId) ?? [])],
      })),
      next_cursor,
    }
  })
}

const Place = z.tuple([z.string().refine(isDay), z.string()])
