import { v5 as uuidV5 } from 'uuid'
import { z } from 'zod'
import { ACCOUNT_PLANS, type AccountPlan } from '../contract/accounts.ts'
import { defineQuery } from '../sql/query.ts'
import { row } from '../sql/tab-separated.ts'
import type { Actor } from './audit-log.ts'
import type { Change, RegistryReads, RegistryStore } from './changes.ts'

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

/**
 * Creates the partner's account for an email, or returns the existing one, renamed to `name`. The id is derived from partner
 * and email, so concurrent calls write the same row. `email` must be in lower case. Throws StoreError.
 */
export function connectAccount(
  registry: RegistryStore,
  actor: Actor,
  { partnerId, email, name }: { partnerId: string; email: string; name: string },
): Promise<Account> {
  const id = uuidV5(JSON.stringify([partnerId, email]), ACCOUNT_NAMESPACE)
  return registry.changes.run(actor, async (change) => {
    const known = await findAccount(registry, id)
    if (known?.name === name) return known
    const account: Account =
      known === undefined ? { id, partnerId, email, name, plan: 'free', createdMs: Date.now(), revision: 1 } : { ...known, name, revision: known.revision + 1 }
    // The partner, but not the person: the audit log is kept permanently.
    await change.note({ action: known === undefined ? 'account.create' : 'account.rename', subject: id, details: { partner_id: partnerId } })
    await writeAccount(change, account)
    return account
  })
}

export async function findAccount({ clickhouse }: RegistryReads, accountId: string): Promise<Account | undefined> {
  const [found] = await clickhouse.registry.query(accountById, { accountId })
  return found
}

/** Undefined when there is no such account. */
export function setAccountPlan(
  registry: RegistryStore,
  actor: Actor,
  { accountId, plan }: { accountId: string; plan: AccountPlan },
): Promise<Account | undefined> {
  return registry.changes.run(actor, async (change) => {
    const known = await findAccount(registry, accountId)
    if (known === undefined || known.plan === plan) return known
    const account: Account = { ...known, plan, revision: known.revision + 1 }
    await change.note({ action: 'account.plan', subject: accountId, details: { partner_id: known.partnerId, plan } })
    await writeAccount(change, account)
    return account
  })
}

const ACCOUNT_NAMESPACE = 'd2a4f3b6-5c0e-4c1a-8f57-3b9e0a71c864'

async function writeAccount(change: Change, { id, revision, partnerId, email, name, plan, createdMs }: Account): Promise<void> {
  const columns = ['account_id', 'revision', 'partner_id', 'email', 'name', 'plan', 'created_ms']
  await change.write('accounts_inbox_v1', columns, (owner) => row([...owner, id, revision, partnerId, email, name, plan, createdMs]))
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

const accountById = defineQuery({
  name: 'account_by_id',
  sql: `${ACCOUNT_SELECT} WHERE account_id = {accountId: String}`,
  params: z.object({ accountId: z.string() }),
  row: AccountRow,
})
