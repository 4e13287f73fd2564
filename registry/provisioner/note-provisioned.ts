import { SERVICE } from '../audit-log.ts'
import type { RegistryStore } from '../changes.ts'
import { changeProject } from '../projects/change-projects.ts'
import type { Project } from '../projects/project.ts'

/**
 * Stores that the platform has acknowledged `delivered`, the project as it was sent. The project takes that status, unless
 * another one is wanted by now: that one is delivered next, and its acknowledgement will change the status. Idempotent; an
 * acknowledgement that arrives after one of a later revision changes nothing. Throws StoreError.
 */
export function noteProvisioned(registry: RegistryStore, delivered: Project): Promise<void> {
  return changeProject<void>(registry, SERVICE, {
    needs: () => ({ projectIds: [delivered.id] }),
    decide: (projects) => {
      const known = projects.project(delivered.id)
      if (known === undefined || known.provisionedRevision >= delivered.wantedRevision) return { outcome: undefined }
      // A deleted project never wants another status, so a late acknowledgement cannot bring it back.
      const status = known.wantedStatus === delivered.wantedStatus ? known.wantedStatus : known.status
      // The wanted revision stays: this row contains nothing that the platform has to know.
      const project: Project = { ...known, revision: known.revision + 1, provisionedRevision: delivered.wantedRevision, status }
      const details = { partner_id: known.partnerId, revision: delivered.wantedRevision, status }
      return { outcome: undefined, write: { noted: { action: 'project.provisioned', subject: known.id, details }, project } }
    },
  })
}
