import { isDeepStrictEqual } from 'node:util'
import type { InstanceType, ProjectStatus, Region } from '../../contract/fields.ts'
import { findAccount } from '../accounts.ts'
import type { Actor } from '../audit-log.ts'
import {
  findLivingByName,
  findProject,
  newProject,
  nextCreatedMs,
  type Project,
  type ProjectStore,
  withChanges,
  withPlacement,
  writeProject,
} from './project.ts'

export interface Registration {
  readonly projectId: string
  readonly partnerId: string
  /** One of the partner's accounts, if it is a co-branded partner. */
  readonly accountId?: string | undefined
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
  | { status: 'account_not_found' }
  | { status: 'account_changed' }
  | { status: 'already_deleted' }
  | { status: 'name_taken' }

/** Registers a project that the platform has already, or changes it. Throws StoreError. */
export function registerProject(registry: ProjectStore, actor: Actor, asked: Registration): Promise<RegisterOutcome> {
  const { projectId } = asked
  let attempted: Written | undefined
  return registry.changes.run(actor, async (change) => {
    const known = await findProject(registry, projectId)
    // A change that runs again after it was overtaken may find its own row: that is what it has done, and not to be done again.
    if (known !== undefined && attempted !== undefined && isOf(attempted, known)) return { status: attempted.status, project: known }
    const accountId = asked.accountId ?? known?.accountId ?? ''
    const refusal = await tellRefusal(registry, { known, asked, accountId })
    if (refusal !== undefined) return refusal
    const base =
      known ?? newProject(registry, { id: projectId, partnerId: asked.partnerId, accountId, name: asked.name, createdMs: await nextCreatedMs(registry) })
    const project = registered(registry, { ...base, accountId }, asked)
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

/** Nobody else makes the same key; what another has changed since is no matter. */
function isOf({ status, project }: Written, known: Project): boolean {
  return status === 'created' ? known.sealedApiKey === project.sealedApiKey : isDeepStrictEqual(known, project)
}

interface Judged {
  readonly known: Project | undefined
  readonly asked: Registration
  readonly accountId: string
}

async function tellRefusal(registry: ProjectStore, { known, asked, accountId }: Judged): Promise<RegisterOutcome | undefined> {
  if (known !== undefined && known.partnerId !== asked.partnerId) return { status: 'partner_changed' }
  if (asked.accountId !== undefined && (await findAccount(registry, asked.accountId))?.partnerId !== asked.partnerId) return { status: 'account_not_found' }
  // One that was registered without an account, as all were before there were any, may be given one.
  if (known !== undefined && known.accountId !== '' && known.accountId !== accountId) return { status: 'account_changed' }
  const status = asked.status ?? known?.status
  if (known?.status === 'deleted' && status !== 'deleted') return { status: 'already_deleted' }
  const namesake = status === 'deleted' ? undefined : await findLivingByName(registry, { ...asked, accountId })
  return namesake !== undefined && namesake.id !== asked.projectId ? { status: 'name_taken' } : undefined
}

/**
 * The platform has made the project already, and says what it is: there is nothing to hand over to it. Unless something was
 * wanted of it and no status is said: that is still wanted.
 */
function registered(registry: ProjectStore, base: Project, asked: Registration): Project {
  const status = asked.status ?? base.status
  const wantedStatus = asked.status ?? base.wantedStatus
  // Deletion is final, and so is its time: statements and exports have told it.
  const deletedMs = status === 'deleted' ? (base.deletedMs ?? asked.deletedMs ?? Date.now()) : null
  const next = withChanges(registry, withPlacement(registry, base, asked), { name: asked.name, status, wantedStatus, deletedMs })
  const isStillWanted = asked.status === undefined && base.provisionedRevision < base.wantedRevision
  return isStillWanted ? next : { ...next, provisionedRevision: next.wantedRevision }
}
