import type { z } from 'zod'
import type { Lane } from './clickhouse.ts'
import { StoreError } from './errors.ts'
import type { Query } from './query.ts'

/**
 * The only row of a query that always returns exactly one, such as a count. Throws StoreError, also when there are no rows or
 * several: a missing row must never be read as 0.
 */
export async function queryOne<P extends z.ZodObject, R extends z.ZodObject>(
  lane: Pick<Lane, 'query'>,
  query: Query<P, R>,
  params: z.input<P>,
): Promise<z.output<R>> {
  const [only, ...others] = await lane.query(query, params)
  if (only === undefined || others.length > 0)
    throw new StoreError('fault', `The query ${query.name} returned ${others.length + (only === undefined ? 0 : 1)} rows instead of one.`)
  return only
}
