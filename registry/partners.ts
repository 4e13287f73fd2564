import { randomBytes, randomUUID, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import { defineQuery } from '../sql/query.ts'
import { row } from '../sql/tab-separated.ts'
import { hashCredential, lastFour, newCredential } from './credentials.ts'
import { PARTNER_MODES, type Partner, type PartnerMode, type Registry } from './registry.ts'

/** Makes a partner and its first secret. The secret is shown here and never again. Throws StoreError. */
export async function createPartner(registry: Registry, asked: { name: string; mode: PartnerMode }): Promise<{ partner: Partner; secret: string }> {
  const partner: Partner = { id: `ps_${randomBytes(9).toString('base64url').replaceAll(/[-_]/g, 'x')}`, ...asked }
  const secret = newCredential('partnerSecret')
  const now = Date.now() / 1000
  const { registry: lane } = registry.clickhouse
  // The secret first: a partner without a secret could not be used and would stay behind after a crash.
  await lane.insert({
    table: 'partner_secrets_v1',
    columns: ['partner_id', 'secret_id', 'revision', 'hash', 'last_four', 'created_at'],
    text: row([partner.id, randomUUID(), 1, hashCredential(registry.pepper, secret), lastFour(secret), now]),
  })
  await lane.insert({
    table: 'partners_v1',
    columns: ['partner_id', 'revision', 'name', 'mode', 'created_at'],
    text: row([partner.id, 1, partner.name, partner.mode, now]),
  })
  return { partner, secret }
}

export async function listPartners({ clickhouse }: Registry): Promise<Partner[]> {
  return clickhouse.registry.query(allPartners, {})
}

export async function findPartner({ clickhouse }: Registry, partnerId: string): Promise<Partner | undefined> {
  const [partner] = await clickhouse.registry.query(partnerById, { partnerId })
  return partner
}

/** The partner whose secret this is. An unknown partner and a wrong secret do the same work and give the same answer. */
export async function authenticatePartner(registry: Registry, partnerId: string, secret: string): Promise<Partner | undefined> {
  const hash = hashCredential(registry.pepper, secret)
  const key = JSON.stringify([partnerId, hash])
  const recent = registry.recentPartners.get(key)
  if (recent !== undefined) return recent
  const secrets = await registry.clickhouse.registry.query(livingSecrets, { partnerId })
  const matches = secrets.filter((stored) => timingSafeEqual(Buffer.from(stored.hash, 'hex'), Buffer.from(hash, 'hex')))
  const partner = await findPartner(registry, partnerId)
  if (matches.length === 0 || partner === undefined) return undefined
  registry.recentPartners.set(key, partner)
  return partner
}

const PartnerRow = z.object({ id: z.string(), name: z.string(), mode: z.enum(PARTNER_MODES) })

const allPartners = defineQuery({
  name: 'all_partners',
  sql: 'SELECT partner_id AS id, name, mode FROM partners_v1 FINAL ORDER BY name, partner_id',
  params: z.object({}),
  row: PartnerRow,
})

const partnerById = defineQuery({
  name: 'partner_by_id',
  sql: 'SELECT partner_id AS id, name, mode FROM partners_v1 FINAL WHERE partner_id = {partnerId: String}',
  params: z.object({ partnerId: z.string() }),
  row: PartnerRow,
})

const livingSecrets = defineQuery({
  name: 'living_partner_secrets',
  sql: `SELECT hash FROM partner_secrets_v1 FINAL
        WHERE partner_id = {partnerId: String} AND (expires_at IS NULL OR expires_at > now64(3))`,
  params: z.object({ partnerId: z.string() }),
  row: z.object({ hash: z.string() }),
})
