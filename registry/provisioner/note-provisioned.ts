import { SERVICE } from '../audit-log.ts'
import type { RegistryStore } from '../changes.ts'
import { findProject, type Project, writeProject } from '../projects/project.ts'

/**
 * The platform has said that it knows `delivered`, the project as it was sent. Its status follows, unless something else is
 * wanted by now: that is on its way, and a status in between would be told to nobody. Noting it twice changes nothing, nor
 * does an answer that comes after that to a later revision. Throws StoreError.
 */
export function noteProvisioned(registry: RegistryStore, delivered: Project): Promise<void> {
  return registry.changes.run(SERVICE, async (change) => {
    const known = await findProject(registry, delivered.id)
    if (known === undefined || known.provisionedRevision >= delivered.wantedRevision) return
    // Of what is deleted nothing else is wanted, so no late answer brings it back.
    const status = known.wantedStatus === delivered.wantedStatus ? known.wantedStatus : known.status
    // No new wanted revision: this row is nothing that the platform would have to know.
    const project: Project = { ...known, revision: known.revision + 1, provisionedRevision: delivered.wantedRevision, status }
    await change.note({
      action: 'project.provisioned',
      subject: known.id,
      details: { partner_id: known.partnerId, revision: delivered.wantedRevision, status },
    })
    await writeProject(change, project)
  })
}
