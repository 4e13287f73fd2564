import type { Actor } from '../audit-log.ts'
import type { Change } from '../changes.ts'
import type { Registry } from '../registry.ts'
import { changed, findLivingByName, freeId, type InstanceType, newProject, nextCreatedMs, type Project, placed, type Region, writeProject } from './project.ts'

export interface EmbeddedProject {
  readonly partnerId: string
  readonly name: string
  readonly region?: Region | undefined
  readonly instanceType?: InstanceType | undefined
}

/** A partner's own project, made once per living name. A name whose project was deleted makes a new project. */
export function syncEmbeddedProject(registry: Registry, actor: Actor, asked: EmbeddedProject): Promise<Project> {
  return registry.changes.run(actor, async (change) => {
    const place = { partnerId: asked.partnerId, accountId: '', name: asked.name }
    const known = await findLivingByName(registry, place)
    return known === undefined ? createProject(registry, change, { ...asked, ...place }) : moveProject(registry, change, { known, asked })
  })
}

async function createProject(registry: Registry, change: Change, asked: EmbeddedProject & { accountId: string }): Promise<Project> {
  const { partnerId, accountId, name } = asked
  const id = await freeId(registry, { partnerId, accountId, name })
  const made = newProject(registry, { id, partnerId, accountId, name, createdMs: await nextCreatedMs(registry) })
  const project = changed(registry, placed(registry, made, asked), {})
  const { region, instanceType } = project
  await change.note({ action: 'project.create', subject: id, details: { partner_id: partnerId, account_id: accountId, region, instance_type: instanceType } })
  await writeProject(change, project)
  return project
}

/** Another region or instance type applies to a project that lives. */
async function moveProject(registry: Registry, change: Change, { known, asked }: { known: Project; asked: EmbeddedProject }): Promise<Project> {
  const project = changed(registry, placed(registry, known, asked), {})
  const { region, instanceType } = project
  if (known.region === region && known.instanceType === instanceType) return known
  await change.note({ action: 'project.change', subject: known.id, details: { partner_id: known.partnerId, region, instance_type: instanceType } })
  await writeProject(change, project)
  return project
}
