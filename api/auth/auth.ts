import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { AdminRole } from '../../contract/lists.ts'
import type { Actor } from '../../registry/audit-log.ts'
import { authenticateIngestKey, type IngestKey } from '../../registry/credentials/ingest-keys.ts'
import { authenticatePartner } from '../../registry/credentials/partner-secrets.ts'
import type { Partner } from '../../registry/partners.ts'
import { authenticateAdminToken } from '../../registry/tokens/admin-tokens.ts'
import { authenticatePartnerToken } from '../../registry/tokens/partner-tokens.ts'
import { authenticateProjectToken } from '../../registry/tokens/project-tokens.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'
import { type Access, accessOf, needsCredential } from './access.ts'
import { GuessingBrake } from './guessing-brake.ts'
import type { Credential, ProvenCredentials } from './proven-credentials.ts'
import { credentialOf, type SentCredential, sentCredential } from './sent-credential.ts'

/** The authenticated caller. */
type Identity =
  | { readonly who: 'partner'; readonly partner: Partner }
  | { readonly who: 'emitter'; readonly ingestKey: IngestKey }
  /** The admin token, or an admin JWT. */
  | { readonly who: 'admin'; readonly token?: { readonly role: AdminRole; readonly id: string } }

interface Credentials extends Pick<ApiContext, 'registry' | 'adminToken'> {
  readonly brake: GuessingBrake
  readonly proven: ProvenCredentials
}

/**
 * Authenticates the caller before the body is read, and after the rate limit, because guesses must count against it.
 */
export function authenticate(app: FastifyInstance, { registry, adminToken, now, logger, authFailuresPerMinute }: ApiContext, proven: ProvenCredentials): void {
  const brake = new GuessingBrake({ failuresPerMinute: authFailuresPerMinute, now, logger, proven })
  const credentials = { registry, adminToken, brake, proven }
  app.addHook('onRoute', (route) => {
    accessOf(route)
  })
  app.addHook('preParsing', async (request) => {
    if (request.is404) return
    const identity = await requireAccess(request, credentials, accessOf({ url: request.routeOptions.url ?? '', config: request.routeOptions.config }))
    if (identity !== undefined) request.identity = identity
  })
}

/** The partner in the path, proven by its secret or by a token that its route accepts. */
export function partnerOf({ identity }: FastifyRequest): Partner {
  if (identity?.who !== 'partner') throw new ApiError('UNAUTHENTICATED')
  return identity.partner
}

export function ingestKeyOf({ identity }: FastifyRequest): IngestKey {
  if (identity?.who !== 'emitter') throw new ApiError('UNAUTHENTICATED')
  return identity.ingestKey
}

/** The actor that the audit log records. */
export function actorOf(request: FastifyRequest): Actor {
  const name = actorNameOf(request)
  if (name === undefined) throw new ApiError('UNAUTHENTICATED')
  return { name, requestId: request.id }
}

/** Undefined for a caller that is not authenticated. */
export function actorNameOf({ identity }: FastifyRequest): string | undefined {
  if (identity === undefined) return undefined
  if (identity.who === 'partner') return `partner:${identity.partner.id}`
  if (identity.who === 'emitter') return `ingest-key:${identity.ingestKey.id}`
  return identity.token === undefined ? 'admin' : `admin:${identity.token.role}:${identity.token.id}`
}

async function requireAccess(request: FastifyRequest, credentials: Credentials, access: Access): Promise<Identity | undefined> {
  if (!needsCredential(request, access)) return undefined
  if (access.who === 'emitter') return requireIngestKey(request, credentials, access)
  if (access.who === 'admin') return requireAdmin(request, credentials, access)
  return requirePartner(request, credentials, access)
}

/** The partner in the path. An unknown partner, a wrong secret and a token of another project or partner are the same 401. */
async function requirePartner(request: FastifyRequest, credentials: Credentials, access: Access & { who: 'partner' }): Promise<Identity> {
  const sent = requireCredential(request, access)
  const isSecret = sent.by === 'partner secret'
  const toProve = { sent, credential: credentialOf(request, access, sent), access }
  const partner = await (isSecret ? partnerOfSecret : partnerOfToken)(request, credentials, toProve)
  const { mode } = access
  if (partner === undefined) throw new NotProven(isSecret ? WRONG : 'the token is malformed, forged, expired, or for another project or partner')
  request.identity = { who: 'partner', partner }
  if (mode !== undefined && partner.mode !== mode) throw new ApiError('MODE_NOT_ALLOWED', `This call is for ${mode} partnerships; yours is ${partner.mode}.`)
  return { who: 'partner', partner }
}

interface ToProve {
  readonly sent: SentCredential
  readonly credential: Credential
  readonly access: Access & { who: 'partner' }
}

function partnerOfSecret(request: FastifyRequest, { registry, brake }: Credentials, { sent, credential }: ToProve): Promise<Partner | undefined> {
  const { partnerId } = request.params as { partnerId: string }
  return brake.guard(request.ip, credential, () => authenticatePartner(registry, partnerId, sent.text))
}

/**
 * Without the brake: a signature cannot be guessed, and a client that still polls with an expired token would be blocked by it.
 * Requests with forged tokens are limited by their network (api/http/rate-limits.ts).
 */
async function partnerOfToken(request: FastifyRequest, { registry, proven }: Credentials, { sent, credential, access }: ToProve): Promise<Partner | undefined> {
  const params = request.params as { partnerId: string; projectId: string }
  const partner =
    (access.projectToken === true ? await authenticateProjectToken(registry, sent.text, params) : undefined) ??
    (access.partnerToken === true ? await authenticatePartnerToken(registry, sent.text, params.partnerId) : undefined)
  proven.note(credential, partner !== undefined)
  return partner
}

async function requireIngestKey(request: FastifyRequest, { registry, brake }: Credentials, access: Access & { who: 'emitter' }): Promise<Identity> {
  const sent = requireCredential(request, access)
  const ingestKey = await brake.guard(request.ip, credentialOf(request, access, sent), () => authenticateIngestKey(registry, sent.text))
  if (ingestKey === undefined) throw new NotProven(WRONG)
  return { who: 'emitter', ingestKey }
}

async function requireAdmin(request: FastifyRequest, { registry, adminToken, brake }: Credentials, access: Access & { who: 'admin' }): Promise<Identity> {
  const sent = requireCredential(request, access)
  // Before the brake: it needs no look-up, it is too long to be guessed, and an operator must never be blocked.
  if (isAdminToken(sent.text, adminToken)) return { who: 'admin' }
  const token = await brake.guard(request.ip, credentialOf(request, access, sent), () => authenticateAdminToken(registry, sent.text))
  if (token === undefined) throw new NotProven(WRONG)
  // Also when the role is rejected: the access log names the caller.
  request.identity = { who: 'admin', token }
  if (!access.roles.includes(token.role)) throw new ApiError('ROLE_NOT_ALLOWED', whoMay(access.roles, token.role))
  return { who: 'admin', token }
}

/** Digests have one length, so the comparison reveals nothing about the token's length. */
export function isAdminToken(bearer: string, adminToken: string): boolean {
  return timingSafeEqual(digest(bearer), digest(adminToken))
}

function whoMay(roles: readonly AdminRole[], own: AdminRole): string {
  if (roles.length === 0) return 'Only the admin token itself may do this.'
  return `This needs the admin token or the role ${roles.join(' or ')}; yours is ${own}.`
}

const WRONG = 'the credential is unknown, revoked, expired, or of a disabled partner'

class NotProven extends ApiError {
  override readonly reason: string

  constructor(reason: string, message?: string) {
    super('UNAUTHENTICATED', message)
    this.reason = reason
  }
}

function requireCredential(request: FastifyRequest, access: Exclude<Access, { who: 'everyone' }>): SentCredential {
  const sent = sentCredential(request, access)
  if (sent === undefined) throw new NotProven('no credential was sent where this route expects it', whatToSend(access))
  return sent
}

function whatToSend(access: Exclude<Access, { who: 'everyone' }>): string {
  if (access.who === 'emitter') return 'Send an ingest key as "Authorization: Bearer <key>".'
  if (access.who === 'admin') return 'Send the admin token, or a token that was made with it, as "Authorization: Bearer <token>".'
  const tokens = [...(access.projectToken === true ? ['a code of this project'] : []), ...(access.partnerToken === true ? ['a token of this partner'] : [])]
  const orToken = tokens.length === 0 ? '' : `, or ${tokens.join(' or ')} as "Authorization: Bearer <token>"`
  return `Send the partner secret in the header X-Partnership-Secret${orToken}.`
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

declare module 'fastify' {
  interface FastifyRequest {
    identity?: Identity
  }
}
