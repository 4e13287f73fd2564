import { z } from 'zod'
import type { Lane } from '../../sql/clickhouse.ts'
import { StoreError } from '../../sql/errors.ts'
import { defineQuery } from '../../sql/query.ts'
import { queryOne } from '../../sql/query-one.ts'
import type { IdentityFilter } from './identity-filter.ts'

/** The identities of the projects that belong to one of `partitions` partitions. */
export interface IdentityScope {
  readonly partition: number
  readonly partitions: number
}

export interface FilterFill {
  readonly filter: IdentityFilter
  readonly scope: IdentityScope
  readonly signal: AbortSignal
}

/**
 * Fills filters from the index of identities. One scan at a time serves all filters that wait for it, so the partitions of a process
 * do not read the index once each.
 */
export class FilterScans {
  readonly #lane: Lane
  #waiting: (FilterFill & { resolve: () => void; reject: (error: unknown) => void })[] = []
  #scanning = false

  constructor(lane: Lane) {
    this.#lane = lane
  }

  /**
   * Adds every identity of the scope that is in the index when the scan starts, which is after this call. If it rejects, some may have
   * been added: start again with a new filter. Throws StoreError.
   */
  fill(fill: FilterFill): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...fill, resolve, reject })
      if (!this.#scanning) void this.#scanAll()
    })
  }

  async #scanAll(): Promise<void> {
    this.#scanning = true
    // Calls that are made together share the first scan.
    await Promise.resolve()
    for (let [first] = this.#waiting; first !== undefined; [first] = this.#waiting) {
      const { partitions } = first.scope
      const served = this.#waiting.filter(({ scope }) => scope.partitions === partitions)
      this.#waiting = this.#waiting.filter(({ scope }) => scope.partitions !== partitions)
      try {
        await scan(this.#lane, partitions, served)
        for (const { resolve } of served) resolve()
      } catch (error) {
        for (const { reject } of served) reject(error)
      }
    }
    this.#scanning = false
  }
}

async function scan(lane: Lane, partitions: number, fills: readonly FilterFill[]): Promise<void> {
  const filterOf: (IdentityFilter | undefined)[] = []
  for (const { scope, filter } of fills) filterOf[scope.partition] = filter
  const params = { partitions, wanted: fills.map(({ scope }) => scope.partition) }
  const { identities } = await queryOne(lane, identityCount, params)
  let added = 0
  for await (const rows of rowsOf(lane.bytes(storedIdentities, params, 'RowBinary'))) {
    if (fills.every(({ signal }) => signal.aborted)) return
    for (let at = 0; at < rows.byteLength; at += ROW_BYTES) {
      const project = rows.getUint32(at, true)
      filterOf[project % partitions]?.add(rows.getUint32(at + 4, true) + rows.getUint32(at + 8, true) * 2 ** 32)
    }
    added += rows.byteLength / ROW_BYTES
  }
  // Some servers that fail in the middle of an answer end it as if it were complete.
  if (added < identities) throw new StoreError('unavailable', `The scan of the stored identities was cut off after ${added} of ${identities}.`)
}

const ROW_BYTES = 12

/** Whole rows: a chunk may end inside one. */
async function* rowsOf(chunks: AsyncIterable<Uint8Array>): AsyncIterable<DataView> {
  let rest = Buffer.alloc(0)
  for await (const chunk of chunks) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    const whole = bytes.length - (bytes.length % ROW_BYTES)
    yield new DataView(bytes.buffer, bytes.byteOffset, whole)
    rest = Buffer.from(bytes.subarray(whole))
  }
}

const IN_SCOPE = 'project % {partitions: UInt64} IN {wanted: Array(UInt64)}'
const Scope = z.object({ partitions: z.number(), wanted: z.array(z.number()) })

const storedIdentities = defineQuery({
  name: 'stored_identities',
  sql: `SELECT project, hash FROM identity_hashes_v1 WHERE ${IN_SCOPE}`,
  params: Scope,
  row: z.object({ project: z.number(), hash: z.coerce.number() }),
  settings: { max_execution_time: 3600 },
})

const identityCount = defineQuery({
  name: 'identity_count',
  sql: `SELECT count() AS identities FROM identity_hashes_v1 WHERE ${IN_SCOPE}`,
  params: Scope,
  row: z.object({ identities: z.coerce.number() }),
  settings: { max_execution_time: 600 },
})
