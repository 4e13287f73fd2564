import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../../metering/logger.ts'
import type { ClickHouse, Lane } from '../../sql/clickhouse.ts'
import { acquireLease, currentLeaseOwner, type Lease, newOwnerName } from '../../sql/lease.ts'
import { RequestedRepairs } from '../repair/requested-repairs.ts'
import { type Classified, detectDuplicates, type LogRecord, type Verdict } from './detect-duplicates.ts'
import { type FilterBudget, IdentityFilter } from './identity-filter.ts'
import { type InDoubtRange, type LogRange, readInDoubtRange } from './in-doubt-range.ts'
import { type Batch, writeBatch } from './log-writer.ts'
import { reconcileRollup } from './reconcile.ts'
import { countStored, fillFilter, type IdentityScope } from './stored-events.ts'
import { publishWatermark, type Watermark } from './watermark.ts'

export interface OwnedLogOptions {
  readonly clickhouse: ClickHouse
  /** Runs this log's statements one after another, beside those of other logs. */
  readonly lane: Lane
  readonly name: string
  /** Which identities can arrive in this log. */
  readonly scope: IdentityScope
  /** Shared with the other logs of this process. */
  readonly filterBudget: FilterBudget
  readonly logger: Logger
}

/**
 * A log whose lease this process holds: it acquires the lease, detects duplicates, writes batches and reconciles the rollup. One
 * call at a time. After any error the caller acquires the lease again before it writes: what was sent may still arrive.
 */
export class OwnedLog {
  readonly #counts = { counted: 0, duplicates: 0, reacquisitions: 0, repairedKeys: 0 }
  readonly #rejectedByReason = new Map<string, number>()
  readonly #options: OwnedLogOptions
  #lease: Lease | undefined
  /** The owner names under which this process tried to acquire the lease since it last held it for certain. */
  #ownNames = new Set<string>()
  #filter: IdentityFilter
  /** Replaces the filter once it contains all of raw: it has one layer again, and so fewer false positives. */
  #successor: IdentityFilter | undefined
  #filling = new AbortController()
  #asOfMs = 0
  /** The last watermark, and the lease under which it was published. */
  #published: { lease: Lease; watermark: Watermark } | undefined
  #publishing: Promise<void> | undefined
  #requestedRepairs: RequestedRepairs

  constructor(options: OwnedLogOptions) {
    this.#options = options
    this.#requestedRepairs = new RequestedRepairs(options)
    this.#filter = new IdentityFilter({ identitiesExpected: 0, budget: options.filterBudget })
  }

  get name(): string {
    return this.#options.name
  }

  /** The last published watermark, in ms since 1970: the log is complete up to it. 0 before the first. */
  get asOfMs(): number {
    return this.#asOfMs
  }

  stats() {
    const { identities, bytes, complete, full } = this.#filter
    const { name, asOfMs } = this
    return {
      log: name,
      asOfMs,
      ...this.#counts,
      rejectedByReason: this.#rejectedByReason,
      filterIdentities: identities,
      filterBytes: bytes,
      filterComplete: complete,
      filterFull: full,
    }
  }

  get lease(): Lease {
    if (this.#lease === undefined) throw new Error(`This process does not hold the lease of the log ${this.#options.name}.`)
    return this.#lease
  }

  /**
   * Acquires the lease and returns the range of the log's last batch, which may be in doubt. Throws LogLost when another process
   * has acquired it since: an overtaken owner gives up, otherwise two owners would repeatedly kill each other's statements.
   */
  async acquire(): Promise<InDoubtRange | undefined> {
    const { clickhouse, lane, name } = this.#options
    const holder = this.#ownNames.size === 0 ? undefined : await currentLeaseOwner(clickhouse, name)
    if (holder !== undefined && !this.#ownNames.has(holder)) {
      this.#lease = undefined
      this.#ownNames.clear()
      throw new LogLost(name)
    }
    // Remembered before it is sent: if the answer is lost, the stored row must not pass as another process's.
    const owner = newOwnerName()
    this.#ownNames.add(owner)
    const outcome = await acquireLease(clickhouse, name, { owner })
    this.#ownNames = new Set([owner])
    if (outcome.status === 'outranked') throw new LogLost(name)
    if (!this.#mayKeepFilter(outcome.lease)) await this.#startFilter()
    if (this.#lease !== undefined) this.#counts.reacquisitions += 1
    this.#lease = outcome.lease
    this.#requestedRepairs = new RequestedRepairs(this.#options)
    const range = await readInDoubtRange(lane, name)
    this.#asOfMs = Math.max(this.#asOfMs, range?.asOfMs ?? 0)
    return range
  }

  /**
   * Detects duplicates. `all` looks up every event, whatever the filter says: for a range of which a part may be stored.
   * Throws StoreError.
   */
  detectDuplicates(records: readonly LogRecord[], lookUp: 'filtered' | 'all' = 'filtered'): Promise<Classified> {
    if (this.#filter.layers > LAYERS_MAX) this.#renewFilter()
    return detectDuplicates(records, lookUp === 'all' ? undefined : this.#filter, this.#options.lane)
  }

  /** Writes a batch whose duplicates were detected. Throws StoreError. */
  async write({ newHashes, ...batch }: Batch & Pick<Classified, 'newHashes'>): Promise<void> {
    // Before the batch is sent: should its answer be lost, its identities must not pass as certainly new.
    for (const hash of newHashes) {
      this.#filter.add(hash)
      this.#successor?.add(hash)
    }
    await writeBatch(this.#options.lane, this.lease, batch)
    for (const verdict of batch.verdicts) this.#count(verdict)
  }

  /** Recounts the keys of a range and repairs their rollup. Throws StoreError. */
  async reconcileRollup(range: LogRange): Promise<void> {
    const repaired = await reconcileRollup(this.#options.lane, this.lease, range)
    this.#counts.repairedKeys += repaired
    if (repaired > 0) this.#options.logger.warn({ log: this.name, keys: repaired, ...range }, 'the last batch was stored in part; its rollup is repaired')
  }

  /**
   * Makes the repairs that audits requested since the last time. Call it only when nothing else of the log is in flight: neither a
   * batch nor work that has locked it. Throws StoreError when a write fails.
   */
  async repairRequested(): Promise<void> {
    this.#counts.repairedKeys += await this.#requestedRepairs.repair(this.lease)
  }

  /** Throws StoreError. */
  async publishWatermark(watermark: Watermark): Promise<void> {
    const { lease } = this
    // A repeated one that arrived later would outrank this one.
    await this.#publishing?.catch(() => {})
    await this.#publish(this.#options.lane, lease, watermark)
    this.#published = { lease, watermark }
    this.#asOfMs = watermark.asOfMs
  }

  /**
   * Publishes the last watermark again, as the owner's heartbeat, on a lane of its own: it may run beside a batch. Does nothing before
   * the first one under the current lease, because what was settled before may be in doubt again. Throws StoreError.
   */
  async repeatWatermark(): Promise<void> {
    const last = this.#published
    if (last === undefined || last.lease !== this.#lease || last.watermark.released || this.#publishing !== undefined) return
    await this.#publish(this.#options.clickhouse.control, last.lease, last.watermark)
  }

  async #publish(lane: Lane, lease: Lease, watermark: Watermark): Promise<void> {
    this.#publishing = publishWatermark(lane, lease, watermark)
    try {
      await this.#publishing
    } finally {
      this.#publishing = undefined
    }
  }

  /** Ends what still runs in the background. */
  close(): void {
    this.#dropFilters()
  }

  /**
   * The filter is kept only if it was complete under the lease directly below the new one, which was read after the kill: then no other
   * process has stored an identity that the filter does not contain.
   */
  #mayKeepFilter({ previous }: Lease): boolean {
    const before = this.#lease
    return this.#filter.complete && before !== undefined && previous?.epoch === before.epoch && previous.owner === before.owner
  }

  async #startFilter(): Promise<void> {
    const { clickhouse, scope, filterBudget } = this.#options
    this.#dropFilters()
    this.#filter = new IdentityFilter({ identitiesExpected: (await countStored(clickhouse.reads, scope)) * FILTER_HEADROOM, budget: filterBudget })
    void this.#fill(this.#filter, () => {})
  }

  /**
   * Called when nothing is in flight: identities that raw does not contain yet are added to both filters. If there is no memory
   * for a second one, the layers stay.
   */
  #renewFilter(): void {
    if (this.#successor !== undefined || !this.#filter.complete || this.#filter.full) return
    const successor = new IdentityFilter({ identitiesExpected: this.#filter.identities * FILTER_HEADROOM, budget: this.#options.filterBudget })
    if (successor.full) return
    this.#successor = successor
    void this.#fill(successor, () => {
      this.#filter.release()
      this.#filter = successor
      this.#successor = undefined
    })
  }

  /** Retries until the filter is complete, because a busy store may answer later. */
  async #fill(filter: IdentityFilter, done: () => void): Promise<void> {
    const { clickhouse, scope, logger } = this.#options
    const { signal } = this.#filling
    while (!signal.aborted && !filter.complete) {
      try {
        await fillFilter(clickhouse.reads, scope, filter, signal)
        if (!signal.aborted) done()
      } catch (error) {
        if (signal.aborted) return
        logger.warn({ err: error, log: this.name }, 'the identity filter could not be filled yet; every event is looked up, which is exact but slow')
        await sleep(FILL_RETRY_MS, undefined, { signal, ref: false }).catch(() => {})
      }
    }
  }

  #dropFilters(): void {
    this.#filling.abort()
    this.#filling = new AbortController()
    this.#filter.release()
    this.#successor?.release()
    this.#successor = undefined
  }

  #count(verdict: Verdict): void {
    if (verdict.status === 'counted') this.#counts.counted += 1
    else if (verdict.status === 'duplicate') this.#counts.duplicates += 1
    else if (verdict.status === 'rejected') {
      const { reason } = verdict.rejection
      this.#rejectedByReason.set(reason, (this.#rejectedByReason.get(reason) ?? 0) + 1)
    }
  }
}

/** Another process has acquired the lease: this one stops writing to the log. */
export class LogLost extends Error {
  constructor(name: string) {
    super(`Another process has taken over the log ${name}.`)
    this.name = 'LogLost'
  }
}

const FILTER_HEADROOM = 1.1
const LAYERS_MAX = 4
const FILL_RETRY_MS = 10_000
