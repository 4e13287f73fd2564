import { createHash, randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery, defineStatement, type Query, type Statement } from '../../sql/query.ts'
import { queryOne } from '../../sql/query-one.ts'
import { FilterParams, MATCHING_PROJECTS, type ProjectFilter } from './list-projects.ts'

/**
 * An order in which a partner's projects can be listed. The caller reads page by page (a walk) and must see every project that existed
 * when it began exactly once, although names, usage and activity change meanwhile. So the second page fixes the order of all that the
 * first did not show, and the further pages read it from the store.
 */
export interface ProjectOrder {
  readonly firstPage: Query<z.ZodObject, typeof IdRow>
  readonly rest: Statement<z.ZodObject>
}

/** What the list contains, and how the order is parametrized. */
export interface OrderedList extends ProjectFilter {
  readonly isDescending: 0 | 1
  readonly [own: string]: unknown
}

const OrderParams = { ...FilterParams, isDescending: z.number() }
const RestParams = { walk: z.string(), shown: z.array(z.string()), newestMs: z.number() }
const IdRow = z.object({ projectId: z.string() })

/** `keys` is SQL that selects `project_id` and `sort_key` of the matching projects. Equal keys are ordered by id, ascending in both directions. */
export function defineProjectOrder(name: string, keys: string, params: z.ZodRawShape): ProjectOrder {
  return {
    firstPage: defineQuery({
      name,
      sql: `SELECT project_id AS projectId FROM (${keys}) ORDER BY ${IN_ORDER} LIMIT {limit: UInt64}`,
      params: z.object({ ...OrderParams, ...params, limit: z.number() }),
      row: IdRow,
    }),
    rest: defineStatement({
      name: `rest_of_${name}`,
      sql: `
        INSERT INTO project_walks_v1 (partner_id, walk, place, project_id)
        SELECT {partnerId: String}, {walk: String}, row_number() OVER (ORDER BY ${IN_ORDER}) - 1, project_id
        FROM (${keys})
        WHERE lower(hex(substring(SHA256(project_id), 1, ${PRINT_BYTES}))) NOT IN {shown: Array(String)}
          AND project_id IN (SELECT project_id FROM projects_v1 WHERE partner_id = {partnerId: String} AND toUnixTimestamp64Milli(created_at) <= {newestMs: Int64})`,
      params: z.object({ ...OrderParams, ...params, ...RestParams }),
    }),
  }
}

const IN_ORDER = 'if({isDescending: UInt64} = 1, sort_key, NULL) DESC, if({isDescending: UInt64} = 1, NULL, sort_key), project_id'

/** What a walk must remember of its beginning. */
export interface WalkStart {
  /** How many projects matched. */
  readonly total: number
  /** The time of creation of the youngest: later ones are of no page. By the clock that wrote it, so that clocks need not agree. */
  readonly newestMs: number
}

/** Counts what the list contains. Called after its first page was read, so that a project of that page is counted. Throws StoreError. */
export function startWalk(clickhouse: ClickHouse, filter: ProjectFilter): Promise<WalkStart> {
  return queryOne(clickhouse.reads, matchingProjects, { ...filter })
}

/** Identifies the projects of the first page in a cursor. 8 bytes of SHA-256: two of a million ids are equal once in 30 million lists. */
export function printOf(projectId: string): string {
  return createHash('sha256')
    .update(projectId)
    .digest('hex')
    .slice(0, 2 * PRINT_BYTES)
}

export const PRINT_BYTES = 8

/** The rest of a list as it was fixed at the second page. */
export interface Walk {
  readonly id: string
  readonly size: number
}

/** Fixes the order of all projects that the first page did not show. Throws StoreError. */
export async function fixRest({ reads }: ClickHouse, { rest }: ProjectOrder, list: OrderedList, start: Pick<WalkStart, 'newestMs'> & Shown): Promise<Walk> {
  const id = randomUUID()
  await reads.execute(rest, { ...list, ...start, walk: id })
  const { size } = await queryOne(reads, sizeOfWalk, { partnerId: list.partnerId, walk: id })
  return { id, size }
}

/** `shown` has the prints of the projects of the first page. */
export interface Shown {
  readonly shown: readonly string[]
}

/** The ids of the first projects. Throws StoreError. */
export async function readFirstPage({ reads }: ClickHouse, { firstPage }: ProjectOrder, list: OrderedList, limit: number): Promise<string[]> {
  return (await reads.query(firstPage, { ...list, limit })).map(({ projectId }) => projectId)
}

/** The ids of the next projects of a walk; undefined when the store has dropped it. Throws StoreError. */
export async function readWalk(
  { reads }: ClickHouse,
  partnerId: string,
  { id, size }: Walk,
  { at, limit }: { readonly at: number; readonly limit: number },
): Promise<string[] | undefined> {
  const found = await reads.query(placesOfWalk, { partnerId, walk: id, at, end: at + limit })
  // A page with a project too few would be a project that the caller never sees.
  return found.length === Math.min(limit, Math.max(size - at, 0)) ? found.map(({ projectId }) => projectId) : undefined
}

const matchingProjects = defineQuery({
  name: 'matching_projects',
  sql: `SELECT count() AS total, max(toUnixTimestamp64Milli(created_at)) AS newestMs FROM ${MATCHING_PROJECTS}`,
  params: z.object(FilterParams),
  row: z.object({ total: z.coerce.number(), newestMs: z.coerce.number() }),
})

const WalkParams = z.object({ partnerId: z.string(), walk: z.string() })

const sizeOfWalk = defineQuery({
  name: 'size_of_project_walk',
  sql: 'SELECT count() AS size FROM project_walks_v1 WHERE partner_id = {partnerId: String} AND walk = {walk: String}',
  params: WalkParams,
  row: z.object({ size: z.coerce.number() }),
})

const placesOfWalk = defineQuery({
  name: 'places_of_project_walk',
  sql: `SELECT project_id AS projectId FROM project_walks_v1
        WHERE partner_id = {partnerId: String} AND walk = {walk: String} AND place >= {at: UInt64} AND place < {end: UInt64} ORDER BY place`,
  params: WalkParams.extend({ at: z.number(), end: z.number() }),
  row: IdRow,
})
