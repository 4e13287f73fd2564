import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { authenticateIngestKey } from '../registry/ingest-keys.ts'
import { authenticatePartner } from '../registry/partners.ts'
import type { IngestKey, Partner, Registry } from '../registry/registry.ts'
import { ApiError } from './errors.ts'

const CREDENTIAL_CHARACTERS_MAX = 512

/**
 * Every route of this scope belongs to the partner in its path, who is asked for before anything else is looked at. Before
 * the body is read, and after the rate limit: guesses must count against it.
 */
export function authenticatePartners(app: FastifyInstance, registry: Registry): void {
  app.addHook('preParsing', async (request) => {
    const { partnerId } = request.params as { partnerId: string }
    request.partner = await requirePartner(request, registry, partnerId)
  })
}

export function partnerOf({ partner }: FastifyRequest): Partner {
  if (partner === undefined) throw new ApiError('UNAUTHENTICATED')
  return partner
}

/** The partner that `X-Partnership-Secret` proves. An unknown partner and a wrong secret are the same 401. */
async function requirePartner(request: FastifyRequest, registry: Registry, partnerId: string): Promise<Partner> {
  const secret = request.headers['x-partnership-secret']
  if (typeof secret !== 'string' || secret === '' || secret.length > CREDENTIAL_CHARACTERS_MAX)
    throw new ApiError('UNAUTHENTICATED', 'Send the partner secret in the header X-Partnership-Secret.')
  const partner = await authenticatePartner(registry, partnerId, secret)
  if (partner === undefined) throw new ApiError('UNAUTHENTICATED')
  return partner
}

export async function requireIngestKey(request: FastifyRequest, registry: Registry): Promise<IngestKey> {
  const key = await authenticateIngestKey(registry, bearerOf(request, 'Send an ingest key as "Authorization: Bearer <key>".'))
  if (key === undefined) throw new ApiError('UNAUTHENTICATED')
  return key
}

export function requireAdmin(request: FastifyRequest, adminToken: string): void {
  const token = bearerOf(request, 'Send the admin token as "Authorization: Bearer <token>".')
  // Digests are of one length, so the comparison tells nothing about the token's.
  if (!timingSafeEqual(digest(token), digest(adminToken))) throw new ApiError('UNAUTHENTICATED')
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
    partner?: Partner
    ingestKey?: IngestKey
  }
}
