import type { Actor } from '../audit-log.ts'
import { changeProject } from './change-projects.ts'
import type { KnownProjects } from './known-projects.ts'
import { type Project, type ProjectOfPartner, type ProjectStore, withChanges } from './project.ts'

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
export function deleteProject(registry: ProjectStore, actor: Actor, request: ProjectOfPartner): Promise<Project | undefined> {
  const { partnerId, projectId } = request
  let attemptedMs: number | undefined
  return changeProject<Project | undefined>(registry, actor, {
    needs: () => ({ projectIds: [projectId] }),
    decide: (known) => {
      const project = projectOfPartner(known, request)
      if (project === undefined) return { outcome: undefined }
      // A change that is decided again may find its own deletion. A deletion by another call, even of the same millisecond, means
      // that there is nothing to delete.
      const isOwnDeletion = known.mayHaveLanded && project.deletedMs === attemptedMs
      if (project.status === 'deleted') return { outcome: isOwnDeletion ? project : undefined }
      attemptedMs = Date.now()
      const deleted = withChanges(registry, project, { status: 'deleted', wantedStatus: 'deleted', deletedMs: attemptedMs })
      const noted = { action: 'project.delete', subject: projectId, details: { partner_id: partnerId } }
      return { outcome: deleted, write: { noted, project: deleted } }
    },
  })
}

const ACTIONS = { paused: 'project.pause', active: 'project.restore' } as const

function wantStatus(registry: ProjectStore, actor: Actor, request: ProjectOfPartner & { wantedStatus: keyof typeof ACTIONS }): Promise<Project | undefined> {
  const { partnerId, projectId, wantedStatus } = request
  return changeProject<Project | undefined>(registry, actor, {
    needs: () => ({ projectIds: [projectId] }),
    decide: (known) => {
      const project = projectOfPartner(known, request)
      if (project === undefined || project.status === 'deleted') return { outcome: undefined }
      // Without a provisioner, a status that was wanted while there was one would never be reached: then the call must write it.
      const isInProgress = project.status === wantedStatus || registry.provisions
      if (project.wantedStatus === wantedStatus && isInProgress) return { outcome: project }
      const next = withChanges(registry, project, { wantedStatus })
      const noted = { action: ACTIONS[wantedStatus], subject: projectId, details: { partner_id: partnerId } }
      return { outcome: next, write: { noted, project: next } }
    },
  })
}

function projectOfPartner(known: KnownProjects, { partnerId, projectId }: ProjectOfPartner): Project | undefined {
  const project = known.project(projectId)
  return project?.partnerId === partnerId ? project : undefined
}
