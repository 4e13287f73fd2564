import type { Account } from '../accounts.ts'
import type { Actor } from '../audit-log.ts'
import { changeProject, type Decision } from './change-projects.ts'
import type { KnownProjects, Needs } from './known-projects.ts'
import { type NamedProject, newProject, type Placement, type Project, type ProjectStore, withChanges, withPlacement } from './project.ts'

export interface EmbeddedProject extends Placement {
  readonly partnerId: string
  readonly name: string
}

export interface AccountProject extends EmbeddedProject {
  readonly accountId: string
}

/** Creates a partner's own project, or returns the one of this name that is not deleted. Throws StoreError. */
export function syncEmbeddedProject(registry: ProjectStore, actor: Actor, request: EmbeddedProject): Promise<Project> {
  const whiteLabel = { ...request, accountId: '' }
  return changeProject(registry, actor, {
    needs: (known) => needsToSync(known, whiteLabel),
    decide: (known) => syncedProject(registry, known, whiteLabel),
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
  return changeProject<SyncOutcome>(registry, actor, {
    needs: (known) => ({
      ...needsToSync(known, request),
      accountIds: [request.accountId],
      // Of a foreign account no more is read than of a missing one: the number of queries must not show that it exists.
      activeOfAccounts: known.hasAccount(request.accountId) && known.hasName(request) && isLimited(known, request) ? [request] : [],
    }),
    decide: (known) => {
      if (ownAccount(known, request) === undefined) return { outcome: { status: 'account_not_found' } }
      const candidates = isLimited(known, request) ? known.activeOfAccount(request) : []
      if (candidates.length >= FREE_ACTIVE_PROJECTS_MAX) return { outcome: { status: 'limit_reached', candidates } }
      const { outcome: project, ...rest } = syncedProject(registry, known, request)
      return { outcome: { status: 'synced', project }, ...rest }
    },
  })
}

function ownAccount(known: KnownProjects, { partnerId, accountId }: AccountProject): Account | undefined {
  const account = known.account(accountId)
  return account?.partnerId === partnerId ? account : undefined
}

/** Whether the limit of the account's plan applies: to new projects of the free plan. */
function isLimited(known: KnownProjects, request: AccountProject): boolean {
  return ownAccount(known, request)?.plan === 'free' && known.livingByName(request) === undefined
}

function needsToSync(known: KnownProjects, named: NamedProject): Needs {
  // Together with the name, because most names are new and have a free first id.
  if (!known.hasName(named)) return { names: [named], projectIds: known.freeId(named).toLoad() }
  if (known.livingByName(named) !== undefined) return { names: [named] }
  return { names: [named], projectIds: known.freeId(named).toLoad(), newestCreation: true }
}

function syncedProject(registry: ProjectStore, known: KnownProjects, request: AccountProject): Decision<Project> {
  const living = known.livingByName(request)
  return living === undefined ? createdProject(registry, known, request) : movedProject(registry, living, request)
}

function createdProject(registry: ProjectStore, known: KnownProjects, request: AccountProject): Decision<Project> {
  const { partnerId, accountId, name } = request
  const id = known.freeId(request).free()
  if (id === undefined) throw new Error(`No id for the project "${name}" was loaded.`)
  const created = newProject(registry, { id, partnerId, accountId, name, createdMs: known.createdMs() })
  const project = withChanges(registry, withPlacement(registry, created, request), {})
  const { region, instanceType } = project
  const details = { partner_id: partnerId, account_id: accountId, region, instance_type: instanceType }
  return { outcome: project, write: { noted: { action: 'project.create', subject: id, details }, project } }
}

/** Applies another region or instance type to an existing project. */
function movedProject(registry: ProjectStore, known: Project, request: EmbeddedProject): Decision<Project> {
  const project = withChanges(registry, withPlacement(registry, known, request), {})
  const { region, instanceType } = project
  if (known.region === region && known.instanceType === instanceType) return { outcome: known }
  const details = { partner_id: known.partnerId, region, instance_type: instanceType }
  return { outcome: project, write: { noted: { action: 'project.change', subject: known.id, details }, project } }
}
