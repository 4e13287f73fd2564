import type { InstanceType, Region } from '../../contract/fields.ts'
import { findAccount } from '../accounts.ts'
import type { Actor } from '../audit-log.ts'
import type { Change } from '../changes.ts'
import {
  findActiveOfAccount,
  findLivingByName,
  freeId,
  newProject,
  nextCreatedMs,
  type Project,
  type ProjectStore,
  withChanges,
  withPlacement,
  writeProject,
} from './project.ts'

export interface EmbeddedProject {
  readonly partnerId: string
  readonly name: string
  readonly region?: Region | undefined
  readonly instanceType?: InstanceType | undefined
}

export interface AccountProject extends EmbeddedProject {
  readonly accountId: string
}

/** A partner's own project, made once per living name. A name whose project was deleted makes a new project. */
export function syncEmbeddedProject(registry: ProjectStore, actor: Actor, asked: EmbeddedProject): Promise<Project> {
  return registry.changes.run(actor, async (change) => {
    const place = { ...asked, accountId: '' }
    const known = await findLivingByName(registry, place)
    return known === undefined ? createProject(registry, change, place) : moveProject(registry, change, { known, asked })
  })
}

export type SyncOutcome =
  | { status: 'synced'; project: Project }
  | { status: 'account_not_found' }
  /** With the account's active projects, one of which may do instead. */
  | { status: 'limit_reached'; candidates: readonly Project[] }

/** Source: partner API documentation, "Handling Project Limits". */
export const FREE_ACTIVE_PROJECTS_MAX = 2

/**
 * The same for a user of a co-branded partner. A living name is found again also at the limit of the account's plan. The
 * limit is looked at and the project written under one ownership, so it holds however many ask at once.
 */
export function syncAccountProject(registry: ProjectStore, actor: Actor, asked: AccountProject): Promise<SyncOutcome> {
  return registry.changes.run(actor, async (change): Promise<SyncOutcome> => {
    const account = await findAccount(registry, asked.accountId)
    if (account === undefined || account.partnerId !== asked.partnerId) return { status: 'account_not_found' }
    const known = await findLivingByName(registry, asked)
    if (known !== undefined) return { status: 'synced', project: await moveProject(registry, change, { known, asked }) }
    const candidates = account.plan === 'free' ? await findActiveOfAccount(registry, asked) : []
    if (candidates.length >= FREE_ACTIVE_PROJECTS_MAX) return { status: 'limit_reached', candidates }
    return { status: 'synced', project: await createProject(registry, change, asked) }
  })
}

async function createProject(registry: ProjectStore, change: Change, asked: AccountProject): Promise<Project> {
  const { partnerId, accountId, name } = asked
  const id = await freeId(registry, { partnerId, accountId, name })
  const made = newProject(registry, { id, partnerId, accountId, name, createdMs: await nextCreatedMs(registry) })
  const project = withChanges(registry, withPlacement(registry, made, asked), {})
  const { region, instanceType } = project
  await change.note({ action: 'project.create', subject: id, details: { partner_id: partnerId, account_id: accountId, region, instance_type: instanceType } })
  await writeProject(change, project)
  return project
}

/** Another region or instance type applies to a project that lives. */
async function moveProject(registry: ProjectStore, change: Change, { known, asked }: { known: Project; asked: EmbeddedProject }): Promise<Project> {
  const project = withChanges(registry, withPlacement(registry, known, asked), {})
  const { region, instanceType } = project
  if (known.region === region && known.instanceType === instanceType) return known
  await change.note({ action: 'project.change', subject: known.id, details: { partner_id: known.partnerId, region, instance_type: instanceType } })
  await writeProject(change, project)
  return project
}
