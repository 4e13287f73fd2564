import { z } from 'zod'
import { INSTANCE_TYPES, PROJECT_STATUSES, type ProjectStatus, REGIONS, type Region } from '../../contract/lists.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'

export type ListedProject = z.output<typeof ListedRow>

/** These projects of a partner, by their ids; ids of other projects are left out. Throws StoreError. */
export async function readListedProjects(
  clickhouse: ClickHouse,
  partnerId: string,
  projectIds: readonly string[],
): Promise<ReadonlyMap<string, ListedProject>> {
  if (projectIds.length === 0) return new Map()
  const rows = await clickhouse.reads.query(projectsByIds, { partnerId, projectIds: [...projectIds] })
  return new Map(rows.map((project) => [project.id, project]))
}

const MATCHES = `({status: String} = '' OR status = {status: String}) AND ({region: String} = '' OR region = {region: String})
          AND (position(lowerUTF8(name), lowerUTF8({search: String})) > 0 OR position(lower(project_id), lowerUTF8({search: String})) > 0)`

/** The projects of a partner that match a filter, deleted ones included unless a status is given. Its parameters are FilterParams. */
export const MATCHING_PROJECTS = `projects_v1 FINAL
        WHERE partner_id = {partnerId: String} AND ${MATCHES}`

/** `status`, `region` empty: any. `search`: a part of the name or of the id, in any case; empty: all projects. */
export interface ProjectFilter {
  readonly partnerId: string
  readonly status: string
  readonly region: string
  readonly search: string
}
export const FilterParams = { partnerId: z.string(), status: z.string(), region: z.string(), search: z.string() }

/** Projects of all partners, for operators. */
export interface RegisteredProjectsQuery {
  /** Empty: all partners. */
  readonly partnerId: string
  readonly status: ProjectStatus | undefined
  readonly region: Region | undefined
  readonly search: string
  /** The last project of the previous page. */
  readonly after: { readonly createdMs: number; readonly id: string }
  readonly limit: number
}

/** Oldest first, including deleted projects. Throws StoreError. */
export function listRegisteredProjects({ reads }: ClickHouse, { after, status, region, ...filter }: RegisteredProjectsQuery): Promise<RegisteredProject[]> {
  return reads.query(registeredProjects, { ...filter, status: status ?? '', region: region ?? '', afterMs: after.createdMs, afterId: after.id })
}

export type RegisteredProject = z.output<typeof RegisteredRow>

const ListedRow = z.object({
  id: z.string(),
  name: z.string(),
  status: z.enum(PROJECT_STATUSES),
  region: z.enum(REGIONS),
  instanceType: z.enum(INSTANCE_TYPES),
  deletedMs: z.coerce.number().nullable(),
})

const projectsByIds = defineQuery({
  name: 'projects_by_ids',
  sql: `SELECT project_id AS id, name, status, region, instance_type AS instanceType, toUnixTimestamp64Milli(deleted_at) AS deletedMs
        FROM projects_v1 FINAL
        WHERE partner_id = {partnerId: String} AND project_id IN {projectIds: Array(String)}`,
  params: z.object({ partnerId: z.string(), projectIds: z.array(z.string()) }),
  row: ListedRow,
})

const RegisteredRow = ListedRow.extend({ partnerId: z.string(), accountId: z.string(), createdMs: z.coerce.number() })

const registeredProjects = defineQuery({
  name: 'registered_projects',
  sql: `SELECT project_id AS id, partner_id AS partnerId, account_id AS accountId, name, status, region, instance_type AS instanceType,
          toUnixTimestamp64Milli(created_at) AS createdMs, toUnixTimestamp64Milli(deleted_at) AS deletedMs
        FROM projects_v1 FINAL
        WHERE {partnerId: String} IN ('', partner_id) AND ${MATCHES}
          AND (toUnixTimestamp64Milli(created_at), project_id) > ({afterMs: Int64}, {afterId: String})
        ORDER BY created_at, project_id LIMIT {limit: UInt64}`,
  params: z.object({ ...FilterParams, afterMs: z.number(), afterId: z.string(), limit: z.number() }),
  row: RegisteredRow,
})
