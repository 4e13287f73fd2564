import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Actor } from '../registry/audit-log.ts'
import { authenticateIngestKey } from '../registry/credentials/ingest-keys.ts'
import { authenticatePartner } from '../registry/credentials/partner-secrets.ts'
import type { AdminRole, IngestKey, Partner, Registry } from '../registry/registry.ts'
import { authenticateAdminToken } from '../registry/tokens/admin-tokens.ts'
import { authenticateProjectToken } from '../registry/tokens/project-tokens.ts'
import { type Access, accessOf } from './access.ts'
import type { ApiContext } from './context.ts'
import { ApiError } from './errors.ts'
import { GuessingBrake } from './guessing-brake.ts'

/** Who was proven to call. */
type Identity =
  | { readonly who: 'partner'; readonly partner: Partner }
  | { readonly who: 'emitter'; readonly ingestKey: IngestKey }
  /** The admin token, or a JWT made from it. */
  | { readonly who: 'admin'; readonly token?: { readonly role: AdminRole; readonly id: string } }

interface Credentials extends Pick<ApiContext, 'registry' | 'adminToken'> {
  readonly brake: GuessingBrake
}

const CREDENTIAL_CHARACTERS_MAX = 4_096

/**
 * Asks who is calling, before anything else is looked at: before the body is read, and after the rate limit, because guesses
 * must count against it.
 */
export function authenticate(app: FastifyInstance, { registry, adminToken, now, logger, authFailuresPerMinute }: ApiContext): void {
  const credentials = { registry, adminToken, brake: new GuessingBrake({ failuresPerMinute: authFailuresPerMinute, now, log: logger }) }
  app.addHook('onRoute', (route) => {
    accessOf(route)
  })
  app.addHook('preParsing', async (request) => {
    if (request.is404) return
    const identity = await requireAccess(request, credentials, accessOf({ url: request.routeOptions.url ?? '', config: request.routeOptions.config }))
    if (identity !== undefined) request.identity = identity
  })
}

/** The partner in the path, proven by its secret. */
export function partnerOf({ identity }: FastifyRequest): Partner {
  if (identity?.who !== 'partner') throw new ApiError('UNAUTHENTICATED')
  return identity.partner
}

export function ingestKeyOf({ identity }: FastifyRequest): IngestKey {
  if (identity?.who !== 'emitter') throw new ApiError('UNAUTHENTICATED')
  return identity.ingestKey
}

/** Who the audit log names. */
export function actorOf({ identity, id: requestId }: FastifyRequest): Actor {
  if (identity?.who === 'partner') return { name: `partner:${identity.partner.id}`, requestId }
  if (identity?.who === 'emitter') return { name: `ingest-key:${identity.ingestKey.id}`, requestId }
  if (identity === undefined) throw new ApiError('UNAUTHENTICATED')
  return { name: identity.token === undefined ? 'admin' : `admin:${identity.token.role}:${identity.token.id}`, requestId }
}

async function requireAccess(request: FastifyRequest, credentials: Credentials, access: Access): Promise<Identity | undefined> {
  if (access.who === 'everyone') return undefined
  if (access.who === 'emitter') return requireIngestKey(request, credentials)
  if (access.who === 'admin') return requireAdmin(request, credentials, access.roles)
  return requirePartner(request, credentials, access)
}

/** The partner in the path. An unknown partner, a wrong secret and a code that is not of this project are the same 401. */
async function requirePartner(request: FastifyRequest, credentials: Credentials, { mode, projectToken }: Access & { who: 'partner' }): Promise<Identity> {
  const { 'x-partnership-secret': secret, authorization } = request.headers
  const bySecret = secret !== undefined || authorization === undefined || projectToken !== true
  const partner = bySecret ? await partnerOfSecret(request, credentials) : await partnerOfProjectToken(request, credentials.registry)
  if (partner === undefined) throw new ApiError('UNAUTHENTICATED')
  if (mode !== undefined && partner.mode !== mode) throw new ApiError('MODE_NOT_ALLOWED', `This call is for ${mode} partnerships; yours is ${partner.mode}.`)
  return { who: 'partner', partner }
}

function partnerOfSecret(request: FastifyRequest, { registry, brake }: Credentials): Promise<Partner | undefined> {
  const { partnerId } = request.params as { partnerId: string }
  const secret = request.headers['x-partnership-secret']
  if (typeof secret !== 'string' || secret === '' || secret.length > CREDENTIAL_CHARACTERS_MAX)
    throw new ApiError('UNAUTHENTICATED', 'Send the partner secret in the header X-Partnership-Secret.')
  return brake.guard(request.ip, ['partner', partnerId, secret], () => authenticatePartner(registry, partnerId, secret))
}

/** Not braked: a signature cannot be guessed, and every code ends after ten minutes, in the hands of whoever still polls with it. */
function partnerOfProjectToken(request: FastifyRequest, registry: Registry): Promise<Partner | undefined> {
  const token = bearerOf(request, 'Send the partner secret in the header X-Partnership-Secret, or a code of this project as "Authorization: Bearer <code>".')
  return authenticateProjectToken(registry, token, request.params as { partnerId: string; projectId: string })
}

async function requireIngestKey(request: FastifyRequest, { registry, brake }: Credentials): Promise<Identity> {
  const key = bearerOf(request, 'Send an ingest key as "Authorization: Bearer <key>".')
  const ingestKey = await brake.guard(request.ip, ['emitter', key], () => authenticateIngestKey(registry, key))
  if (ingestKey === undefined) throw new ApiError('UNAUTHENTICATED')
  return { who: 'emitter', ingestKey }
}

async function requireAdmin(request: FastifyRequest, credentials: Credentials, roles: readonly AdminRole[]): Promise<Identity> {
  const bearer = bearerOf(request, 'Send the admin token, or a token that was made with it, as "Authorization: Bearer <token>".')
  const admin = await credentials.brake.guard(request.ip, ['admin', bearer], () => adminOf(bearer, credentials))
  if (admin === undefined) throw new ApiError('UNAUTHENTICATED')
  const { token } = admin
  if (token !== undefined && !roles.includes(token.role)) throw new ApiError('ROLE_NOT_ALLOWED', whoMay(roles, token.role))
  return admin
}

async function adminOf(bearer: string, { adminToken, registry }: Credentials): Promise<(Identity & { who: 'admin' }) | undefined> {
  // Digests are of one length, so the comparison tells nothing about the token's.
  if (timingSafeEqual(digest(bearer), digest(adminToken))) return { who: 'admin' }
  const token = await authenticateAdminToken(registry, bearer)
  return token === undefined ? undefined : { who: 'admin', token }
}

function whoMay(roles: readonly AdminRole[], own: AdminRole): string {
  if (roles.length === 0) return 'Only the admin token itself may do this.'
  return `This needs the admin token or the role ${roles.join(' or ')}; yours is ${own}.`
}

function bearerOf(request: FastifyRequest, hint: string): string {
  const [scheme, token, ...rest] = (request.headers.authorization ?? '').split(' ')
  if (scheme?.toLowerCase() !== 'bearer' || token === undefined || token === '' || rest.length > 0 || token.length > CREDENTIAL_CHARACTERS_MAX) {
    throw new ApiError('UNAUTHENTICATED', hint)
  }
  return token
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

declare module 'fastify' {
  interface FastifyRequest {
    identity?: Identity
  }
}
