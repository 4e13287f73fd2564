import type { Actor } from '../audit-log.ts'
import { findLivingProject, findProject, type Project, type ProjectOfPartner, type ProjectStore, withChanges, writeProject } from './project.ts'

/**
 * Pauses a project. With a provisioner the status changes when the platform has acknowledged it; a repeated call starts
 * nothing new, and the inverse call meanwhile only changes what is wanted. Undefined when the partner has no such project or
 * has deleted it. Throws StoreError.
 */
export function pauseProject(registry: ProjectStore, actor: Actor, request: ProjectOfPartner): Promise<Project | undefined> {
  return wantStatus(registry, actor, { ...request, wantedStatus: 'paused' })
}

/** The inverse of pauseProject. */
export function restoreProject(registry: ProjectStore, actor: Actor, request: ProjectOfPartner): Promise<Project | undefined> {
  return wantStatus(registry, actor, { ...request, wantedStatus: 'active' })
}

/**
 * Deletes a project. This takes effect immediately, even with a provisioner, and is final. The project's usage is kept and
 * billed. Undefined when the partner has no such project or has deleted it. Throws StoreError.
 */
export function deleteProject(registry: ProjectStore, actor: Actor, { partnerId, projectId }: ProjectOfPartner): Promise<Project | undefined> {
  let attemptedMs: number | undefined
  return registry.changes.run(actor, async (change) => {
    const known = await findProject(registry, projectId)
    if (known === undefined || known.partnerId !== partnerId) return undefined
    // A change that is decided again may find its own deletion. A deletion by another call means that there is nothing to delete.
    if (known.status === 'deleted') return known.deletedMs === attemptedMs ? known : undefined
    attemptedMs = Date.now()
    const project = withChanges(registry, known, { status: 'deleted', wantedStatus: 'deleted', deletedMs: attemptedMs })
    await change.note({ action: 'project.delete', subject: projectId, details: { partner_id: partnerId } })
    await writeProject(change, project)
    return project
  })
}

const ACTIONS = { paused: 'project.pause', active: 'project.restore' } as const

function wantStatus(registry: ProjectStore, actor: Actor, request: ProjectOfPartner & { wantedStatus: keyof typeof ACTIONS }): Promise<Project | undefined> {
  const { partnerId, projectId, wantedStatus } = request
  return registry.changes.run(actor, async (change) => {
    const known = await findLivingProject(registry, request)
    if (known === undefined) return undefined
    // Without a provisioner, a status that was wanted while there was one would never be reached: then the call must write it.
    const isInProgress = known.status === wantedStatus || registry.provisions
    if (known.wantedStatus === wantedStatus && isInProgress) return known
    const project = withChanges(registry, known, { wantedStatus })
    await change.note({ action: ACTIONS[wantedStatus], subject: projectId, details: { partner_id: partnerId } })
    await writeProject(change, project)
    return project
  })
}
