import type { FastifyInstance } from 'fastify'
import { CREATE_INGEST_KEY, LIST_INGEST_KEYS, REVOKE_INGEST_KEY } from '../../contract/ingest-keys.ts'
import { formatTimestamp, instantOrNull } from '../../metering/timestamp.ts'
import { createIngestKey, listIngestKeys, revokeIngestKey } from '../../registry/credentials/ingest-keys.ts'
import { unknownPartners } from '../../registry/partners.ts'
import { EMITTER_MANAGER } from '../auth/access.ts'
import { actorOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'
import { pageOf, requireTimeCursor, writeTimeCursor } from '../requests/cursor.ts'
import { addRoute } from '../route.ts'

export function createIngestKeyRoute(app: FastifyInstance, { registry }: ApiContext): void {
  addRoute(app, CREATE_INGEST_KEY, { access: EMITTER_MANAGER }, async (request) => {
    const { name, partner_ids } = request.body
    const partnerIds = [...new Set(partner_ids)]
    const [unknown] = partnerIds.length === 0 ? [] : await unknownPartners(registry, partnerIds)
    if (unknown !== undefined) throw new ApiError('PARTNER_NOT_FOUND', `There is no partner ${unknown}. No key was created.`)
    return createIngestKey(registry, actorOf(request), { name, partnerIds })
  })
}

export function listIngestKeysRoute(app: FastifyInstance, { registry }: ApiContext): void {
  addRoute(app, LIST_INGEST_KEYS, { access: EMITTER_MANAGER }, async (request) => {
    const { limit, cursor } = request.query
    const keys = await listIngestKeys(registry, { after: requireTimeCursor(cursor, CURSOR_QUERY), limit: limit + 1 })
    const { shown, next_cursor } = pageOf(keys, limit, (last) => writeTimeCursor(CURSOR_QUERY, last))
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
  })
}

export function revokeIngestKeyRoute(app: FastifyInstance, { registry }: ApiContext): void {
  addRoute(app, REVOKE_INGEST_KEY, { access: EMITTER_MANAGER }, async (request) => {
    const { keyId: id } = request.params
    const revoked = await revokeIngestKey(registry, actorOf(request), id)
    if (revoked === undefined) throw new ApiError('INGEST_KEY_NOT_FOUND')
    return { id, revoked_at: formatTimestamp(revoked.revokedMs) }
  })
}

const CURSOR_QUERY = ['ingest-keys']
