import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { Instant, PartnerParams, PathId } from '../../contract/fields.ts'
import { formatTimestamp, instantOrNull } from '../../metering/timestamp.ts'
import {
  addPartnerSecret,
  LIVING_SECRETS_MAX,
  listPartnerSecrets,
  type RotationOutcome,
  revokePartnerSecret,
} from '../../registry/credentials/rotate-partner-secrets.ts'
import type { Registry } from '../../registry/registry.ts'
import { errorAnswers } from '../answers/error-answers.ts'
import { OPERATOR } from '../auth/access.ts'
import { actorOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'
import { requireKnownPartner } from '../requests/require-partner.ts'

const OVERLAP_SECONDS_MAX = 30 * 86_400
const OVERLAP_SECONDS_DEFAULT = 86_400

/** How a partner's secret is exchanged for another without a moment in which none works. */
export function partnerSecretRoutes(app: FastifyInstance, { registry }: ApiContext): void {
  const routes = app.withTypeProvider<ZodTypeProvider>()
  const common = { tags: ['admin'] }

  routes.post(
    '/admin/v1/partners/:partnerId/secrets',
    {
      config: { access: OPERATOR },
      schema: {
        ...common,
        summary: 'Give a partner another secret',
        description: `It works at once, and is shown in this answer and never again. The one before ends after the overlap. At most ${LIVING_SECRETS_MAX} work at a time.`,
        params: PartnerParams,
        body: z
          .strictObject({
            overlap_seconds: z
              .number()
              .int()
              .min(0)
              .max(OVERLAP_SECONDS_MAX)
              .default(OVERLAP_SECONDS_DEFAULT)
              .meta({ description: '0: the one before ends at once.' }),
          })
          .nullish(),
        response: { 201: NewSecret, ...errorAnswers(400, 401, 404, 409, 415, 429, 500, 503) },
      },
    },
    async (request, reply) => {
      const asked = { partnerId: request.params.partnerId, overlapSeconds: request.body?.overlap_seconds ?? OVERLAP_SECONDS_DEFAULT }
      const outcome = await addPartnerSecret(registry, actorOf(request), asked)
      if (outcome.status === 'no_partner') throw new ApiError('PARTNER_NOT_FOUND')
      if (outcome.status === 'too_many') throw tooMany(outcome)
      const { id, secret, replaced } = outcome
      return reply.code(201).send({ id, secret, replaced: replaced.map((each) => ({ id: each.id, expires_at: formatTimestamp(each.expiresMs) })) })
    },
  )

  routes.delete(
    '/admin/v1/partners/:partnerId/secrets/:secretId',
    {
      config: { access: OPERATOR },
      schema: {
        ...common,
        summary: 'Revoke a secret of a partner',
        description: 'At once; in other processes within a second. Revoked again it is the same answer. The last one may be revoked too.',
        params: PartnerParams.extend({ secretId: PathId }),
        response: { 200: z.object({ id: z.string(), revoked_at: Instant }), ...errorAnswers(401, 404, 429, 500, 503) },
      },
    },
    async (request) => {
      const { partnerId, secretId } = request.params
      await requireKnownPartner(registry, partnerId)
      const revoked = secretId === '' ? undefined : await revokePartnerSecret(registry, actorOf(request), { partnerId, secretId })
      if (revoked === undefined) throw new ApiError('PARTNER_SECRET_NOT_FOUND')
      return { id: secretId, revoked_at: formatTimestamp(revoked.revokedMs) }
    },
  )
}

/** What a secret can be told by. Neither itself nor its hash. */
export const SecretAnswer = z.object({
  id: z.string(),
  prefix: z.string(),
  last_four: z.string(),
  created_at: Instant,
  expires_at: Instant.nullable(),
  revoked_at: Instant.nullable(),
  last_used_at: Instant.nullable(),
})

export async function partnerSecretsAnswer(registry: Registry, partnerId: string): Promise<z.output<typeof SecretAnswer>[]> {
  const secrets = await listPartnerSecrets(registry, partnerId)
  const uses = await registry.lastUsed.of(secrets.map(({ id }) => id))
  return secrets.map(({ id, prefix, lastFour, createdMs, expiresMs, revokedMs }) => ({
    id,
    prefix,
    last_four: lastFour,
    created_at: formatTimestamp(createdMs),
    expires_at: instantOrNull(expiresMs),
    revoked_at: instantOrNull(revokedMs),
    last_used_at: instantOrNull(uses.get(id)),
  }))
}

const NewSecret = z.object({
  id: z.string(),
  secret: z.string(),
  replaced: z.array(z.object({ id: z.string(), expires_at: Instant })).meta({ description: 'Those that worked until now, and until when they go on working.' }),
})

function tooMany({ living }: RotationOutcome & { status: 'too_many' }): ApiError {
  const each = living.map(({ id, expiresMs }) => `${id} (${expiresMs === null ? 'which does not end' : `which ends at ${formatTimestamp(expiresMs)}`})`)
  return new ApiError('TOO_MANY_SECRETS', `This partner has ${each.join(' and ')}. Revoke one of them, or wait until one has ended.`)
}
