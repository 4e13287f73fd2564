import { ADMIN_ROLES } from '../../contract/lists.ts'
import type { AdminSession, PartnerSession, ProjectSession } from './session.ts'

/**
 * What a token says about itself: a code of a project, a token of a partner, or a token of an admin role. Everything else can only
 * be the admin token. The service decides whether it is valid; this decides which pages are shown.
 */
export function sessionOfToken(token: string): PartnerSession | ProjectSession | AdminSession {
  const credential = { authorization: `Bearer ${token}` }
  const { header, claims } = readJwt(token) ?? { header: {}, claims: {} }
  const { typ } = header
  const { sub, partner, iat, exp } = claims
  const lifetimeSeconds = typeof iat === 'number' && typeof exp === 'number' ? exp - iat : undefined
  if (typ === 'partner+jwt' && typeof sub === 'string') return { who: 'partner', partnerId: sub, credential, lifetimeSeconds }
  if (typ === 'JWT' && typeof sub === 'string' && typeof partner === 'string')
    return { who: 'project', partnerId: partner, projectId: sub, credential, lifetimeSeconds }
  return { who: 'admin', role: ADMIN_ROLES.find((role) => typ === 'admin+jwt' && role === sub) ?? 'admin', credential, lifetimeSeconds }
}

type Members = Readonly<Record<string, unknown>>

function readJwt(token: string): { header: Members; claims: Members } | undefined {
  const [header, claims, signature] = token.split('.')
  if (header === undefined || claims === undefined || signature === undefined) return undefined
  try {
    return { header: decodePart(header), claims: decodePart(claims) }
  } catch {
    return undefined
  }
}

function decodePart(part: string): Members {
  const bytes = Uint8Array.from(atob(part.replaceAll('-', '+').replaceAll('_', '/')), (character) => character.charCodeAt(0))
  const decoded: unknown = JSON.parse(new TextDecoder().decode(bytes))
  return typeof decoded === 'object' && decoded !== null ? (decoded as Members) : {}
}
