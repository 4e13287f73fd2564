import type { Actor } from '../audit-log.ts'
import { findLivingProject, findProject, type Project, type ProjectOfPartner, type ProjectStore, withChanges, writeProject } from './project.ts'

/**
 * The project is to be paused. With a provisioner its status follows when the platform says that it is; to ask again starts
 * nothing new, and to ask for the contrary meanwhile only changes what is wanted. Undefined when the partner has no living
 * project of that id.
 */
export function pauseProject(registry: ProjectStore, actor: Actor, asked: ProjectOfPartner): Promise<Project | undefined> {
  return wantStatus(registry, actor, { ...asked, wantedStatus: 'paused' })
}

/** The contrary of pausing, in all. */
export function restoreProject(registry: ProjectStore, actor: Actor, asked: ProjectOfPartner): Promise<Project | undefined> {
  return wantStatus(registry, actor, { ...asked, wantedStatus: 'active' })
}

/** Final, and at once. The project's usage stays and is billed. Undefined when the partner has no living project of that id. */
export function deleteProject(registry: ProjectStore, actor: Actor, { partnerId, projectId }: ProjectOfPartner): Promise<Project | undefined> {
  let attemptedMs: number | undefined
  return registry.changes.run(actor, async (change) => {
    const known = await findProject(registry, projectId)
    if (known === undefined || known.partnerId !== partnerId) return undefined
    // A change that runs again after it was overtaken may find its own deletion; another's says that there is nothing to delete.
    if (known.status === 'deleted') return known.deletedMs === attemptedMs ? known : undefined
    attemptedMs = Date.now()
    const project = withChanges(registry, known, { status: 'deleted', wantedStatus: 'deleted', deletedMs: attemptedMs })
    await change.note({ action: 'project.delete', subject: projectId, details: { partner_id: partnerId } })
    await writeProject(change, project)
    return project
  })
}

const ACTIONS = { paused: 'project.pause', active: 'project.restore' } as const

function wantStatus(registry: ProjectStore, actor: Actor, asked: ProjectOfPartner & { wantedStatus: keyof typeof ACTIONS }): Promise<Project | undefined> {
  const { partnerId, projectId, wantedStatus } = asked
  return registry.changes.run(actor, async (change) => {
    const known = await findLivingProject(registry, asked)
    if (known === undefined) return undefined
    // What was wanted while there was a provisioner would without one stay undone for ever.
    const isUnderWay = known.status === wantedStatus || registry.provisions
    if (known.wantedStatus === wantedStatus && isUnderWay) return known
    const project = withChanges(registry, known, { wantedStatus })
    await change.note({ action: ACTIONS[wantedStatus], subject: projectId, details: { partner_id: partnerId } })
    await writeProject(change, project)
    return project
  })
}
