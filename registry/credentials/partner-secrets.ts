import { randomUUID, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import { defineQuery } from '../../sql/query.ts'
import { row } from '../../sql/tab-separated.ts'
import type { Change } from '../changes.ts'
import { PARTNER_MODES, type Partner, type Registry } from '../registry.ts'
import { hashCredential, lastFour, newCredential, prefixOf } from './credentials.ts'

/** A partner's secret as it is kept: what it is told by and until when it works, never itself. */
export interface PartnerSecret {
  readonly id: string
  readonly partnerId: string
  readonly revision: number
  readonly hash: string
  readonly prefix: string
  readonly lastFour: string
  /** ms since 1970, as all times here. */
  readonly createdMs: number
  readonly expiresMs: number | null
  readonly revokedMs: number | null
}

/** The secret is shown to whoever asked for it, and kept nowhere. */
export function newPartnerSecret({ pepper }: Registry, partnerId: string): { secret: string; stored: PartnerSecret } {
  const secret = newCredential('partnerSecret')
  const stored = {
    id: randomUUID(),
    partnerId,
    revision: 1,
    hash: hashCredential(pepper, secret),
    prefix: prefixOf(secret),
    lastFour: lastFour(secret),
    createdMs: Date.now(),
    expiresMs: null,
    revokedMs: null,
  }
  return { secret, stored }
}

export async function writePartnerSecret(change: Change, secret: PartnerSecret): Promise<void> {
  const { id, partnerId, revision, hash, prefix, lastFour, createdMs, expiresMs, revokedMs } = secret
  const fields = [partnerId, id, revision, hash, prefix, lastFour, createdMs, expiresMs, revokedMs]
  await change.write('partner_secrets_inbox_v1', SECRET_COLUMNS, (owner) => row([...owner, ...fields]))
}

const SECRET_COLUMNS = ['partner_id', 'secret_id', 'revision', 'hash', 'prefix', 'last_four', 'created_ms', 'expires_ms', 'revoked_ms']

/**
 * The partner whose secret this is. An unknown partner, a disabled one and a wrong secret do the same work and give the same
 * answer: undefined.
 */
export async function authenticatePartner(registry: Registry, partnerId: string, secret: string): Promise<Partner | undefined> {
  const hash = hashCredential(registry.pepper, secret)
  const key = JSON.stringify([partnerId, hash])
  const recent = registry.recentPartners.get(key)
  if (recent !== undefined) return recent
  const secrets = await registry.clickhouse.registry.query(livingSecretsOfPartner, { partnerId })
  const [match] = secrets.filter((stored) => timingSafeEqual(Buffer.from(stored.hash, 'hex'), Buffer.from(hash, 'hex')))
  if (match === undefined) return undefined
  const partner: Partner = { id: partnerId, name: match.name, mode: match.mode, disabledMs: null }
  registry.recentPartners.set(key, partner)
  return partner
}

const livingSecretsOfPartner = defineQuery({
  name: 'living_partner_secrets',
  sql: `SELECT secrets.hash AS hash, partners.name AS name, partners.mode AS mode
        FROM (
          SELECT partner_id, hash FROM partner_secrets_v1 FINAL
          WHERE partner_id = {partnerId: String} AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now64(3))
        ) AS secrets
        INNER JOIN (SELECT partner_id, name, mode FROM partners_v1 FINAL WHERE partner_id = {partnerId: String} AND disabled_at IS NULL) AS partners
        USING partner_id`,
  params: z.object({ partnerId: z.string() }),
  row: z.object({ hash: z.string(), name: z.string(), mode: z.enum(PARTNER_MODES) }),
})
