import { z } from 'zod'
import { defineQuery } from '../../sql/query.ts'
import { row } from '../../sql/tab-separated.ts'
import type { Actor } from '../audit-log.ts'
import type { RegistryReads, RegistryStore } from '../changes.ts'
import type { CredentialCache } from '../credentials/credential-cache.ts'
import { RETIRE_MARGIN_MS } from '../keys/key-states.ts'
import { findCreatedToken } from './created-admin-tokens.ts'

/** What it takes to know whether an admin JWT is revoked. The cache holds the ids of tokens that are not. */
export interface RevocationReads extends RegistryReads {
  readonly adminTokenCache: CredentialCache<true>
}

export interface Revocation {
  readonly expiresMs: number
  /** Null for a token that had expired before anyone revoked it: nothing was written. */
  readonly revokedMs: number | null
}

/**
 * Revokes an admin JWT: immediately in this process, and within one second in others. Undefined when no token with this id was
 * created. Idempotent. Throws StoreError.
 */
export function revokeAdminToken(
  registry: RegistryStore & RevocationReads & { readonly now: () => number },
  actor: Actor,
  id: string,
): Promise<Revocation | undefined> {
  const revoking = registry.changes.run(actor, async (change) => {
    const created = await findCreatedToken(registry, id)
    if (created === undefined) return undefined
    const { expiresMs, role } = created
    const known = (await readRevocations(registry, [id])).get(id)
    if (known !== undefined) return { expiresMs, revokedMs: known }
    const nowMs = registry.now()
    // The process that verifies it may have a late clock.
    if (nowMs > expiresMs + RETIRE_MARGIN_MS) return { expiresMs, revokedMs: null }
    await change.note({ action: 'admin-token.revoke', subject: id, details: { role } })
    await change.write('revoked_admin_tokens_inbox_v1', ['token_id', 'revoked_ms', 'expires_ms'], (owner) => row([...owner, id, nowMs, expiresMs]))
    return { expiresMs, revokedMs: nowMs }
  })
  // Also after a failure: the row may have landed all the same.
  return revoking.finally(() => registry.adminTokenCache.clear())
}

/** Whether a token with this id, whose signature is valid, was revoked. Throws StoreError. */
export async function isRevoked(registry: RevocationReads, id: string): Promise<boolean> {
  const isValid = await registry.adminTokenCache.find(id, async () => ((await readRevocations(registry, [id])).size === 0 ? true : undefined))
  return isValid === undefined
}

/** When the revoked ones among these tokens were revoked, in ms since 1970. Throws StoreError. */
export async function readRevocations({ clickhouse }: RegistryReads, ids: readonly string[]): Promise<ReadonlyMap<string, number>> {
  if (ids.length === 0) return new Map()
  const revoked = await clickhouse.registry.query(revocations, { ids: [...ids] })
  return new Map(revoked.map(({ id, revokedMs }) => [id, revokedMs]))
}

const revocations = defineQuery({
  name: 'revoked_admin_tokens',
  sql: `SELECT token_id AS id, toUnixTimestamp64Milli(min(revoked_at)) AS revokedMs FROM revoked_admin_tokens_v1
        WHERE token_id IN {ids: Array(String)} GROUP BY token_id`,
  params: z.object({ ids: z.array(z.string()) }),
  row: z.object({ id: z.string(), revokedMs: z.coerce.number() }),
})
