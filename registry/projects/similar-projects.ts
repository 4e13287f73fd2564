import { z } from 'zod'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'

/**
 * Registered ids that are nearly equal to each of these ids: they differ in one character (added, left out, another one, or two
 * neighbours exchanged), in case or in separators. One pass over the registry, whatever the number of ids. Throws StoreError.
 */
export async function findSimilarProjects({ reads }: ClickHouse, ids: readonly string[], idsMax: number): Promise<ReadonlyMap<string, readonly string[]>> {
  if (ids.length === 0) return new Map()
  const rows = await reads.query(similarProjects, { ids: [...ids], idsMax })
  return new Map(rows.map(({ id, similar }) => [id, similar]))
}

const WITHOUT_CASE_AND_SEPARATORS = (sql: string) => `replaceRegexpAll(lower(${sql}), '[^0-9a-z]', '')`

/** A text, and each text that it becomes without one of its characters. Texts one edit apart have such a text in common. */
const WITHOUT_ONE = (sql: string) =>
  `arrayPushFront(arrayMap(at -> concat(substring(${sql}, 1, at), substring(${sql}, at + 2)), range(length(${sql}))), ${sql})`

const similarProjects = defineQuery({
  name: 'similar_projects',
  sql: `
    SELECT unknown.id AS id, arraySlice(arraySort(groupUniqArray(registered.project_id)), 1, {idsMax: UInt64}) AS similar
    FROM (
      SELECT project_id, arrayJoin(${WITHOUT_ONE('plain')}) AS variant
      FROM (SELECT DISTINCT project_id, ${WITHOUT_CASE_AND_SEPARATORS('project_id')} AS plain FROM projects_v1)
    ) AS registered
    INNER JOIN (
      SELECT id, arrayJoin(${WITHOUT_ONE('plain')}) AS variant
      FROM (SELECT arrayJoin({ids: Array(String)}) AS id, ${WITHOUT_CASE_AND_SEPARATORS('id')} AS plain)
    ) AS unknown USING variant
    WHERE variant != ''
    GROUP BY id`,
  params: z.object({ ids: z.array(z.string()), idsMax: z.number() }),
  row: z.object({ id: z.string(), similar: z.array(z.string()) }),
})
