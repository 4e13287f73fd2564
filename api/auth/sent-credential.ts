import type { FastifyRequest } from 'fastify'
import type { Access } from './access.ts'
import type { Credential } from './proven-credentials.ts'

/** The credential that a caller sent, not verified yet. */
export interface SentCredential {
  readonly by: 'partner secret' | 'bearer'
  readonly text: string
}

const CREDENTIAL_CHARACTERS_MAX = 4_096

/**
 * The one credential that a route requires, by which its calls are authenticated and counted; other credentials in the request
 * are ignored. Undefined if the route requires none, or if it is missing or cannot be one.
 */
export function sentCredential({ headers }: Pick<FastifyRequest, 'headers'>, access: Access): SentCredential | undefined {
  const { 'x-partnership-secret': secret, authorization } = headers
  if (access.who === 'everyone') return undefined
  const takesTokens = access.who === 'partner' && (access.projectToken === true || access.partnerToken === true)
  if (access.who === 'partner' && !(takesTokens && secret === undefined && authorization !== undefined)) return credential('partner secret', secret)
  return credential('bearer', bearerToken(authorization))
}

/** What the credential proves on this route: the same secret for another partner is another credential. */
export function credentialOf({ params }: Pick<FastifyRequest, 'params'>, access: Access, { by, text }: SentCredential): Credential {
  if (access.who !== 'partner') return [access.who, text]
  return by === 'bearer' ? ['code', text] : ['partner', (params as { partnerId: string }).partnerId, text]
}

function credential(by: SentCredential['by'], text: string | string[] | undefined): SentCredential | undefined {
  return typeof text === 'string' && text !== '' && text.length <= CREDENTIAL_CHARACTERS_MAX ? { by, text } : undefined
}

/** The text after the scheme (in any case) and one space. */
function bearerToken(authorization = ''): string | undefined {
  const [scheme, token, ...rest] = authorization.split(' ')
  return scheme?.toLowerCase() === 'bearer' && rest.length === 0 ? token : undefined
}
