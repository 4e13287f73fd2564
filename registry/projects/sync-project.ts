import { findAccount } from '../accounts.ts'
import type { Actor } from '../audit-log.ts'
import type { Change } from '../changes.ts'
import {
  findActiveOfAccount,
  findLivingByName,
  freeId,
  newProject,
  nextCreatedMs,
  type Placement,
  type Project,
  type ProjectStore,
  withChanges,
  withPlacement,
  writeProject,
} from './project.ts'

export interface EmbeddedProject extends Placement {
  readonly partnerId: string
  readonly name: string
}

export interface AccountProject extends EmbeddedProject {
  readonly accountId: string
}

/** Creates a partner's own project, or returns the one of this name that is not deleted. Throws StoreError. */
export function syncEmbeddedProject(registry: ProjectStore, actor: Actor, request: EmbeddedProject): Promise<Project> {
  return registry.changes.run(actor, async (change) => {
    const whiteLabel = { ...request, accountId: '' }
    const known = await findLivingByName(registry, whiteLabel)
    return known === undefined ? createProject(registry, change, whiteLabel) : moveProject(registry, change, { known, request })
  })
}

export type SyncOutcome =
  | { status: 'synced'; project: Project }
  | { status: 'account_not_found' }
  /** With the account's active projects, one of which may serve instead. */
  | { status: 'limit_reached'; candidates: readonly Project[] }

/** Source: partner API documentation, "Handling Project Limits". */
export const FREE_ACTIVE_PROJECTS_MAX = 2

/**
 * Like syncEmbeddedProject, for an account of a co-branded partner. An existing project is found even at the limit of the plan.
 * The limit is checked and the project written under one lease, so concurrent calls cannot exceed it. Throws StoreError.
 */
export function syncAccountProject(registry: ProjectStore, actor: Actor, request: AccountProject): Promise<SyncOutcome> {
  return registry.changes.run(actor, async (change): Promise<SyncOutcome> => {
    const account = await findAccount(registry, request.accountId)
    if (account === undefined || account.partnerId !== request.partnerId) return { status: 'account_not_found' }
    const known = await findLivingByName(registry, request)
    if (known !== undefined) return { status: 'synced', project: await moveProject(registry, change, { known, request }) }
    const candidates = account.plan === 'free' ? await findActiveOfAccount(registry, request) : []
    if (candidates.length >= FREE_ACTIVE_PROJECTS_MAX) return { status: 'limit_reached', candidates }
    return { status: 'synced', project: await createProject(registry, change, request) }
  })
}

async function createProject(registry: ProjectStore, change: Change, request: AccountProject): Promise<Project> {
  const { partnerId, accountId, name } = request
  const id = await freeId(registry, { partnerId, accountId, name })
  const created = newProject(registry, { id, partnerId, accountId, name, createdMs: await nextCreatedMs(registry) })
  const project = withChanges(registry, withPlacement(registry, created, request), {})
  const { region, instanceType } = project
  await change.note({ action: 'project.create', subject: id, details: { partner_id: partnerId, account_id: accountId, region, instance_type: instanceType } })
  await writeProject(change, project)
  return project
}

/** Applies another region or instance type to an existing project. */
async function moveProject(registry: ProjectStore, change: Change, { known, request }: { known: Project; request: EmbeddedProject }): Promise<Project> {
  const project = withChanges(registry, withPlacement(registry, known, request), {})
  const { region, instanceType } = project
  if (known.region === region && known.instanceType === instanceType) return known
  await change.note({ action: 'project.change', subject: known.id, details: { partner_id: known.partnerId, region, instance_type: instanceType } })
  await writeProject(change, project)
  return project
}
