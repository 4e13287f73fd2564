import type { Actor } from '../audit-log.ts'
import { changeProject, type Decision } from './change-projects.ts'
import type { KnownProjects, Needs } from './known-projects.ts'
import { derivedId, type NamedProject, newProject, type Placement, type Project, type ProjectStore, withChanges, withPlacement } from './project.ts'

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
    needs: (known) => ({ ...needsToSync(known, request), accountIds: [request.accountId], activeOfAccounts: [request] }),
    decide: (known) => {
      const account = known.account(request.accountId)
      if (account === undefined || account.partnerId !== request.partnerId) return { outcome: { status: 'account_not_found' } }
      const candidates = account.plan === 'free' && known.livingByName(request) === undefined ? known.activeOfAccount(request) : []
      if (candidates.length >= FREE_ACTIVE_PROJECTS_MAX) return { outcome: { status: 'limit_reached', candidates } }
      const { outcome: project, ...rest } = syncedProject(registry, known, request)
      return { outcome: { status: 'synced', project }, ...rest }
    },
  })
}

function needsToSync(known: KnownProjects, named: NamedProject): Needs {
  const isNew = known.hasName(named) && known.livingByName(named) === undefined
  const { candidates, free } = freeId(known, named)
  return { names: [named], projectIds: free === undefined ? candidates : [], newestCreation: isNew }
}

function syncedProject(registry: ProjectStore, known: KnownProjects, request: AccountProject): Decision<Project> {
  const living = known.livingByName(request)
  return living === undefined ? createdProject(registry, known, request) : movedProject(registry, living, request)
}

function createdProject(registry: ProjectStore, known: KnownProjects, request: AccountProject): Decision<Project> {
  const { partnerId, accountId, name } = request
  const { free: id } = freeId(known, request)
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

/**
 * The first id derived from partner, account, name and a number that no project has, so that concurrent calls write the same
 * row; undefined while it is not among the ids that are loaded, and the candidates to load next. The number cannot be a count of
 * deleted projects, because a renamed project keeps the id of its first name.
 */
function freeId(known: KnownProjects, named: NamedProject): { candidates: readonly string[]; free: string | undefined } {
  let candidates = [derivedId(named, 1)]
  for (let first = 2; candidates.every((id) => known.hasProject(id)); first += IDS_PER_QUERY) {
    const free = candidates.find((id) => known.project(id) === undefined)
    if (free !== undefined) return { candidates, free }
    candidates = Array.from({ length: IDS_PER_QUERY }, (_, index) => derivedId(named, first + index))
  }
  return { candidates, free: undefined }
}

/** After the first: several, because other changes wait meanwhile and a name may have been deleted and created again very often. */
const IDS_PER_QUERY = 64
