import { z } from 'zod'
import { defineQuery } from '../sql/query.ts'
import type { RegistryReads } from './changes.ts'
import { PARTNER_SELECT, PartnerRow, type StoredPartner } from './partners.ts'

export interface PartnersQuery {
  /** The last partner of the previous page; empty texts for the first page. */
  readonly after: { readonly name: string; readonly id: string }
  readonly limit: number
}

/** Sorted by name. Throws StoreError. */
export function listPartners({ clickhouse }: RegistryReads, { after, limit }: PartnersQuery): Promise<StoredPartner[]> {
  return clickhouse.registry.query(partnersInOrder, { afterName: after.name, afterId: after.id, limit })
}

const partnersInOrder = defineQuery({
  name: 'partners_in_order',
  sql: `${PARTNER_SELECT} WHERE (name, partner_id) > ({afterName: String}, {afterId: String}) ORDER BY name, partner_id LIMIT {limit: UInt64}`,
  params: z.object({ afterName: z.string(), afterId: z.string(), limit: z.number() }),
  row: PartnerRow,
})
