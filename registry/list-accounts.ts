import { z } from 'zod'
import { defineQuery } from '../sql/query.ts'
import { ACCOUNT_SELECT, type Account, AccountRow } from './accounts.ts'
import type { RegistryReads } from './changes.ts'

export interface AccountsQuery {
  /** Undefined: the accounts of all partners. */
  readonly partnerId: string | undefined
  /** The last account of the previous page. */
  readonly after: { readonly createdMs: number; readonly id: string }
  readonly limit: number
}

/** Oldest first. Throws StoreError. */
export function listAccounts({ clickhouse }: RegistryReads, { partnerId = '', after, limit }: AccountsQuery): Promise<Account[]> {
  return clickhouse.registry.query(accountsInOrder, { partnerId, afterMs: after.createdMs, afterId: after.id, limit })
}

const accountsInOrder = defineQuery({
  name: 'accounts_in_order',
  sql: `${ACCOUNT_SELECT}
        WHERE {partnerId: String} IN ('', partner_id) AND (toUnixTimestamp64Milli(created_at), account_id) > ({afterMs: Int64}, {afterId: String})
        ORDER BY created_at, account_id LIMIT {limit: UInt64}`,
  params: z.object({ partnerId: z.string(), afterMs: z.number(), afterId: z.string(), limit: z.number() }),
  row: AccountRow,
})
