import { isDeepStrictEqual } from 'node:util'
import type { ProjectStatus } from '../../contract/fields.ts'
import { findAccount } from '../accounts.ts'
import type { Actor } from '../audit-log.ts'
import {
  findLivingByName,
  findProject,
  newProject,
  nextCreatedMs,
  type Placement,
  type Project,
  type ProjectStore,
  withChanges,
  withPlacement,
  writeProject,
} from './project.ts'

export interface Registration extends Placement {
  readonly projectId: string
  readonly partnerId: string
  /** One of the partner's accounts, for a co-branded partner. */
  readonly accountId?: string | undefined
  readonly name: string
  readonly status?: ProjectStatus | undefined
  readonly deletedMs?: number | undefined
}

export type RegisterOutcome =
  | { status: 'created'; project: Project }
  | { status: 'updated'; project: Project }
  | { status: 'partner_changed' }
  | { status: 'account_not_found' }
  | { status: 'account_changed' }
  | { status: 'already_deleted' }
  | { status: 'name_taken' }

/** Registers a project that already exists on the platform, or changes a registered one. Throws StoreError. */
export function registerProject(registry: ProjectStore, actor: Actor, registration: Registration): Promise<RegisterOutcome> {
  const { projectId } = registration
  let attempted: Written | undefined
  return registry.changes.run(actor, async (change) => {
    const known = await findProject(registry, projectId)
    // A change that is decided again may find the row that it has written: then it is done.
    if (known !== undefined && attempted !== undefined && isWritten(attempted, known)) return { status: attempted.status, project: known }
    const accountId = registration.accountId ?? known?.accountId ?? ''
    const rejection = await findRejection(registry, { known, registration, accountId })
    if (rejection !== undefined) return rejection
    const base =
      known ??
      newProject(registry, { id: projectId, partnerId: registration.partnerId, accountId, name: registration.name, createdMs: await nextCreatedMs(registry) })
    const project = registered(registry, { ...base, accountId }, registration)
    const { partnerId, status, region, instanceType } = project
    const details = { partner_id: partnerId, account_id: accountId, status, region, instance_type: instanceType }
    await change.note({ action: known === undefined ? 'project.register' : 'project.change', subject: projectId, details })
    const written: Written = { status: known === undefined ? 'created' : 'updated', project }
    attempted = written
    await writeProject(change, project)
    return written
  })
}

type Written = Extract<RegisterOutcome, { project: Project }>

/** Whether `known` is what this call has written. A created project is recognized by its API key, even if it has changed since. */
function isWritten({ status, project }: Written, known: Project): boolean {
  return status === 'created' ? known.sealedApiKey === project.sealedApiKey : isDeepStrictEqual(known, project)
}

interface Checked {
  readonly known: Project | undefined
  readonly registration: Registration
  readonly accountId: string
}

async function findRejection(registry: ProjectStore, { known, registration, accountId }: Checked): Promise<RegisterOutcome | undefined> {
  if (known !== undefined && known.partnerId !== registration.partnerId) return { status: 'partner_changed' }
  if (registration.accountId !== undefined && (await findAccount(registry, registration.accountId))?.partnerId !== registration.partnerId)
    return { status: 'account_not_found' }
  // A project that was registered without an account, as all were before accounts existed, may be given one.
  if (known !== undefined && known.accountId !== '' && known.accountId !== accountId) return { status: 'account_changed' }
  const status = registration.status ?? known?.status
  if (known?.status === 'deleted' && status !== 'deleted') return { status: 'already_deleted' }
  const namesake = status === 'deleted' ? undefined : await findLivingByName(registry, { ...registration, accountId })
  return namesake !== undefined && namesake.id !== registration.projectId ? { status: 'name_taken' } : undefined
}

/**
 * The project as registered. The platform reports what it has, so nothing needs to be handed over to it, except when a change
 * is pending and the registration gives no status: then that change is still pending.
 */
function registered(registry: ProjectStore, base: Project, registration: Registration): Project {
  const status = registration.status ?? base.status
  const wantedStatus = registration.status ?? base.wantedStatus
  // Deletion is final, and so is its time: statements and exports already contain it.
  const deletedMs = status === 'deleted' ? (base.deletedMs ?? registration.deletedMs ?? Date.now()) : null
  const next = withChanges(registry, withPlacement(registry, base, registration), { name: registration.name, status, wantedStatus, deletedMs })
  const isStillPending = registration.status === undefined && base.provisionedRevision < base.wantedRevision
  return isStillPending ? next : { ...next, provisionedRevision: next.wantedRevision }
}
