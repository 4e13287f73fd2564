import { randomUUID, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import { PARTNER_MODES } from '../../contract/lists.ts'
import { defineQuery } from '../../sql/query.ts'
import { readShared } from '../../sql/read-by-key.ts'
import { row } from '../../sql/tab-separated.ts'
import type { Change, RegistryReads } from '../changes.ts'
import type { Partner } from '../partners.ts'
import type { CredentialCache } from './credential-cache.ts'
import { hashCredential, isCredential, lastFour, newCredential, prefixOf } from './credentials.ts'
import type { LastUsed } from './last-used.ts'

/** A partner's secret as it is stored: its hash and its times, never the secret. */
export interface PartnerSecret {
  readonly id: string
  readonly partnerId: string
  readonly revision: number
  readonly hash: string
  readonly prefix: string
  readonly lastFour: string
  /** In ms since 1970, like all times here. */
  readonly createdMs: number
  readonly expiresMs: number | null
  readonly revokedMs: number | null
}

/** A partner, and the secret that authenticated it. */
export interface AuthenticatedPartner {
  readonly partner: Partner
  readonly secretId: string
  /** When that secret expires, in ms since 1970; null: never. */
  readonly expiresMs: number | null
}

/** What it takes to verify a partner's secret. */
export interface PartnerAuthentication extends RegistryReads {
  readonly pepper: Buffer
  readonly partnerCache: CredentialCache<AuthenticatedPartner>
  readonly lastUsed: LastUsed
}

/** The caller shows the secret once; it is stored nowhere. */
export function newPartnerSecret({ pepper }: { pepper: Buffer }, partnerId: string): { secret: string; stored: PartnerSecret } {
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

/** One insert, so that a new secret never exists without the expiry of the old ones. */
export async function writePartnerSecrets(change: Change, secrets: readonly PartnerSecret[]): Promise<void> {
  await change.write('partner_secrets_inbox_v1', SECRET_COLUMNS, (owner) => secrets.map((secret) => row([...owner, ...fieldsOf(secret)])).join(''))
}

const SECRET_COLUMNS = ['partner_id', 'secret_id', 'revision', 'hash', 'prefix', 'last_four', 'created_ms', 'expires_ms', 'revoked_ms']

function fieldsOf({ id, partnerId, revision, hash, prefix, lastFour, createdMs, expiresMs, revokedMs }: PartnerSecret): (string | number | null)[] {
  return [partnerId, id, revision, hash, prefix, lastFour, createdMs, expiresMs, revokedMs]
}

/**
 * The partner, if the secret is its own and valid. An unknown partner, a disabled partner and a wrong secret cause the same work
 * and return undefined, so that the response does not reveal which partners exist. A text without the form of a secret is not
 * looked up. Throws StoreError.
 */
export async function authenticatePartner(registry: PartnerAuthentication, partnerId: string, secret: string): Promise<Partner | undefined> {
  if (!isCredential('partnerSecret', secret)) return undefined
  const hash = hashCredential(registry.pepper, secret)
  const found = await registry.partnerCache.find(JSON.stringify([partnerId, hash]), () => findBySecret(registry, partnerId, hash))
  if (found === undefined || (found.expiresMs !== null && found.expiresMs <= Date.now())) return undefined
  registry.lastUsed.note(found.secretId)
  return found.partner
}

async function findBySecret({ clickhouse }: RegistryReads, partnerId: string, hash: string): Promise<AuthenticatedPartner | undefined> {
  const secrets = await readShared(clickhouse.registry, livingSecretsOfPartner, { partnerId })
  const [match] = secrets.filter((stored) => timingSafeEqual(Buffer.from(stored.hash, 'hex'), Buffer.from(hash, 'hex')))
  if (match === undefined) return undefined
  const { name, mode, secretId, expiresMs } = match
  return { partner: { id: partnerId, name, mode, disabledMs: null }, secretId, expiresMs }
}

const livingSecretsOfPartner = defineQuery({
  name: 'living_partner_secrets',
  sql: `SELECT secrets.hash AS hash, secrets.secret_id AS secretId, toUnixTimestamp64Milli(secrets.expires_at) AS expiresMs,
          partners.name AS name, partners.mode AS mode
        FROM (
          SELECT partner_id, secret_id, hash, expires_at FROM partner_secrets_v1 FINAL
          WHERE partner_id = {partnerId: String} AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now64(3))
        ) AS secrets
        INNER JOIN (SELECT partner_id, name, mode FROM partners_v1 FINAL WHERE partner_id = {partnerId: String} AND disabled_at IS NULL) AS partners
        USING partner_id`,
  params: z.object({ partnerId: z.string() }),
  row: z.object({
    hash: z.string(),
    secretId: z.string(),
    expiresMs: z.coerce.number().nullable(),
    name: z.string(),
    mode: z.enum(PARTNER_MODES),
  }),
})
