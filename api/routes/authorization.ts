import type { FastifyInstance } from 'fastify'
import { AUTHORIZE_PROJECT, GET_JWKS, JWKS_CACHE_SECONDS, PROJECT_TOKEN_SECONDS } from '../../contract/authorization.ts'
import { authorizeProject } from '../../registry/tokens/project-tokens.ts'
import { EVERYONE, WHITE_LABEL_PARTNER } from '../auth/access.ts'
import { partnerOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'
import { addRoute } from '../route.ts'

export function authorizeProjectRoute(app: FastifyInstance, { registry }: ApiContext): void {
  addRoute(app, AUTHORIZE_PROJECT, { access: WHITE_LABEL_PARTNER }, async (request) => {
    const code = await authorizeProject(registry, { partnerId: partnerOf(request).id, projectId: request.params.projectId })
    if (code === undefined) throw new ApiError('PROJECT_NOT_FOUND')
    return { code, expires_in: PROJECT_TOKEN_SECONDS, type: 'Bearer' as const }
  })
}

export function getJwks(app: FastifyInstance, { registry }: ApiContext): void {
  addRoute(app, GET_JWKS, { access: EVERYONE }, async (_request, reply) => {
    const keys = await registry.signingKeys.published()
    reply.header('cache-control', `public, max-age=${JWKS_CACHE_SECONDS}`)
    return { keys: keys.map(({ kid, publicJwk: { kty, n, e } }) => ({ kty, n, e, kid, alg: 'RS256' as const, use: 'sig' as const })) }
  })
}
