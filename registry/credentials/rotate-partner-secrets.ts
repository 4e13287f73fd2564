import { z } from 'zod'
import { VALID_SECRETS_MAX } from '../../contract/partner-secrets.ts'
import { defineQuery } from '../../sql/query.ts'
import type { Actor } from '../audit-log.ts'
import type { RegistryReads, RegistryStore } from '../changes.ts'
import { findPartner } from '../partners.ts'
import { newPartnerSecret, type PartnerAuthentication, type PartnerSecret, writePartnerSecrets } from './partner-secrets.ts'

/** A secret that still works, and when it expires. */
export interface ReplacedSecret {
  readonly id: string
  /** In ms since 1970. */
  readonly expiresMs: number
}

export type RotationOutcome =
  | { status: 'rotated'; id: string; secret: string; replaced: readonly ReplacedSecret[] }
  | { status: 'no_partner' }
  | { status: 'too_many'; living: readonly PartnerSecret[] }

/** Adds a secret that works immediately; the previous one expires after the overlap. Throws StoreError. */
export function addPartnerSecret(
  registry: RegistryStore & Pick<PartnerAuthentication, 'pepper' | 'partnerCache'>,
  actor: Actor,
  { partnerId, overlapSeconds }: { partnerId: string; overlapSeconds: number },
): Promise<RotationOutcome> {
  const { secret, stored: made } = newPartnerSecret(registry, partnerId)
  const endMs = made.createdMs + overlapSeconds * 1_000
  let replaced: ReplacedSecret[] = []
  const rotating = registry.changes.run(actor, async (change): Promise<RotationOutcome> => {
    if ((await findPartner(registry, partnerId)) === undefined) return { status: 'no_partner' }
    const known = await listPartnerSecrets(registry, partnerId)
    // Already stored: an earlier attempt seemed to fail but has landed.
    if (known.some(({ id }) => id === made.id)) return { status: 'rotated', id: made.id, secret, replaced }
    const living = known.filter((each) => each.isLiving)
    if (living.length >= VALID_SECRETS_MAX) return { status: 'too_many', living }
    const ended = living.map((each) => ({ ...each, revision: each.revision + 1, expiresMs: Math.min(each.expiresMs ?? endMs, endMs) }))
    replaced = ended.map(({ id, expiresMs }) => ({ id, expiresMs }))
    const details = { partner_id: partnerId, overlap_seconds: overlapSeconds, replaced: replaced.map(({ id }) => id) }
    await change.note({ action: 'partner-secret.create', subject: made.id, details })
    await writePartnerSecrets(change, [made, ...ended])
    return { status: 'rotated', id: made.id, secret, replaced }
  })
  return rotating.finally(() => registry.partnerCache.clear())
}

/**
 * Revokes a secret: immediately in this process, and within one second in others. Undefined when the partner has no secret of
 * this id. Throws StoreError.
 */
export function revokePartnerSecret(
  registry: RegistryStore & Pick<PartnerAuthentication, 'partnerCache'>,
  actor: Actor,
  { partnerId, secretId }: { partnerId: string; secretId: string },
): Promise<{ revokedMs: number } | undefined> {
  const revoking = registry.changes.run(actor, async (change) => {
    const [known] = await registry.clickhouse.registry.query(partnerSecrets, { partnerId, secretId })
    if (known === undefined) return undefined
    if (known.revokedMs !== null) return { revokedMs: known.revokedMs }
    const revokedMs = Date.now()
    await change.note({ action: 'partner-secret.revoke', subject: secretId, details: { partner_id: partnerId } })
    await writePartnerSecrets(change, [{ ...known, revision: known.revision + 1, revokedMs }])
    return { revokedMs }
  })
  return revoking.finally(() => registry.partnerCache.clear())
}

/** Valid secrets first, then expired and revoked ones; newest first. Throws StoreError. */
export function listPartnerSecrets({ clickhouse }: RegistryReads, partnerId: string): Promise<(PartnerSecret & { isLiving: boolean })[]> {
  return clickhouse.registry.query(partnerSecrets, { partnerId, secretId: '' })
}

const SECRETS_SHOWN_MAX = 100

const partnerSecrets = defineQuery({
  name: 'partner_secrets',
  sql: `SELECT secret_id AS id, partner_id AS partnerId, revision, hash, prefix, last_four AS lastFour,
          toUnixTimestamp64Milli(created_at) AS createdMs, toUnixTimestamp64Milli(expires_at) AS expiresMs, toUnixTimestamp64Milli(revoked_at) AS revokedMs,
          revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now64(3)) AS isLiving
        FROM partner_secrets_v1 FINAL
        WHERE partner_id = {partnerId: String} AND {secretId: String} IN ('', secret_id)
        ORDER BY isLiving DESC, created_at DESC, secret_id LIMIT ${SECRETS_SHOWN_MAX}`,
  params: z.object({ partnerId: z.string(), secretId: z.string() }),
  row: z.object({
    id: z.string(),
    partnerId: z.string(),
    revision: z.coerce.number(),
    hash: z.string(),
    prefix: z.string(),
    lastFour: z.string(),
    createdMs: z.coerce.number(),
    expiresMs: z.coerce.number().nullable(),
    revokedMs: z.coerce.number().nullable(),
    isLiving: z.coerce.number().transform((flag) => flag === 1),
  }),
})
