import type { FastifyInstance } from 'fastify'
import { CREATE_ADMIN_TOKEN } from '../../contract/admin-tokens.ts'
import { formatTimestamp } from '../../metering/timestamp.ts'
import { createAdminToken } from '../../registry/tokens/admin-tokens.ts'
import { ADMIN_TOKEN_ONLY } from '../auth/access.ts'
import { actorOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { addRoute } from '../route.ts'

export function createAdminTokenRoute(app: FastifyInstance, { registry }: ApiContext): void {
  addRoute(app, CREATE_ADMIN_TOKEN, { access: ADMIN_TOKEN_ONLY }, async (request) => {
    const { role, expires_in: lifetimeSeconds } = request.body
    const { id, token, expiresMs } = await createAdminToken(registry, actorOf(request), { role, lifetimeSeconds })
    return { token, role, expires_at: formatTimestamp(expiresMs), id }
  })
}
