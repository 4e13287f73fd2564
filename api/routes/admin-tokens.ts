import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { CREATE_ADMIN_TOKEN, LIST_ADMIN_TOKENS, REVOKE_ADMIN_TOKEN } from '../../contract/admin-tokens.ts'
import { formatTimestamp, instantOrNull } from '../../metering/timestamp.ts'
import { createAdminToken } from '../../registry/tokens/admin-tokens.ts'
import { listLivingTokens } from '../../registry/tokens/created-admin-tokens.ts'
import { readRevocations, revokeAdminToken } from '../../registry/tokens/revoke-admin-token.ts'
import { ADMIN_TOKEN_ONLY } from '../auth/access.ts'
import { actorOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'
import { pageOf, requirePlace, writePlace } from '../requests/cursor.ts'
import { addRoute } from '../route.ts'

export function createAdminTokenRoute(app: FastifyInstance, { registry }: ApiContext): void {
  addRoute(app, CREATE_ADMIN_TOKEN, { access: ADMIN_TOKEN_ONLY }, async (request) => {
    const { role, expires_in: lifetimeSeconds } = request.body
    const { id, token, expiresMs } = await createAdminToken(registry, actorOf(request), { role, lifetimeSeconds })
    return { token, role, expires_at: formatTimestamp(expiresMs), id }
  })
}

export function listAdminTokensRoute(app: FastifyInstance, { registry }: ApiContext): void {
  addRoute(app, LIST_ADMIN_TOKENS, { access: ADMIN_TOKEN_ONLY }, async (request) => {
    const { limit, cursor } = request.query
    const [afterSeq] = cursor === undefined ? [0] : requirePlace(cursor, CURSOR_QUERY, Place)
    const living = await listLivingTokens(registry, { nowMs: registry.now(), afterSeq, limit: limit + 1 })
    const { shown, next_cursor } = pageOf(living, limit, ({ seq }) => writePlace(CURSOR_QUERY, [seq]))
    const revocations = await readRevocations(
      registry,
      shown.map(({ id }) => id),
    )
    const tokens = shown.map(({ id, role, createdMs, expiresMs }) => ({
      id,
      role,
      created_at: formatTimestamp(createdMs),
      expires_at: formatTimestamp(expiresMs),
      revoked_at: instantOrNull(revocations.get(id)),
    }))
    return { tokens, next_cursor }
  })
}

export function revokeAdminTokenRoute(app: FastifyInstance, { registry }: ApiContext): void {
  addRoute(app, REVOKE_ADMIN_TOKEN, { access: ADMIN_TOKEN_ONLY }, async (request) => {
    const { tokenId: id } = request.params
    const revocation = await revokeAdminToken(registry, actorOf(request), id)
    if (revocation === undefined) throw new ApiError('ADMIN_TOKEN_NOT_FOUND')
    return { id, expires_at: formatTimestamp(revocation.expiresMs), revoked_at: instantOrNull(revocation.revokedMs) }
  })
}

const CURSOR_QUERY = ['admin-tokens']
const Place = z.tuple([z.number().int().nonnegative()])
