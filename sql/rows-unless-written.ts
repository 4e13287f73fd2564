import { LRUCache } from 'lru-cache'
import type { Lane } from './clickhouse.ts'
import type { Writes } from './writes.ts'

/** Rows of a query as they were read, for as long as nothing is written. Where other processes can write, they are read every time. */
export async function unlessWritten<R>(
  { writes }: Pick<Lane, 'writes'>,
  query: object,
  params: unknown,
  read: () => Promise<readonly R[]>,
): Promise<readonly R[]> {
  const written = writes?.state()
  if (writes === undefined || written === undefined) return read()
  const [ofQuery, key] = [rowsOf(writes, query), JSON.stringify(params)]
  const known = ofQuery.get(key)
  if (known?.written === written) return known.rows as readonly R[]
  const rows = await read()
  if (writes.state() === written && rows.length <= ROWS_MAX) ofQuery.set(key, { rows, written })
  return rows
}

interface Known {
  readonly rows: readonly unknown[]
  readonly written: string
}

const remembered = new WeakMap<Writes, WeakMap<object, LRUCache<string, Known>>>()

function rowsOf(writes: Writes, query: object): LRUCache<string, Known> {
  const ofEngine = remembered.get(writes) ?? new WeakMap<object, LRUCache<string, Known>>()
  remembered.set(writes, ofEngine)
  const ofQuery = ofEngine.get(query) ?? new LRUCache<string, Known>({ max: RESULTS_PER_QUERY_MAX })
  ofEngine.set(query, ofQuery)
  return ofQuery
}

const RESULTS_PER_QUERY_MAX = 200
/** Larger results are read again: reading them is not what a caller waits for. */
const ROWS_MAX = 1_000
