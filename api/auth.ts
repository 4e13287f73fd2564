import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Actor } from '../registry/audit-log.ts'
import { authenticateIngestKey } from '../registry/credentials/ingest-keys.ts'
import { authenticatePartner } from '../registry/credentials/partner-secrets.ts'
import type { AdminRole, IngestKey, Partner } from '../registry/registry.ts'
import { type Access, accessOf } from './access.ts'
import type { ApiContext } from './context.ts'
import { ApiError } from './errors.ts'

/** Who was proven to call. */
type Identity =
  | { readonly who: 'partner'; readonly partner: Partner }
  | { readonly who: 'emitter'; readonly ingestKey: IngestKey }
  /** The admin token, or a JWT made from it. */
  | { readonly who: 'admin'; readonly token?: { readonly role: AdminRole; readonly id: string } }

type Credentials = Pick<ApiContext, 'registry' | 'adminToken'>

const CREDENTIAL_CHARACTERS_MAX = 4_096

/**
 * Asks who is calling, before anything else is looked at: before the body is read, and after the rate limit, because guesses
 * must count against it.
 */
export function authenticate(app: FastifyInstance, credentials: Credentials): void {
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

/** The partner that `X-Partnership-Secret` proves. An unknown partner and a wrong secret are the same 401. */
async function requirePartner(request: FastifyRequest, { registry }: Credentials, { mode }: Access & { who: 'partner' }): Promise<Identity> {
  const { partnerId } = request.params as { partnerId: string }
  const secret = request.headers['x-partnership-secret']
  if (typeof secret !== 'string' || secret === '' || secret.length > CREDENTIAL_CHARACTERS_MAX)
    throw new ApiError('UNAUTHENTICATED', 'Send the partner secret in the header X-Partnership-Secret.')
  const partner = await authenticatePartner(registry, partnerId, secret)
  if (partner === undefined) throw new ApiError('UNAUTHENTICATED')
  if (mode !== undefined && partner.mode !== mode) throw new ApiError('MODE_NOT_ALLOWED', `This call is for ${mode} partnerships; yours is ${partner.mode}.`)
  return { who: 'partner', partner }
}

async function requireIngestKey(request: FastifyRequest, { registry }: Credentials): Promise<Identity> {
  const ingestKey = await authenticateIngestKey(registry, bearerOf(request, 'Send an ingest key as "Authorization: Bearer <key>".'))
  if (ingestKey === undefined) throw new ApiError('UNAUTHENTICATED')
  return { who: 'emitter', ingestKey }
}

async function requireAdmin(request: FastifyRequest, { adminToken }: Credentials, _roles: readonly AdminRole[]): Promise<Identity> {
  const token = bearerOf(request, 'Send the admin token as "Authorization: Bearer <token>".')
  // Digests are of one length, so the comparison tells nothing about the token's.
  if (!timingSafeEqual(digest(token), digest(adminToken))) throw new ApiError('UNAUTHENTICATED')
  return { who: 'admin' }
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
