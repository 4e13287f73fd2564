import { row } from '../sql/tab-separated.ts'
import type { Actor } from './audit-log.ts'
import type { Change, RegistryStore } from './changes.ts'
import { findPartner, type StoredPartner } from './partners.ts'

/**
 * Disables a partner or enables it again. Usage of a disabled partner is still counted and billed. Undefined when there is no
 * such partner. Throws StoreError.
 */
export function setPartnerDisabled(
  registry: RegistryStore & { readonly partnerCache: { clear(): void } },
  actor: Actor,
  { partnerId, disabled }: { partnerId: string; disabled: boolean },
): Promise<StoredPartner | undefined> {
  const changing = registry.changes.run(actor, async (change) => {
    const known = await findPartner(registry, partnerId)
    if (known === undefined || (known.disabledMs !== null) === disabled) return known
    const partner = { ...known, disabledMs: disabled ? Date.now() : null, revision: known.revision + 1 }
    await change.note({ action: disabled ? 'partner.disable' : 'partner.enable', subject: partnerId })
    await writePartner(change, partner)
    return partner
  })
  // Also after a failure: the rows may have landed all the same.
  return changing.finally(() => registry.partnerCache.clear())
}

export async function writePartner(change: Change, { id, revision, name, mode, createdMs, disabledMs }: StoredPartner): Promise<void> {
  const columns = ['partner_id', 'revision', 'name', 'mode', 'created_ms', 'disabled_ms']
  await change.write('partners_inbox_v1', columns, (owner) => row([...owner, id, revision, name, mode, createdMs, disabledMs]))
}
