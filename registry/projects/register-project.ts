import { isDeepStrictEqual } from 'node:util'
import type { ProjectStatus } from '../../contract/lists.ts'
import type { Actor } from '../audit-log.ts'
import { changeProject, changeProjects, type Decision, type ProjectChange } from './change-projects.ts'
import type { KnownProjects, Needs } from './known-projects.ts'
import { newProject, type Placement, type Project, type ProjectStore, withChanges, withPlacement } from './project.ts'

export interface Registration extends Placement {
  readonly projectId: string
  readonly partnerId: string
  /** One of the partner's accounts, for a co-branded partner. */
  readonly accountId?: string | undefined
  readonly name: string
  readonly status?: ProjectStatus | undefined
  readonly deletedMs?: number | undefined
}

export type RegisterOutcome = Registered | { status: RegisterRejection }

export interface Registered {
  readonly status: 'created' | 'updated' | 'unchanged'
  readonly project: Project
}

export type RegisterRejection =
  | 'partner_not_found'
  /** Only co-branded partners have accounts. */
  | 'partner_without_accounts'
  | 'partner_changed'
  | 'account_not_found'
  | 'account_changed'
  | 'already_deleted'
  | 'name_taken'

/** Registers a project that already exists on the platform, or changes a registered one. Throws StoreError. */
export function registerProject(registry: ProjectStore, actor: Actor, registration: Registration): Promise<RegisterOutcome> {
  return changeProject(registry, actor, new ProjectRegistration(registry, registration))
}

/**
 * Registers projects in order, each like registerProject: one that is rejected does not affect the others, and of two with one
 * name the second is rejected. Returns an outcome for each. Throws StoreError; a repeated call then finds what landed.
 */
export function registerProjects(registry: ProjectStore, actor: Actor, registrations: readonly Registration[]): Promise<RegisterOutcome[]> {
  return changeProjects(
    registry,
    actor,
    registrations.map((registration) => new ProjectRegistration(registry, registration)),
  )
}

class ProjectRegistration implements ProjectChange<RegisterOutcome> {
  readonly #settings: ProjectStore
  readonly #registration: Registration
  #attempted: Registered | undefined

  constructor(settings: ProjectStore, registration: Registration) {
    this.#settings = settings
    this.#registration = registration
  }

  needs(known: KnownProjects): Needs {
    const { projectId, partnerId, accountId, name } = this.#registration
    const isKnown = known.hasProject(projectId)
    const project = isKnown ? known.project(projectId) : undefined
    return {
      projectIds: [projectId],
      partnerIds: [partnerId],
      names: [{ partnerId, accountId: accountId ?? project?.accountId ?? '', name }],
      accountIds: accountId === undefined ? [] : [accountId],
      newestCreation: isKnown && project === undefined,
    }
  }

  decide(known: KnownProjects): Decision<RegisterOutcome> {
    const registration = this.#registration
    const project = known.project(registration.projectId)
    // A change that is decided again may find the row that it has written: then it is done.
    if (project !== undefined && this.#attempted !== undefined && isWritten(this.#attempted, project))
      return { outcome: { status: this.#attempted.status, project } }
    const accountId = registration.accountId ?? project?.accountId ?? ''
    const rejection = findRejection(known, { project, registration, accountId })
    if (rejection !== undefined) return { outcome: { status: rejection } }
    const next = registered(this.#settings, { ...(project ?? newlyRegistered(this.#settings, known, registration)), accountId }, registration)
    if (project !== undefined && isSame(project, next)) return { outcome: { status: 'unchanged', project } }
    const { partnerId, status, region, instanceType } = next
    const details = { partner_id: partnerId, account_id: accountId, status, region, instance_type: instanceType }
    const noted = { action: project === undefined ? 'project.register' : 'project.change', subject: next.id, details }
    this.#attempted = { status: project === undefined ? 'created' : 'updated', project: next }
    return { outcome: this.#attempted, write: { noted, project: next } }
  }
}

/** Whether `known` is what this call has written. A created project is recognized by its API key, even if it has changed since. */
function isWritten({ status, project }: Registered, known: Project): boolean {
  return status === 'created' ? known.sealedApiKey === project.sealedApiKey : isDeepStrictEqual(known, project)
}

/** Whether a project would be written again as it is. One that the platform has still to acknowledge is only the same if the next one is, too. */
function isSame(known: Project, next: Project): boolean {
  const content = ({ revision, wantedRevision, provisionedRevision, ...rest }: Project) => ({ ...rest, isPending: provisionedRevision < wantedRevision })
  return isDeepStrictEqual(content(known), content(next))
}

interface Checked {
  readonly project: Project | undefined
  readonly registration: Registration
  readonly accountId: string
}

function findRejection(known: KnownProjects, { project, registration, accountId }: Checked): RegisterRejection | undefined {
  const mode = known.partnerMode(registration.partnerId)
  if (mode === undefined) return 'partner_not_found'
  if (registration.accountId !== undefined && mode !== 'co-branded') return 'partner_without_accounts'
  if (project !== undefined && project.partnerId !== registration.partnerId) return 'partner_changed'
  if (registration.accountId !== undefined && known.account(registration.accountId)?.partnerId !== registration.partnerId) return 'account_not_found'
  // A project that was registered without an account, as all were before accounts existed, may be given one.
  if (project !== undefined && project.accountId !== '' && project.accountId !== accountId) return 'account_changed'
  const status = registration.status ?? project?.status
  if (project?.status === 'deleted' && status !== 'deleted') return 'already_deleted'
  const namesake = status === 'deleted' ? undefined : known.livingByName({ ...registration, accountId })
  return namesake !== undefined && namesake.id !== registration.projectId ? 'name_taken' : undefined
}

function newlyRegistered(settings: ProjectStore, known: KnownProjects, { projectId, partnerId, name }: Registration): Project {
  return newProject(settings, { id: projectId, partnerId, accountId: '', name, createdMs: known.createdMs() })
}

/**
 * The project as registered. The platform reports what it has, so nothing needs to be handed over to it, except when a change
 * is pending and the registration gives no status: then that change is still pending.
 */
function registered(settings: ProjectStore, base: Project, registration: Registration): Project {
  const status = registration.status ?? base.status
  const wantedStatus = registration.status ?? base.wantedStatus
  // Deletion is final, and so is its time: statements and exports already contain it.
  const deletedMs = status === 'deleted' ? (base.deletedMs ?? registration.deletedMs ?? Date.now()) : null
  const next = withChanges(settings, withPlacement(settings, base, registration), { name: registration.name, status, wantedStatus, deletedMs })
  const isStillPending = registration.status === undefined && base.provisionedRevision < base.wantedRevision
  return isStillPending ? next : { ...next, provisionedRevision: next.wantedRevision }
}
