import { v5 as uuidV5 } from 'uuid'
import { z } from 'zod'
import { INSTANCE_TYPES, type InstanceType, PROJECT_STATUSES, type ProjectStatus, REGIONS, type Region } from '../../contract/lists.ts'
import { defineQuery } from '../../sql/query.ts'
import { Keys, readByKey } from '../../sql/read-by-key.ts'
import { row } from '../../sql/tab-separated.ts'
import type { Change, RegistryReads, RegistryStore } from '../changes.ts'
import { newCredential } from '../credentials/credentials.ts'
import { type MasterKeys, seal, unseal } from '../keys/sealing.ts'

export interface Project {
  readonly id: string
  readonly partnerId: string
  /** The account of a co-branded partner; empty for white-label partners. */
  readonly accountId: string
  readonly name: string
  readonly status: ProjectStatus
  /** The status that was requested last. It differs from `status` until the platform has acknowledged it. */
  readonly wantedStatus: ProjectStatus
  readonly region: Region
  readonly instanceType: InstanceType
  readonly accessHost: string
  readonly sealedApiKey: string
  readonly createdMs: number
  readonly deletedMs: number | null
  /** Grows with every row that is written. */
  readonly revision: number
  /** The newest revision that the platform has to know. */
  readonly wantedRevision: number
  /** The newest revision that the platform has acknowledged. */
  readonly provisionedRevision: number
}

/** What a function needs that creates or changes projects. */
export interface ProjectStore extends RegistryStore {
  readonly masterKeys: MasterKeys
  /** Template of a project's host: {slug} and {region} are filled in. */
  readonly projectHost: string
  /** Whether changes are handed over to the platform, and done only when it has acknowledged them. */
  readonly provisions: boolean
}

export async function findProject({ clickhouse }: RegistryReads, projectId: string): Promise<Project | undefined> {
  const [found] = await readByKey(clickhouse.registry, projectsByKey, { key: projectId })
  return found
}

export interface ProjectOfPartner {
  readonly partnerId: string
  readonly projectId: string
}

/** Undefined when the partner has no such project or has deleted it. Throws StoreError. */
export async function findLivingProject(registry: RegistryReads, { partnerId, projectId }: ProjectOfPartner): Promise<Project | undefined> {
  const project = await findProject(registry, projectId)
  return project === undefined || project.partnerId !== partnerId || project.status === 'deleted' ? undefined : project
}

/** By id; ids without a project are left out. Throws StoreError. */
export async function findProjects({ clickhouse }: RegistryReads, projectIds: readonly string[]): Promise<Map<string, Project>> {
  const found = await clickhouse.registry.query(projectsById, { projectIds: [...projectIds] })
  return new Map(found.map((project) => [project.id, project]))
}

export function apiKeyOf({ masterKeys }: Pick<ProjectStore, 'masterKeys'>, project: Project): string {
  return unseal(masterKeys, project.sealedApiKey, apiKeyPurpose(project.id)).toString('utf8')
}

const PROJECT_NAMESPACE = '6f1d2c0e-2f0b-4b6e-9a52-1c6a5b7d8e90'

type NewProject = Pick<Project, 'id' | 'partnerId' | 'accountId' | 'name' | 'createdMs'>

export function newProject(settings: Pick<ProjectStore, 'masterKeys' | 'projectHost'>, { id, partnerId, accountId, name, createdMs }: NewProject): Project {
  const sealedApiKey = seal(settings.masterKeys, Buffer.from(newCredential('projectKey'), 'utf8'), apiKeyPurpose(id))
  const project: Project = {
    id,
    partnerId,
    accountId,
    name,
    status: 'active',
    wantedStatus: 'active',
    region: 'us-east',
    instanceType: 'nano',
    accessHost: '',
    sealedApiKey,
    createdMs,
    deletedMs: null,
    revision: 0,
    wantedRevision: 0,
    provisionedRevision: 0,
  }
  return { ...project, accessHost: hostOf(settings, project) }
}

/** The next revision of a project. Without a provisioner the wanted status takes effect immediately. */
export function withChanges({ provisions }: Pick<ProjectStore, 'provisions'>, project: Project, changes: Partial<Project>): Project {
  const revision = project.revision + 1
  const next = { ...project, ...changes, revision, wantedRevision: revision }
  return provisions ? next : { ...next, status: next.wantedStatus, provisionedRevision: revision }
}

export interface Placement {
  readonly region?: Region | undefined
  readonly instanceType?: InstanceType | undefined
}

/** The project with the requested region and instance type, if any. The host changes with the region. */
export function withPlacement(settings: Pick<ProjectStore, 'projectHost'>, project: Project, placement: Placement): Project {
  const region = placement.region ?? project.region
  const accessHost = region === project.region ? project.accessHost : hostOf(settings, { ...project, region })
  return { ...project, region, instanceType: placement.instanceType ?? project.instanceType, accessHost }
}

export function apiKeyPurpose(projectId: string): string {
  return `project-api-key:${projectId}`
}

/** Ends with a part of an id derived from the project's, so that projects of equal names have different hosts. */
function hostOf({ projectHost }: Pick<ProjectStore, 'projectHost'>, { id, name, region }: { id: string; name: string; region: Region }): string {
  const words = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 40)
  const tail = uuidV5(id, PROJECT_NAMESPACE).slice(0, 8)
  const slug = words === '' ? tail : `${words}-${tail}`
  return `https://${projectHost.replaceAll('{slug}', slug).replaceAll('{region}', region)}`
}

export interface NamedProject {
  readonly partnerId: string
  /** Empty for white-label partners. */
  readonly accountId: string
  readonly name: string
}

/** The id of the nth project of a name, so that repeated calls write the same row. Ids that services have assigned must not change. */
export function derivedId({ partnerId, accountId, name }: NamedProject, incarnation: number): string {
  return uuidV5(JSON.stringify([partnerId, accountId, name, incarnation]), PROJECT_NAMESPACE)
}

export function writeProject(change: Pick<Change, 'write'>, project: Project): Promise<void> {
  return writeProjects(change, [project])
}

/** In one insert, so that a reader sees all of them or none. */
export async function writeProjects(change: Pick<Change, 'write'>, projects: readonly Project[]): Promise<void> {
  if (projects.length > 0) await change.write('projects_inbox_v2', PROJECT_COLUMNS, (owner) => projects.map((project) => projectRow(owner, project)).join(''))
}

function projectRow(owner: readonly (string | number)[], project: Project): string {
  const { id, revision, partnerId, accountId, name, status, wantedStatus, wantedRevision, provisionedRevision } = project
  const { region, instanceType, accessHost, sealedApiKey, createdMs, deletedMs } = project
  const who = [id, revision, partnerId, accountId, name, status, wantedStatus, wantedRevision, provisionedRevision]
  const where = [region, instanceType, accessHost, sealedApiKey, createdMs, deletedMs]
  return row([...owner, ...who, ...where])
}

const PROJECT_COLUMNS = [
  'project_id',
  'revision',
  'partner_id',
  'account_id',
  'name',
  'status',
  'wanted_status',
  'wanted_revision',
  'provisioned_revision',
  'region',
  'instance_type',
  'access_host',
  'sealed_api_key',
  'created_ms',
  'deleted_ms',
]

const ProjectRow = z.object({
  id: z.string(),
  revision: z.coerce.number(),
  partnerId: z.string(),
  accountId: z.string(),
  name: z.string(),
  status: z.enum(PROJECT_STATUSES),
  wantedStatus: z.enum(PROJECT_STATUSES),
  wantedRevision: z.coerce.number(),
  provisionedRevision: z.coerce.number(),
  region: z.enum(REGIONS),
  instanceType: z.enum(INSTANCE_TYPES),
  accessHost: z.string(),
  sealedApiKey: z.string(),
  createdMs: z.coerce.number(),
  deletedMs: z.coerce.number().nullable(),
})

const PROJECT_SELECT = `SELECT project_id AS id, revision, partner_id AS partnerId, account_id AS accountId, name, status, wanted_status AS wantedStatus,
          wanted_revision AS wantedRevision, provisioned_revision AS provisionedRevision, region, instance_type AS instanceType, access_host AS accessHost,
          sealed_api_key AS sealedApiKey, toUnixTimestamp64Milli(created_at) AS createdMs, toUnixTimestamp64Milli(deleted_at) AS deletedMs
        FROM projects_v1 FINAL`

const projectsByKey = defineQuery({
  name: 'project_by_id',
  sql: `SELECT *, id AS key FROM (${PROJECT_SELECT} WHERE project_id IN {keys: Array(String)})`,
  params: z.object(Keys),
  row: ProjectRow.extend({ key: z.string() }),
})

const projectsById = defineQuery({
  name: 'projects_by_id',
  sql: `${PROJECT_SELECT} WHERE project_id IN {projectIds: Array(String)}`,
  params: z.object({ projectIds: z.array(z.string()) }),
  row: ProjectRow,
})
