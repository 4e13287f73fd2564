import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { Instant, Name, PathId } from '../../contract/fields.ts'
import { NextCursor, PageQuery } from '../../contract/pages.ts'
import { formatTimestamp, instantOrNull } from '../../metering/timestamp.ts'
import { createIngestKey, listIngestKeys, revokeIngestKey, SCOPE_PARTNERS_MAX } from '../../registry/credentials/ingest-keys.ts'
import { unknownPartners } from '../../registry/partners.ts'
import { errorAnswers } from '../answers/error-answers.ts'
import { EMITTER_MANAGER } from '../auth/access.ts'
import { actorOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'
import { pageOf, requireTimeCursor, writeTimeCursor } from '../requests/cursor.ts'

/** Who may send events, and for whose projects. */
export function ingestKeyRoutes(app: FastifyInstance, { registry }: ApiContext): void {
  const routes = app.withTypeProvider<ZodTypeProvider>()
  const common = { tags: ['admin'] }

  routes.post(
    '/admin/v1/ingest-keys',
    {
      config: { access: EMITTER_MANAGER },
      schema: {
        ...common,
        summary: 'Create a key that may send events',
        description: 'The key is shown in this answer and never again. With partner_ids it sends for their registered projects alone.',
        body: NewIngestKey,
        response: { 201: z.object({ id: z.string(), key: z.string() }), ...errorAnswers(400, 401, 404, 415, 429, 500, 503) },
      },
    },
    async (request, reply) => {
      const { name, partner_ids } = request.body
      const partnerIds = [...new Set(partner_ids)]
      const [unknown] = partnerIds.length === 0 ? [] : await unknownPartners(registry, partnerIds)
      if (unknown !== undefined) throw new ApiError('PARTNER_NOT_FOUND', `There is no partner ${unknown}. No key was made.`)
      return reply.code(201).send(await createIngestKey(registry, actorOf(request), { name, partnerIds }))
    },
  )

  routes.get(
    '/admin/v1/ingest-keys',
    {
      config: { access: EMITTER_MANAGER },
      schema: {
        ...common,
        summary: 'All ingest keys, from the oldest on',
        description: 'Revoked ones too. `last_used_at` is up to a minute late.',
        querystring: PageQuery,
        response: { 200: IngestKeysAnswer, ...errorAnswers(400, 401, 429, 500, 503) },
      },
    },
    async (request) => {
      const { limit, cursor } = request.query
      const keys = await listIngestKeys(registry, { after: requireTimeCursor(cursor, CURSOR_OF), limit: limit + 1 })
      const { shown, next_cursor } = pageOf(keys, limit, (last) => writeTimeCursor(CURSOR_OF, last))
      const uses = await registry.lastUsed.of(shown.map(({ id }) => id))
      return {
        ingest_keys: shown.map(({ id, name, prefix, lastFour, partnerIds, createdMs, revokedMs }) => ({
          id,
          name,
          prefix,
          last_four: lastFour,
          partner_ids: [...partnerIds],
          created_at: formatTimestamp(createdMs),
          revoked_at: instantOrNull(revokedMs),
          last_used_at: instantOrNull(uses.get(id)),
        })),
        next_cursor,
      }
    },
  )

  routes.delete(
    '/admin/v1/ingest-keys/:id',
    {
      config: { access: EMITTER_MANAGER },
      schema: {
        ...common,
        summary: 'Revoke an ingest key',
        description: 'At once; in other processes within a second. Revoked again it is the same answer. What it sent stays counted.',
        params: z.object({ id: PathId }),
        response: { 200: z.object({ id: z.string(), revoked_at: Instant }), ...errorAnswers(401, 404, 429, 500, 503) },
      },
    },
    async (request) => {
      const { id } = request.params
      const revoked = await revokeIngestKey(registry, actorOf(request), id)
      if (revoked === undefined) throw new ApiError('INGEST_KEY_NOT_FOUND')
      return { id, revoked_at: formatTimestamp(revoked.revokedMs) }
    },
  )
}

const CURSOR_OF = ['ingest-keys']
const PARTNER_ID_CHARACTERS_MAX = 128

const NewIngestKey = z.strictObject({
  name: Name,
  partner_ids: z
    .array(z.string().min(1).max(PARTNER_ID_CHARACTERS_MAX))
    .min(1)
    .max(SCOPE_PARTNERS_MAX)
    .optional()
    .meta({ description: 'Partners for whose registered projects alone it may send. Default: all projects, registered or not.' }),
})

const IngestKeysAnswer = z.object({
  ingest_keys: z.array(
    z.object({
      id: z.string(),
      name: z.string(),
      prefix: z.string(),
      last_four: z.string(),
      partner_ids: z.array(z.string()).meta({ description: 'Empty: all projects.' }),
      created_at: Instant,
      revoked_at: Instant.nullable(),
      last_used_at: Instant.nullable(),
    }),
  ),
  next_cursor: NextCursor,
})
