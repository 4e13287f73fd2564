import { z } from 'zod'
import { INSTANCE_TYPES, PROJECT_STATUSES, type ProjectStatus, REGIONS } from '../../contract/fields.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'

/** Which of a partner's projects to list. Deleted ones are included unless a status is given. */
export interface ProjectFilter {
  readonly partnerId: string
  readonly status?: ProjectStatus | undefined
  /** A part of the name or of the id, in any case; empty: all projects. */
  readonly search: string
}

/** A page of a list. It is sorted by key, then by id, so a project that is created between two pages moves no other. */
export interface ProjectPageQuery {
  readonly filter: ProjectFilter
  readonly descending: boolean
  /** The last project of the previous page. */
  readonly after?: PlaceInList | undefined
  readonly limit: number
}

/** `key` is the value that the list is sorted by, as the store compares it. */
export interface PlaceInList {
  readonly key: string
  readonly projectId: string
}

export type ListedProject = z.output<typeof ListedRow>

/**
 * Sorted by name, in any case, or by time of creation. Runs on the lane of ordinary reads, so that long lists do not delay the
 * look-ups on the registry's lane. Throws StoreError.
 */
export function listProjects(clickhouse: ClickHouse, by: 'name' | 'created_at', page: ProjectPageQuery): Promise<PlaceInList[]> {
  return clickhouse.reads.query(projectsInOrder, { by, ...pageParams(page) })
}

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

const MATCHES = `({status: String} = '' OR status = {status: String})
          AND (position(lowerUTF8(name), lowerUTF8({search: String})) > 0 OR position(lower(project_id), lowerUTF8({search: String})) > 0)`

/** The projects that match a filter, for queries that sort them by something else. Its parameters are in PageParams. */
export const MATCHING_PROJECTS = `projects_v1 FINAL
        WHERE partner_id = {partnerId: String} AND ${MATCHES}`

/**
 * Selects what follows the last project of the previous page. Equal keys are ordered by id, ascending in both directions. The
 * caller casts `afterKey` to the type of the key.
 */
export function orderAfter(key: string, afterKey: string): string {
  return `WHERE {isFirst: UInt64} = 1
          OR if({isDescending: UInt64} = 1, ${key} < ${afterKey}, ${key} > ${afterKey}) OR (${key} = ${afterKey} AND project_id > {afterId: String})
        ORDER BY if({isDescending: UInt64} = 1, ${key}, NULL) DESC, if({isDescending: UInt64} = 1, NULL, ${key}), project_id
        LIMIT {limit: UInt64}`
}

export const PageParams = z.object({
  partnerId: z.string(),
  status: z.string(),
  search: z.string(),
  isFirst: z.number(),
  isDescending: z.number(),
  afterKey: z.string(),
  afterId: z.string(),
  limit: z.number(),
})

export function pageParams({ filter, descending, after, limit }: ProjectPageQuery): z.output<typeof PageParams> {
  return {
    partnerId: filter.partnerId,
    status: filter.status ?? '',
    search: filter.search,
    isFirst: after === undefined ? 1 : 0,
    isDescending: descending ? 1 : 0,
    afterKey: after?.key ?? '0',
    afterId: after?.projectId ?? '',
    limit,
  }
}

export const ProjectCursorRow = z.object({ key: z.string(), projectId: z.string() })

/** Times are padded with zeros, so that their texts compare like numbers. */
const projectsInOrder = defineQuery({
  name: 'projects_in_order',
  sql: `SELECT project_id AS projectId, sort_key AS key
        FROM (
          SELECT project_id, if({by: String} = 'name', lowerUTF8(name), leftPad(toString(toUnixTimestamp64Milli(created_at)), 20, '0')) AS sort_key
          FROM ${MATCHING_PROJECTS}
        )
        ${orderAfter('sort_key', '{afterKey: String}')}`,
  params: PageParams.extend({ by: z.string() }),
  row: ProjectCursorRow,
})

/** Projects of all partners, for operators. */
export interface RegisteredProjectsQuery {
  /** Empty: all partners. */
  readonly partnerId: string
  readonly status: ProjectStatus | undefined
  readonly search: string
  /** The last project of the previous page. */
  readonly after: { readonly createdMs: number; readonly id: string }
  readonly limit: number
}

/** Oldest first, including deleted projects. Throws StoreError. */
export function listRegisteredProjects({ reads }: ClickHouse, { after, status, ...filter }: RegisteredProjectsQuery): Promise<RegisteredProject[]> {
  return reads.query(registeredProjects, { ...filter, status: status ?? '', afterMs: after.createdMs, afterId: after.id })
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
  params: z.object({ partnerId: z.string(), status: z.string(), search: z.string(), afterMs: z.number(), afterId: z.string(), limit: z.number() }),
  row: RegisteredRow,
})
