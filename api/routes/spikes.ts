import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { type AnnouncedSpike, listSpikes, type SpikeFilter } from '../../automation/spikes/list-spikes.ts'
import type { AnswerOf, QueryOf } from '../../contract/operation.ts'
import { LIST_OWN_SPIKES, LIST_SPIKES } from '../../contract/spikes.ts'
import { isDay } from '../../metering/period.ts'
import { formatTimestamp } from '../../metering/timestamp.ts'
import { findProject } from '../../registry/projects/project.ts'
import { FINANCE, PARTNER_READER } from '../auth/access.ts'
import { partnerOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'
import { pageOf, requirePlace, writePlace } from '../requests/cursor.ts'
import { requireMetric } from '../requests/require-metric.ts'
import { requireKnownPartner } from '../requests/require-partner.ts'
import { requireProjectOf } from '../requests/require-project.ts'
import { addRoute } from '../route.ts'

export function listSpikesRoute(app: FastifyInstance, context: ApiContext): void {
  const { registry } = context
  addRoute(app, LIST_SPIKES, { access: FINANCE }, async ({ query }) => {
    const { partner_id: partnerId, project_id: projectId } = query
    if (partnerId !== undefined) await requireKnownPartner(registry, partnerId)
    if (projectId !== undefined && (await findProject(registry, projectId)) === undefined) throw new ApiError('PROJECT_NOT_FOUND')
    return spikesPage(context, query, partnerId)
  })
}

/** Those of the partner's own projects. */
export function listOwnSpikesRoute(app: FastifyInstance, context: ApiContext): void {
  addRoute(app, LIST_OWN_SPIKES, { access: PARTNER_READER }, async (request) => {
    const { id: partnerId } = partnerOf(request)
    const { project_id: projectId } = request.query
    if (projectId !== undefined) await requireProjectOf(context.registry, { partnerId, projectId })
    return spikesPage(context, request.query, partnerId)
  })
}

async function spikesPage(
  { limitedReads, registry }: Pick<ApiContext, 'limitedReads' | 'registry'>,
  { project_id: projectId, metric, from, to, limit, cursor }: QueryOf<typeof LIST_OWN_SPIKES>,
  partnerId: string | undefined,
): Promise<AnswerOf<typeof LIST_SPIKES>> {
  if (metric !== undefined) await requireMetric(registry, 'query.metric', metric)
  const filter: SpikeFilter = { partnerId, projectId, metric, from, to }
  const query = ['spikes', partnerId, projectId, metric, from, to]
  const after = cursor === undefined ? undefined : requirePlace(cursor, query, Place)
  const spikes = await listSpikes(limitedReads, filter, { after, limit: limit + 1 })
  const { shown, next_cursor } = pageOf(spikes, limit, ({ data }) => writePlace(query, [data.day, data.project_id, data.metric]))
  return { spikes: shown.map(spikeAnswer), next_cursor }
}

const Place = z.tuple([z.string().refine(isDay), z.string(), z.string()]).transform(([day, projectId, metric]) => ({ day, projectId, metric }))

function spikeAnswer({ messageId, atMs, data }: AnnouncedSpike): AnswerOf<typeof LIST_SPIKES>['spikes'][number] {
  return { message_id: messageId, ...data, at: formatTimestamp(atMs) }
}
