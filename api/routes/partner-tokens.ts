import type { FastifyInstance } from 'fastify'
import { CREATE_PARTNER_TOKEN, PARTNER_TOKEN_SECONDS_DEFAULT } from '../../contract/partner-tokens.ts'
import { formatTimestamp } from '../../metering/timestamp.ts'
import { createPartnerToken } from '../../registry/tokens/partner-tokens.ts'
import { PARTNER } from '../auth/access.ts'
import { partnerOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { addRoute } from '../route.ts'

/** For the secret alone: a token that could create another one would never end. */
export function createPartnerTokenRoute(app: FastifyInstance, { registry }: ApiContext): void {
  addRoute(app, CREATE_PARTNER_TOKEN, { access: PARTNER }, async (request) => {
    const lifetimeSeconds = request.body?.expires_in ?? PARTNER_TOKEN_SECONDS_DEFAULT
    const { token, expiresMs } = await createPartnerToken(registry, { partnerId: partnerOf(request).id, lifetimeSeconds })
    return { token, expires_in: lifetimeSeconds, expires_at: formatTimestamp(expiresMs), type: 'Bearer' as const }
  })
}
