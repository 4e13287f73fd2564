import { v5 as uuidV5 } from 'uuid'
import { z } from 'zod'
import { defineQuery } from '../sql/query.ts'
import { row } from '../sql/tab-separated.ts'
import type { WriteRows } from './changes.ts'
import { newCredential } from './credentials.ts'
import type { Registry } from './registry.ts'
import { seal, unseal } from './sealing.ts'

export const PROJECT_STATUSES = ['active', 'paused', 'deleted'] as const
export const REGIONS = ['us-east', 'us-west', 'eu-west', 'eu-central', 'ap-southeast'] as const
export const INSTANCE_TYPES = ['nano', 'micro', 'small', 'medium', 'large', 'xl', '2xl', '4xl', '8xl', '16xl'] as const
export type ProjectStatus = (typeof PROJECT_STATUSES)[number]
export type Region = (typeof REGIONS)[number]
export type InstanceType = (typeof INSTANCE_TYPES)[number]

/** Words of the API's own paths; a project of that name could not be reached. */
export const RESERVED_PROJECT_IDS: readonly string[] = ['.', '..', 'usage', 'projects', 'statements', 'connect-user', 'sync-embedded-project']

export interface Project {
  readonly id: string
  readonly partnerId: string
  /** The co-branded account it belongs to; empty for white-label. */
  readonly accountId: string
  readonly name: string
  readonly status: ProjectStatus
  readonly region: Region
  readonly instanceType: InstanceType
  readonly accessHost: string
  readonly sealedApiKey: string
  readonly createdMs: number
  readonly deletedMs: number | null
  readonly revision: number
}

export interface Registration {
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
export function registerProject(registry: Registry, projectId: string, asked: Registration): Promise<RegisterOutcome> {
  return registry.changes.run(async (write) => {
    const known = await findProject(registry, projectId)
    if (known !== undefined && known.partnerId !== asked.partnerId) return { status: 'partner_changed' }
    const status = asked.status ?? known?.status ?? 'active'
    if (known?.status === 'deleted' && status !== 'deleted') return { status: 'already_deleted' }
    const accountId = known?.accountId ?? ''
    const namesake = await findLivingByName(registry, { ...asked, accountId })
    if (status !== 'deleted' && namesake !== undefined && namesake.id !== projectId) return { status: 'name_taken' }
    const base =
      known ?? newProject(registry, { id: projectId, partnerId: asked.partnerId, accountId, name: asked.name, createdMs: await nextCreatedMs(registry) })
    const project: Project = {
      ...placed(registry, base, asked),
      name: asked.name,
      status,
      deletedMs: status === 'deleted' ? (asked.deletedMs ?? base.deletedMs ?? Date.now()) : null,
      revision: base.revision + 1,
    }
    await writeProject(write, project)
    return { status: known === undefined ? 'created' : 'updated', project }
  })
}

export interface EmbeddedProject {
  readonly name: string
  readonly region?: Region | undefined
  readonly instanceType?: InstanceType | undefined
}

/** A partner's own project, made once per living name. A name whose project was deleted makes a new project. */
export function syncEmbeddedProject(registry: Registry, partnerId: string, asked: EmbeddedProject): Promise<Project> {
  return registry.changes.run(async (write) => {
    const known = await findLivingByName(registry, { partnerId, accountId: '', name: asked.name })
    const id = known?.id ?? (await freeId(registry, partnerId, asked.name))
    const base = known ?? newProject(registry, { id, partnerId, accountId: '', name: asked.name, createdMs: await nextCreatedMs(registry) })
    const project = { ...placed(registry, base, asked), revision: base.revision + 1 }
    if (known !== undefined && known.region === project.region && known.instanceType === project.instanceType) return known
    await writeProject(write, project)
    return project
  })
}

/** Final. The project's usage stays and is billed. Undefined when the partner has no living project of that id. */
export function deleteProject(registry: Registry, partnerId: string, projectId: string): Promise<Project | undefined> {
  return registry.changes.run(async (write) => {
    const known = await findProject(registry, projectId)
    if (known === undefined || known.partnerId !== partnerId || known.status === 'deleted') return undefined
    const project: Project = { ...known, status: 'deleted', deletedMs: Date.now(), revision: known.revision + 1 }
    await writeProject(write, project)
    return project
  })
}

export async function findProject({ clickhouse }: Registry, projectId: string): Promise<Project | undefined> {
  const [found] = await clickhouse.registry.query(projectById, { projectId })
  return found === undefined ? undefined : projectOf(found)
}

export function apiKeyOf({ masterKey }: Registry, project: Project): string {
  return unseal(masterKey, project.sealedApiKey, apiKeyPurpose(project.id)).toString('utf8')
}

const PROJECT_NAMESPACE = '6f1d2c0e-2f0b-4b6e-9a52-1c6a5b7d8e90'

type NewProject = Pick<Project, 'id' | 'partnerId' | 'accountId' | 'name' | 'createdMs'>

function newProject(registry: Registry, { id, partnerId, accountId, name, createdMs }: NewProject): Project {
  const sealedApiKey = seal(registry.masterKey, Buffer.from(newCredential('projectKey'), 'utf8'), apiKeyPurpose(id))
  const project: Project = {
    id,
    partnerId,
    accountId,
    name,
    status: 'active',
    region: 'us-east',
    instanceType: 'nano',
    accessHost: '',
    sealedApiKey,
    createdMs,
    deletedMs: null,
    revision: 0,
  }
  return { ...project, accessHost: hostOf(registry, project) }
}

/**
 * Later than every project's there is, whatever the clocks of the processes say: "registered since" is asked by this time,
 * and a project that was missed would be missing in its partner's totals. Asked and written under one ownership.
 */
async function nextCreatedMs({ clickhouse }: Registry): Promise<number> {
  const [newest] = await clickhouse.registry.query(newestCreation, {})
  return Math.max(Date.now(), newest === undefined ? 0 : newest.created_ms + 1)
}

const newestCreation = defineQuery({
  name: 'newest_creation',
  sql: 'SELECT toUnixTimestamp64Milli(max(created_at)) AS created_ms FROM projects_v1 HAVING count() > 0',
  params: z.object({}),
  row: z.object({ created_ms: z.coerce.number() }),
})

/** The project where it is asked to be, or where it is. Its host follows its region. */
function placed(registry: Registry, project: Project, asked: { region?: Region | undefined; instanceType?: InstanceType | undefined }): Project {
  const region = asked.region ?? project.region
  const accessHost = region === project.region ? project.accessHost : hostOf(registry, { ...project, region })
  return { ...project, region, instanceType: asked.instanceType ?? project.instanceType, accessHost }
}

function apiKeyPurpose(projectId: string): string {
  return `project-api-key:${projectId}`
}

/** The end of a derived id keeps hosts of equal names apart. */
function hostOf({ projectHost }: Registry, { id, name, region }: { id: string; name: string; region: Region }): string {
  const words = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 40)
  const tail = uuidV5(id, PROJECT_NAMESPACE).slice(0, 8)
  const slug = words === '' ? tail : `${words}-${tail}`
  return `https://${projectHost.replaceAll('{slug}', slug).replaceAll('{region}', region)}`
}

async function findLivingByName(
  { clickhouse }: Registry,
  { partnerId, accountId, name }: { partnerId: string; accountId: string; name: string },
): Promise<Project | undefined> {
  const [found] = await clickhouse.registry.query(livingProjectByName, { partnerId, accountId, name })
  return found === undefined ? undefined : projectOf(found)
}

/**
 * The id of the nth project of a name, so that racing calls meet in one row: the first that no project has. A renamed
 * project keeps the id of its first name, so counting the deleted ones would not do.
 */
async function freeId(registry: Registry, partnerId: string, name: string): Promise<string> {
  for (let incarnation = 1; ; incarnation += 1) {
    const id = uuidV5(JSON.stringify([partnerId, '', name, incarnation]), PROJECT_NAMESPACE)
    if ((await findProject(registry, id)) === undefined) return id
  }
}

async function writeProject(write: WriteRows, project: Project): Promise<void> {
  const { id, revision, partnerId, accountId, name, status, region, instanceType, accessHost, sealedApiKey, createdMs, deletedMs } = project
  const fields = [id, revision, partnerId, accountId, name, status, region, instanceType, accessHost, sealedApiKey, createdMs, deletedMs]
  await write('projects_inbox_v1', PROJECT_COLUMNS, (owner) => row([...owner, ...fields]))
}

const PROJECT_COLUMNS = [
  'project_id',
  'revision',
  'partner_id',
  'account_id',
  'name',
  'status',
  'region',
  'instance_type',
  'access_host',
  'sealed_api_key',
  'created_ms',
  'deleted_ms',
]

const ProjectRow = z.object({
  project_id: z.string(),
  revision: z.coerce.number(),
  partner_id: z.string(),
  account_id: z.string(),
  name: z.string(),
  status: z.enum(PROJECT_STATUSES),
  region: z.enum(REGIONS),
  instance_type: z.enum(INSTANCE_TYPES),
  access_host: z.string(),
  sealed_api_key: z.string(),
  created_ms: z.coerce.number(),
  deleted_ms: z.coerce.number().nullable(),
})

function projectOf(found: z.output<typeof ProjectRow>): Project {
  return {
    id: found.project_id,
    partnerId: found.partner_id,
    accountId: found.account_id,
    name: found.name,
    status: found.status,
    region: found.region,
    instanceType: found.instance_type,
    accessHost: found.access_host,
    sealedApiKey: found.sealed_api_key,
    createdMs: found.created_ms,
    deletedMs: found.deleted_ms,
    revision: found.revision,
  }
}

const PROJECT_SELECT = `SELECT project_id, revision, partner_id, account_id, name, status, region, instance_type, access_host, sealed_api_key,
          toUnixTimestamp64Milli(created_at) AS created_ms, toUnixTimestamp64Milli(deleted_at) AS deleted_ms
        FROM projects_v1 FINAL`

const projectById = defineQuery({
  name: 'project_by_id',
  sql: `${PROJECT_SELECT} WHERE project_id = {projectId: String}`,
  params: z.object({ projectId: z.string() }),
  row: ProjectRow,
})

const livingProjectByName = defineQuery({
  name: 'living_project_by_name',
  sql: `${PROJECT_SELECT} WHERE partner_id = {partnerId: String} AND account_id = {accountId: String} AND name = {name: String} AND status != 'deleted'`,
  params: z.object({ partnerId: z.string(), accountId: z.string(), name: z.string() }),
  row: ProjectRow,
})
