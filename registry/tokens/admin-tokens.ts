import { randomUUID } from 'node:crypto'
import { ADMIN_TOKEN_SECONDS_MAX } from '../../contract/admin-tokens.ts'
import { ADMIN_ROLES, type AdminRole } from '../../contract/lists.ts'
import { formatTimestamp } from '../../metering/timestamp.ts'
import type { Actor } from '../audit-log.ts'
import type { RegistryStore } from '../changes.ts'
import { creationOf } from './created-admin-tokens.ts'
import { isRevoked, type RevocationReads } from './revoke-admin-token.ts'
import { signToken, type TokenIssuer, verifyToken } from './signed-token.ts'

export interface AdminToken {
  readonly id: string
  readonly token: string
  readonly role: AdminRole
  /** In ms since 1970. */
  readonly expiresMs: number
}

/**
 * Creates a JWT with the rights of a role that expires by its lifetime. It is stored nowhere; the audit log has its id, by which
 * it can be revoked. Throws StoreError.
 */
export async function createAdminToken(
  registry: TokenIssuer & Pick<RegistryStore, 'changes'>,
  actor: Actor,
  { role, lifetimeSeconds }: { role: AdminRole; lifetimeSeconds: number },
): Promise<AdminToken> {
  const id = randomUUID()
  const { token, expiresMs } = await signToken(registry, { typ: 'admin+jwt', audience: audienceOf(registry), subject: role, lifetimeSeconds, id })
  await registry.changes.note(actor, creationOf({ id, role, expiresAt: formatTimestamp(expiresMs) }))
  return { id, token, role, expiresMs }
}

/** The role and id of an admin JWT; undefined when it is invalid for any reason, such as revoked. Throws StoreError. */
export async function authenticateAdminToken(registry: TokenIssuer & RevocationReads, token: string): Promise<{ role: AdminRole; id: string } | undefined> {
  const expected = { typ: 'admin+jwt', audience: audienceOf(registry), subject: undefined, lifetimeSecondsMax: ADMIN_TOKEN_SECONDS_MAX } as const
  const claims = await verifyToken(registry, token, expected)
  const role = ADMIN_ROLES.find((each) => each === claims?.sub)
  if (role === undefined || typeof claims?.jti !== 'string') return undefined
  return (await isRevoked(registry, claims.jti)) ? undefined : { role, id: claims.jti }
}

function audienceOf({ publicUrl }: TokenIssuer): string {
  return `${publicUrl}/admin/v1`
}
