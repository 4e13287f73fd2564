import { v5 as uuidV5 } from 'uuid'
import type { AccountPlan } from '../contract/accounts.ts'
import type { Account } from './accounts.ts'
import type { Actor } from './audit-log.ts'
import type { RegistryStore } from './changes.ts'
import { changeProject } from './projects/change-projects.ts'

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
  return changeProject(registry, actor, {
    needs: () => ({ accountIds: [id] }),
    decide: (records) => {
      const known = records.account(id)
      if (known?.name === name) return { outcome: known }
      const account: Account =
        known === undefined
          ? { id, partnerId, email, name, plan: 'free', createdMs: Date.now(), revision: 1 }
          : { ...known, name, revision: known.revision + 1 }
      // The partner, but not the person: the audit log is kept permanently.
      const noted = { action: known === undefined ? 'account.create' : 'account.rename', subject: id, details: { partner_id: partnerId } }
      return { outcome: account, write: { noted, account } }
    },
  })
}

/** Undefined when there is no such account. */
export function setAccountPlan(
  registry: RegistryStore,
  actor: Actor,
  { accountId, plan }: { accountId: string; plan: AccountPlan },
): Promise<Account | undefined> {
  return changeProject<Account | undefined>(registry, actor, {
    needs: () => ({ accountIds: [accountId] }),
    decide: (records) => {
      const known = records.account(accountId)
      if (known === undefined || known.plan === plan) return { outcome: known }
      const account: Account = { ...known, plan, revision: known.revision + 1 }
      const noted = { action: 'account.plan', subject: accountId, details: { partner_id: known.partnerId, plan } }
      return { outcome: account, write: { noted, account } }
    },
  })
}

const ACCOUNT_NAMESPACE = 'd2a4f3b6-5c0e-4c1a-8f57-3b9e0a71c864'
