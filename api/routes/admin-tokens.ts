import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { ADMIN_ROLES, Instant } from '../../contract/fields.ts'
import { formatTimestamp } from '../../metering/timestamp.ts'
import { ADMIN_TOKEN_SECONDS_MAX } from '../../registry/keys/key-states.ts'
import { createAdminToken } from '../../registry/tokens/admin-tokens.ts'
import { errorAnswers } from '../answers/error-answers.ts'
import { ADMIN_TOKEN_ONLY } from '../auth/access.ts'
import { actorOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'

/** Tokens that the operator hands out to people: short-lived, each of one role. */
export function adminTokenRoutes(app: FastifyInstance, { registry }: ApiContext): void {
  const routes = app.withTypeProvider<ZodTypeProvider>()

  routes.post(
    '/admin/v1/tokens',
    {
      config: { access: ADMIN_TOKEN_ONLY },
      schema: {
        tags: ['admin'],
        summary: 'Make an admin token of one role that ends by itself',
        description:
          'Only the admin token makes one. It is shown in this answer and kept nowhere: before its end it is ended by withdrawing the keys (POST /admin/v1/signing-keys with `withdraw`), which ends all others too.',
        body: z.strictObject({
          role: z.enum(ADMIN_ROLES),
          expires_in: z.number().int().min(TOKEN_SECONDS_MIN).max(ADMIN_TOKEN_SECONDS_MAX).default(TOKEN_SECONDS_DEFAULT).meta({ description: 'Seconds.' }),
        }),
        response: { 201: TokenAnswer, ...errorAnswers(400, 401, 415, 429, 500, 503) },
      },
    },
    async (request, reply) => {
      const asked = { role: request.body.role, lifetimeSeconds: request.body.expires_in }
      const { id, token, role, expiresMs } = await createAdminToken(registry, actorOf(request), asked)
      return reply.code(201).send({ token, role, expires_at: formatTimestamp(expiresMs), id })
    },
  )
}

const TOKEN_SECONDS_MIN = 60
const TOKEN_SECONDS_DEFAULT = 3_600

const TokenAnswer = z.object({
  token: z.string(),
  role: z.enum(ADMIN_ROLES),
  expires_at: Instant,
  id: z.string().meta({ description: 'By which the audit log names it.' }),
})
