import type { FastifyInstance } from 'fastify'
import type { AnswerOf } from '../../contract/operation.ts'
import { ADD_PARTNER_SECRET, OVERLAP_SECONDS_DEFAULT, REVOKE_PARTNER_SECRET } from '../../contract/partner-secrets.ts'
import type { GET_PARTNER } from '../../contract/partners.ts'
import { formatTimestamp, instantOrNull } from '../../metering/timestamp.ts'
import { addPartnerSecret, listPartnerSecrets, type RotationOutcome, revokePartnerSecret } from '../../registry/credentials/rotate-partner-secrets.ts'
import type { Registry } from '../../registry/registry.ts'
import { OPERATOR } from '../auth/access.ts'
import { actorOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'
import { requireKnownPartner } from '../requests/require-partner.ts'
import { addRoute } from '../route.ts'

export function addPartnerSecretRoute(app: FastifyInstance, { registry }: ApiContext): void {
  addRoute(app, ADD_PARTNER_SECRET, { access: OPERATOR }, async (request) => {
    const rotation = { partnerId: request.params.partnerId, overlapSeconds: request.body?.overlap_seconds ?? OVERLAP_SECONDS_DEFAULT }
    const outcome = await addPartnerSecret(registry, actorOf(request), rotation)
    if (outcome.status === 'no_partner') throw new ApiError('PARTNER_NOT_FOUND')
    if (outcome.status === 'too_many') throw tooManySecrets(outcome)
    const { id, secret, replaced } = outcome
    return { id, secret, replaced: replaced.map((each) => ({ id: each.id, expires_at: formatTimestamp(each.expiresMs) })) }
  })
}

export function revokePartnerSecretRoute(app: FastifyInstance, { registry }: ApiContext): void {
  addRoute(app, REVOKE_PARTNER_SECRET, { access: OPERATOR }, async (request) => {
    const { partnerId, secretId } = request.params
    await requireKnownPartner(registry, partnerId)
    const revoked = secretId === '' ? undefined : await revokePartnerSecret(registry, actorOf(request), { partnerId, secretId })
    if (revoked === undefined) throw new ApiError('PARTNER_SECRET_NOT_FOUND')
    return { id: secretId, revoked_at: formatTimestamp(revoked.revokedMs) }
  })
}

export async function partnerSecretsAnswer(registry: Registry, partnerId: string): Promise<AnswerOf<typeof GET_PARTNER>['secrets']> {
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

function tooManySecrets({ living }: RotationOutcome & { status: 'too_many' }): ApiError {
  const secrets = living.map(({ id, expiresMs }) => `${id} (${expiresMs === null ? 'does not expire' : `expires at ${formatTimestamp(expiresMs)}`})`)
  return new ApiError('TOO_MANY_SECRETS', `This partner already has ${secrets.join(' and ')}. Revoke one of them, or wait until one has expired.`)
}
