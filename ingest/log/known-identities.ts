import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../../metering/logger.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { shareOfSlots } from '../../sql/shards.ts'
import type { StoredRecords } from './detect-corrections.ts'
import type { RecordsToFind } from './detect-duplicates.ts'
import { type FilterFill, FilterScans, type IdentityScope } from './filter-scans.ts'
import { findStored } from './find-stored.ts'
import { FilterBudget, IdentityFilter } from './identity-filter.ts'
import { completeIndex, countStored, isIndexComplete } from './identity-index.ts'

export interface KnownIdentitiesOptions {
  /** The server that has the logs. */
  readonly clickhouse: ClickHouse
  /** The store, if the server is one of its shards (sql/shards.ts). */
  readonly store?: ClickHouse
  readonly logger: Logger
  /** The memory that the filters of all logs share. */
  readonly filterBytesMax: number
  /** How long one query of a look-up may take before the identities are looked up in smaller groups. */
  readonly lookUpSecondsMax?: number
  /** How long to wait before a fill of a filter, or the completion of the index, is tried again. */
  readonly retryMs?: number
}

/**
 * What the logs of a process share to detect duplicates: the index of identities, the look-ups, and the memory and the scans of their
 * filters. Until the index is complete, look-ups search raw, which is exact but slow, and filters are not filled.
 */
export class KnownIdentities {
  readonly #options: Required<KnownIdentitiesOptions>
  readonly #budget: FilterBudget
  readonly #scans: FilterScans
  readonly #closed = new AbortController()
  #indexed = false
  /** Resolves when the index is complete or this is closed. */
  #completing: Promise<void> | undefined

  constructor(options: KnownIdentitiesOptions) {
    this.#options = { store: options.clickhouse, lookUpSecondsMax: LOOK_UP_SECONDS_MAX, retryMs: RETRY_MS, ...options }
    this.#budget = new FilterBudget(options.filterBytesMax)
    this.#scans = new FilterScans(options.clickhouse.reads)
  }

  /** Call it after a lease was acquired, before anything is looked up. If the index lacks anything, it is completed in the background. */
  async check(): Promise<void> {
    this.#indexed = await isIndexComplete(this.#options.clickhouse)
    if (!this.#indexed) this.#completing ??= this.#complete()
  }

  /** Throws StoreError. */
  find(records: RecordsToFind): Promise<StoredRecords> {
    const { clickhouse, store, lookUpSecondsMax } = this.#options
    return findStored({ lane: clickhouse.reads, catalogue: store.reads, indexed: this.#indexed, secondsMax: lookUpSecondsMax }, records)
  }

  /** Whether one more filter of this many identities fits into the memory. */
  hasRoomFor(identities: number): boolean {
    return this.#budget.hasRoomFor(identities)
  }

  newFilter(identitiesExpected: number): IdentityFilter {
    return new IdentityFilter({ identitiesExpected, budget: this.#budget })
  }

  /** Roughly how many identities of the scope are stored: projects are spread over partitions by a hash. Throws StoreError. */
  async count({ partitions }: IdentityScope): Promise<number> {
    const { clickhouse, store } = this.#options
    return Math.ceil((await countStored(clickhouse.reads)) / shareOfSlots(store, clickhouse) / partitions)
  }

  get retryMs(): number {
    return this.#options.retryMs
  }

  /** Adds every identity of the scope. If it rejects, some may have been added: start again with a new filter. Throws StoreError. */
  async fill(fill: FilterFill): Promise<void> {
    await this.#completing
    await this.#scans.fill(fill)
  }

  close(): void {
    this.#closed.abort()
  }

  async #complete(): Promise<void> {
    const { clickhouse, logger, retryMs } = this.#options
    const { signal } = this.#closed
    while (!signal.aborted && !this.#indexed) {
      try {
        await completeIndex(clickhouse, logger, signal)
        this.#indexed = !signal.aborted && (await isIndexComplete(clickhouse))
      } catch (error) {
        logger.warn({ err: error }, 'the identities of stored events could not be indexed yet; look-ups are slower until then')
        await sleep(retryMs, undefined, { signal, ref: false }).catch(() => {})
      }
    }
    this.#completing = undefined
  }
}

/** Generous: a look-up writes nothing, so it may be slow, and heartbeats go on meanwhile. */
const LOOK_UP_SECONDS_MAX = 600
const RETRY_MS = 10_000
