import { randomBytes } from 'node:crypto'
import type { PartnerMode } from '../contract/lists.ts'
import type { Actor } from './audit-log.ts'
import { writePartner } from './change-partners.ts'
import type { RegistryStore } from './changes.ts'
import { newPartnerSecret, writePartnerSecrets } from './credentials/partner-secrets.ts'
import type { Partner } from './partners.ts'

/** Creates a partner and its first secret. The secret is returned here only; just its hash is stored. Throws StoreError. */
export function createPartner(
  registry: RegistryStore & { readonly pepper: Buffer },
  actor: Actor,
  request: { name: string; mode: PartnerMode },
): Promise<{ partner: Partner; secret: string }> {
  const partner: Partner = { id: `ps_${randomBytes(9).toString('base64url').replaceAll(/[-_]/g, 'x')}`, ...request, disabledMs: null }
  const { secret, stored } = newPartnerSecret(registry, partner.id)
  return registry.changes.run(actor, async (change) => {
    await change.note({ action: 'partner.create', subject: partner.id, details: { mode: partner.mode, secret_id: stored.id } })
    // The secret is written first: a crash in between must not leave a partner that cannot authenticate.
    await writePartnerSecrets(change, [stored])
    await writePartner(change, { ...partner, revision: 1, createdMs: stored.createdMs })
    return { partner, secret }
  })
}
