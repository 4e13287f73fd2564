import type { Actor } from '../audit-log.ts'
import type { Registry } from '../registry.ts'
import {
  changed,
  findLivingByName,
  findProject,
  type InstanceType,
  newProject,
  nextCreatedMs,
  type Project,
  type ProjectStatus,
  placed,
  type Region,
  writeProject,
} from './project.ts'

export interface Registration {
  readonly projectId: string
  readonly partnerId: string
  readonly name: string
  readonly region?: Region | undefined
  readonly instanceType?: InstanceType | undefined
  readonly status?: ProjectStatus | undefined
  readonly deletedMs?: number | undefined
}

export type RegisterOutcome =
  | { status: 'created'; project: Project }
  | { status: 'updated'; project: Project }
  | { status: 'partner_changed' }
  | { status: 'already_deleted' }
  | { status: 'name_taken' }

/** Registers a project that the platform has already, or changes it. Throws StoreError. */
export function registerProject(registry: Registry, actor: Actor, asked: Registration): Promise<RegisterOutcome> {
  const { projectId } = asked
  return registry.changes.run(actor, async (change) => {
    const known = await findProject(registry, projectId)
    if (known !== undefined && known.partnerId !== asked.partnerId) return { status: 'partner_changed' }
    const status = asked.status ?? known?.status ?? 'active'
    if (known?.status === 'deleted' && status !== 'deleted') return { status: 'already_deleted' }
    const accountId = known?.accountId ?? ''
    const namesake = await findLivingByName(registry, { ...asked, accountId })
    if (status !== 'deleted' && namesake !== undefined && namesake.id !== projectId) return { status: 'name_taken' }
    const base =
      known ?? newProject(registry, { id: projectId, partnerId: asked.partnerId, accountId, name: asked.name, createdMs: await nextCreatedMs(registry) })
    const deletedMs = status === 'deleted' ? (asked.deletedMs ?? base.deletedMs ?? Date.now()) : null
    // The platform has made the project already, and says what it is: there is nothing to hand over to it.
    const next = changed(registry, placed(registry, base, asked), { name: asked.name, status, wantedStatus: status, deletedMs })
    const project: Project = { ...next, provisionedRevision: next.revision }
    const { partnerId, region, instanceType } = project
    const details = { partner_id: partnerId, status, region, instance_type: instanceType }
    await change.note({ action: known === undefined ? 'project.register' : 'project.change', subject: projectId, details })
    await writeProject(change, project)
    return { status: known === undefined ? 'created' : 'updated', project }
  })
}
