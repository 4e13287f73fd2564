import { z } from 'zod'
import { PARTNER_MODES, type PartnerMode } from '../contract/lists.ts'
import { defineQuery } from '../sql/query.ts'
import type { RegistryReads } from './changes.ts'

export interface Partner {
  readonly id: string
  readonly name: string
  readonly mode: PartnerMode
  /** When the partner was disabled, in ms since 1970; null if it is enabled. */
  readonly disabledMs: number | null
}

/** All partners, sorted by name. Throws StoreError. */
export function readPartners({ clickhouse }: RegistryReads): Promise<StoredPartner[]> {
  return clickhouse.registry.query(allPartners, {})
}

export async function findPartner({ clickhouse }: RegistryReads, partnerId: string): Promise<StoredPartner | undefined> {
  const [partner] = await clickhouse.registry.query(partnerById, { partnerId })
  return partner
}

/** By id; ids without a partner are left out. Throws StoreError. */
export async function findPartners({ clickhouse }: RegistryReads, partnerIds: readonly string[]): Promise<Map<string, StoredPartner>> {
  const found = await clickhouse.registry.query(partnersById, { partnerIds: [...partnerIds] })
  return new Map(found.map((partner) => [partner.id, partner]))
}

/** Those of the ids that belong to no partner. Throws StoreError. */
export async function unknownPartners(registry: RegistryReads, partnerIds: readonly string[]): Promise<string[]> {
  const known = await findPartners(registry, partnerIds)
  return partnerIds.filter((id) => !known.has(id))
}

export interface StoredPartner extends Partner {
  readonly revision: number
  /** ms since 1970. */
  readonly createdMs: number
}

export const PartnerRow = z.object({
  id: z.string(),
  name: z.string(),
  mode: z.enum(PARTNER_MODES),
  revision: z.coerce.number(),
  createdMs: z.coerce.number(),
  disabledMs: z.coerce.number().nullable(),
})

export const PARTNER_SELECT = `SELECT partner_id AS id, name, mode, revision, toUnixTimestamp64Milli(created_at) AS createdMs,
          toUnixTimestamp64Milli(disabled_at) AS disabledMs
        FROM partners_v1 FINAL`

const allPartners = defineQuery({
  name: 'all_partners',
  sql: `${PARTNER_SELECT} ORDER BY name, partner_id`,
  params: z.object({}),
  row: PartnerRow,
})

const partnerById = defineQuery({
  name: 'partner_by_id',
  sql: `${PARTNER_SELECT} WHERE partner_id = {partnerId: String}`,
  params: z.object({ partnerId: z.string() }),
  row: PartnerRow,
})

const partnersById = defineQuery({
  name: 'partners_by_id',
  sql: `${PARTNER_SELECT} WHERE partner_id IN {partnerIds: Array(String)}`,
  params: z.object({ partnerIds: z.array(z.string()) }),
  row: PartnerRow,
})
