import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { PartnerProjectParams } from '../../contract/fields.ts'
import { JWKS_KEEP_SECONDS, PROJECT_TOKEN_SECONDS } from '../../registry/keys/key-states.ts'
import { authorizeProject } from '../../registry/tokens/project-tokens.ts'
import { errorAnswers } from '../answers/error-answers.ts'
import { EVERYONE, WHITE_LABEL_PARTNER } from '../auth/access.ts'
import { partnerOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'

/** Shapes: partner API documentation, "Generate Project Authorization", and RFC 7517 for what verifies it. */
export function authorizationRoutes(app: FastifyInstance, { registry }: ApiContext): void {
  const routes = app.withTypeProvider<ZodTypeProvider>()

  routes.post(
    '/partnership/v1/:partnerId/:projectId/authorization',
    {
      config: { access: WHITE_LABEL_PARTNER },
      schema: {
        tags: ['projects'],
        summary: 'A ten-minute code for a project',
        description:
          'An RS256 JWT for the project’s access_host, which verifies it with the keys of /.well-known/jwks.json. Also of a paused project. White-label partnerships only.',
        params: PartnerProjectParams,
        body: z.strictObject({}).nullish(),
        response: { 200: Authorization, ...errorAnswers(400, 401, 403, 404, 429, 500, 503) },
      },
    },
    async (request) => {
      const partner = partnerOf(request)
      const code = await authorizeProject(registry, { partnerId: partner.id, projectId: request.params.projectId })
      if (code === undefined) throw new ApiError('PROJECT_NOT_FOUND')
      return { code, expires_in: PROJECT_TOKEN_SECONDS, type: 'Bearer' as const }
    },
  )

  routes.get(
    '/.well-known/jwks.json',
    {
      config: { access: EVERYONE },
      schema: {
        tags: ['projects'],
        summary: 'The keys that codes are verified with',
        description: 'A JWK Set (RFC 7517). A key is published at least ten minutes before it signs, and until its last code has ended.',
        response: { 200: z.object({ keys: z.array(PublishedKey) }), ...errorAnswers(429, 500, 503) },
      },
    },
    async (_request, reply) => {
      const keys = await registry.signingKeys.published()
      reply.header('cache-control', `public, max-age=${JWKS_KEEP_SECONDS}`)
      return { keys: keys.map(({ kid, publicJwk: { kty, n, e } }) => ({ kty, n, e, kid, alg: 'RS256' as const, use: 'sig' as const })) }
    },
  )
}

const Authorization = z.object({
  code: z.string(),
  expires_in: z.number().meta({ description: 'Seconds.', example: PROJECT_TOKEN_SECONDS }),
  type: z.literal('Bearer'),
})

const PublishedKey = z.object({
  kty: z.literal('RSA'),
  n: z.string(),
  e: z.string(),
  kid: z.string(),
  alg: z.literal('RS256'),
  use: z.literal('sig'),
})
