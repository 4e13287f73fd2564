import type { Actor } from '../audit-log.ts'
import type { Registry } from '../registry.ts'
import { changed, findProject, type Project, writeProject } from './project.ts'

/** Final. The project's usage stays and is billed. Undefined when the partner has no living project of that id. */
export function deleteProject(
  registry: Registry,
  actor: Actor,
  { partnerId, projectId }: { partnerId: string; projectId: string },
): Promise<Project | undefined> {
  let attempted = false
  return registry.changes.run(actor, async (change) => {
    const known = await findProject(registry, projectId)
    if (known === undefined || known.partnerId !== partnerId) return undefined
    if (known.status === 'deleted') return attempted ? known : undefined
    attempted = true
    const project = changed(registry, known, { status: 'deleted', wantedStatus: 'deleted', deletedMs: Date.now() })
    await change.note({ action: 'project.delete', subject: projectId, details: { partner_id: partnerId } })
    await writeProject(change, project)
    return project
  })
}
