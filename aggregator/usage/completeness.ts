import { z } from 'zod'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { readAsOf } from '../as-of.ts'

/** How far totals reach. Both times only grow, so what was known a moment ago is still true. */
export interface Completeness {
  /** Usage is complete up to this time, in ms since 1970; null before the first watermark. */
  readonly asOfMs: number | null
  /** Partnership days hold the projects created up to this time, in ms since 1970; null before the first refresh has ended. */
  readonly keptThroughMs: number | null
}

/** Ask for it before the totals it stands beside. Throws StoreError. */
export async function readCompleteness(clickhouse: ClickHouse): Promise<Completeness> {
  const asOfMs = await readAsOf(clickhouse)
  const [kept] = await clickhouse.reads.query(keptThrough, {})
  return { asOfMs, keptThroughMs: kept?.kept_through_ms ?? null }
}

/** The horizon as it was at most a second ago: it is asked for by every usage answer, and costs as much as the answer. */
export class CachedCompleteness {
  readonly #clickhouse: ClickHouse
  #known: Completeness | undefined
  #knownAtMs = Number.NEGATIVE_INFINITY

  constructor(clickhouse: ClickHouse) {
    this.#clickhouse = clickhouse
  }

  async read(): Promise<Completeness> {
    if (this.#known !== undefined && performance.now() - this.#knownAtMs < KNOWN_FOR_MS) return this.#known
    const askedMs = performance.now()
    const known = await readCompleteness(this.#clickhouse)
    // Of two that asked at once the later answer stands; either is true.
    this.#known = known
    this.#knownAtMs = askedMs
    return known
  }
}

const KNOWN_FOR_MS = 1_000

const keptThrough = defineQuery({
  name: 'kept_through',
  sql: 'SELECT toUnixTimestamp64Milli(max(through)) AS kept_through_ms FROM partnership_projects_kept_v1 HAVING count() > 0',
  params: z.object({}),
  row: z.object({ kept_through_ms: z.coerce.number() }),
})
