import { z } from 'zod'
import { ACCOUNT_PLANS, type AccountPlan } from '../contract/accounts.ts'
import { defineQuery } from '../sql/query.ts'
import { row } from '../sql/tab-separated.ts'
import type { Change, RegistryReads } from './changes.ts'

/** A user of a co-branded partner. */
export interface Account {
  readonly id: string
  readonly partnerId: string
  /** In lower case. */
  readonly email: string
  readonly name: string
  readonly plan: AccountPlan
  readonly createdMs: number
  readonly revision: number
}

export async function findAccount(registry: RegistryReads, accountId: string): Promise<Account | undefined> {
  return (await findAccounts(registry, [accountId])).get(accountId)
}

/** By id; ids without an account are left out. Throws StoreError. */
export async function findAccounts({ clickhouse }: RegistryReads, accountIds: readonly string[]): Promise<Map<string, Account>> {
  const found = await clickhouse.registry.query(accountsById, { accountIds: [...accountIds] })
  return new Map(found.map((account) => [account.id, account]))
}

export async function writeAccounts(change: Pick<Change, 'write'>, accounts: readonly Account[]): Promise<void> {
  const columns = ['account_id', 'revision', 'partner_id', 'email', 'name', 'plan', 'created_ms']
  if (accounts.length > 0) await change.write('accounts_inbox_v1', columns, (owner) => accounts.map((account) => accountRow(owner, account)).join(''))
}

function accountRow(owner: readonly (string | number)[], { id, revision, partnerId, email, name, plan, createdMs }: Account): string {
  return row([...owner, id, revision, partnerId, email, name, plan, createdMs])
}

export const AccountRow = z.object({
  id: z.string(),
  revision: z.coerce.number(),
  partnerId: z.string(),
  email: z.string(),
  name: z.string(),
  plan: z.enum(ACCOUNT_PLANS),
  createdMs: z.coerce.number(),
})

export const ACCOUNT_SELECT = `SELECT account_id AS id, revision, partner_id AS partnerId, email, name, plan, toUnixTimestamp64Milli(created_at) AS createdMs
        FROM accounts_v1 FINAL`

const accountsById = defineQuery({
  name: 'accounts_by_id',
  sql: `${ACCOUNT_SELECT} WHERE account_id IN {accountIds: Array(String)}`,
  params: z.object({ accountIds: z.array(z.string()) }),
  row: AccountRow,
})
