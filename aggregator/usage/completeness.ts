import { z } from 'zod'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { isUnavailable } from '../../sql/errors.ts'
import { defineQuery } from '../../sql/query.ts'
import { readAsOf } from '../as-of.ts'

/** What totals include. Both times only grow, so a value that was read a moment ago is still true. */
export interface Completeness {
  /** Usage is complete up to this time, in ms since 1970; null before the first watermark. */
  readonly asOfMs: number | null
  /** The materialized partnership days include projects created up to this time, in ms since 1970; null before the first refresh has ended. */
  readonly projectsThroughMs: number | null
}

/** Read it before the totals that it describes. Throws StoreError. */
export async function readCompleteness(clickhouse: ClickHouse): Promise<Completeness> {
  const asOfMs = await readAsOf(clickhouse)
  const [materialized] = await clickhouse.reads.query(materializedProjects, {})
  return { asOfMs, projectsThroughMs: materialized?.projectsThroughMs ?? null }
}

/**
 * The completeness as of at most a second ago. Every usage answer needs it, and reading it costs as much as the rest of the answer. While a
 * shard does not answer, its logs stop and so does the watermark: what was read before remains true.
 */
export class CachedCompleteness {
  readonly #clickhouse: ClickHouse
  #cached: Completeness | undefined
  #readAtMs = Number.NEGATIVE_INFINITY
  #reading: Promise<Completeness> | undefined

  constructor(clickhouse: ClickHouse) {
    this.#clickhouse = clickhouse
  }

  async read(): Promise<Completeness> {
    if (this.#cached !== undefined && performance.now() - this.#readAtMs < CACHED_FOR_MS) return this.#cached
    // Requests that come while it is read share the result: it is as true for them as one that was read a moment ago.
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined
    })
    return this.#reading
  }

  async #read(): Promise<Completeness> {
    const readAtMs = performance.now()
    this.#cached = await readCompleteness(this.#clickhouse).catch((thrown: unknown) => {
      const isOneShardDown = this.#clickhouse.shards !== undefined && isUnavailable(thrown)
      if (!isOneShardDown || this.#cached === undefined) throw thrown
      return this.#cached
    })
    this.#readAtMs = readAtMs
    return this.#cached
  }
}

const CACHED_FOR_MS = 1_000

const materializedProjects = defineQuery({
  name: 'materialized_projects',
  sql: 'SELECT toUnixTimestamp64Milli(max(through)) AS projectsThroughMs FROM partnership_projects_kept_v1 HAVING count() > 0',
  params: z.object({}),
  row: z.object({ projectsThroughMs: z.coerce.number() }),
})
