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
  return onlyRow(query, await lane.query(query, params))
}

/** The row of a query that always returns exactly one. Throws StoreError for no row or several. */
export function onlyRow<R>({ name }: { readonly name: string }, rows: readonly R[]): R {
  const [only, ...others] = rows
  if (only === undefined || others.length > 0)
    throw new StoreError('fault', `The query ${name} returned ${others.length + (only === undefined ? 0 : 1)} rows instead of one.`)
  return only
}
