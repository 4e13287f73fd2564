import { SERVICE } from '../audit-log.ts'
import type { RegistryStore } from '../changes.ts'
import { findProject, type Project, writeProject } from '../projects/project.ts'

/**
 * Stores that the platform has acknowledged `delivered`, the project as it was sent. The project takes that status, unless
 * another one is wanted by now: that one is delivered next, and its acknowledgement will change the status. Idempotent; an
 * acknowledgement that arrives after one of a later revision changes nothing. Throws StoreError.
 */
export function noteProvisioned(registry: RegistryStore, delivered: Project): Promise<void> {
  return registry.changes.run(SERVICE, async (change) => {
    const known = await findProject(registry, delivered.id)
    if (known === undefined || known.provisionedRevision >= delivered.wantedRevision) return
    // A deleted project never wants another status, so a late acknowledgement cannot bring it back.
    const status = known.wantedStatus === delivered.wantedStatus ? known.wantedStatus : known.status
    // The wanted revision stays: this row contains nothing that the platform has to know.
    const project: Project = { ...known, revision: known.revision + 1, provisionedRevision: delivered.wantedRevision, status }
    await change.note({
      action: 'project.provisioned',
      subject: known.id,
      details: { partner_id: known.partnerId, revision: delivered.wantedRevision, status },
    })
    await writeProject(change, project)
  })
}
