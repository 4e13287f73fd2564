import type { z } from 'zod'
import type { Lane } from './clickhouse.ts'
import { StoreError } from './errors.ts'
import type { Query } from './query.ts'

/**
 * Runs a query that always returns exactly one row, such as a count, and returns this row. Throws StoreError, also for no row or
 * several: a missing row must never be billed as 0.
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
