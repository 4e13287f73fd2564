import { randomBytes } from 'node:crypto'
import type { PartnerMode } from '../contract/fields.ts'
import type { Actor } from './audit-log.ts'
import type { RegistryStore } from './changes.ts'
import { newPartnerSecret, writePartnerSecrets } from './credentials/partner-secrets.ts'
import { type Partner, writePartner } from './partners.ts'

/** Makes a partner and its first secret. The secret is shown here and never again. Throws StoreError. */
export function createPartner(
  registry: RegistryStore & { readonly pepper: Buffer },
  actor: Actor,
  asked: { name: string; mode: PartnerMode },
): Promise<{ partner: Partner; secret: string }> {
  const partner: Partner = { id: `ps_${randomBytes(9).toString('base64url').replaceAll(/[-_]/g, 'x')}`, ...asked, disabledMs: null }
  const { secret, stored } = newPartnerSecret(registry, partner.id)
  return registry.changes.run(actor, async (change) => {
    await change.note({ action: 'partner.create', subject: partner.id, details: { mode: partner.mode, secret_id: stored.id } })
    // The secret first: a partner without a secret could not be used and would stay behind after a crash.
    await writePartnerSecrets(change, [stored])
    await writePartner(change, { ...partner, revision: 1, createdMs: stored.createdMs })
    return { partner, secret }
  })
}
