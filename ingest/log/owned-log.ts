import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../../metering/logger.ts'
import type { ClickHouse, Lane } from '../../sql/clickhouse.ts'
import { acquireLease, currentLeaseHolder, type Lease, newOwnerName } from '../../sql/lease.ts'
import { RequestedRepairs } from '../repair/requested-repairs.ts'
import { type Classified, detectDuplicates, type LogRecord, type Verdict } from './detect-duplicates.ts'
import { type FilterBudget, IdentityFilter } from './identity-filter.ts'
import { type InDoubtRange, type LogRange, readInDoubtRange } from './in-doubt-range.ts'
import { type PositionRule, writeBatch } from './log-writer.ts'
import { reconcileRollup } from './reconcile.ts'
import { countStored, fillFilter, findStoredEvents, type IdentityScope } from './stored-events.ts'
import { publishWatermark, type Watermark } from './watermark.ts'

export interface OwnedLogOptions {
  readonly clickhouse: ClickHouse
  /** Where this log's statements run: one after another, and beside those of other logs. */
  readonly lane: Lane
  readonly name: string
  /** Which identities can arrive in this log. */
  readonly scope: IdentityScope
  /** Shared with the other logs of this process. */
  readonly filterBudget: FilterBudget
  readonly logger: Logger
}

/**
 * A log that this process owns: taking it, telling its duplicates, writing its batches, settling its rollup. One thing at
 * a time. After any error the caller takes the log anew before it writes again: what was sent may still arrive.
 */
export class OwnedLog {
  readonly #counts = { counted: 0, duplicates: 0, retakes: 0, repairedKeys: 0 }
  readonly #rejectedByReason = new Map<string, number>()
  readonly #options: OwnedLogOptions
  #ownership: Lease | undefined
  /** The names under which this process took the log since it last held it for certain. */
  #ownTakes = new Set<string>()
  #filter: IdentityFilter
  /** Takes the filter's place when it knows all of raw: in one layer again, with fewer false maybes. */
  #successor: IdentityFilter | undefined
  #filling = new AbortController()
  #asOfMs = 0
  #askedRepairs: RequestedRepairs

  constructor(options: OwnedLogOptions) {
    this.#options = options
    this.#askedRepairs = new RequestedRepairs(options)
    this.#filter = new IdentityFilter({ identitiesExpected: 0, budget: options.filterBudget })
  }

  get name(): string {
    return this.#options.name
  }

  /** The last watermark published, in ms since 1970: the log is complete up to here. 0 before the first. */
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

  get ownership(): Lease {
    if (this.#ownership === undefined) throw new Error(`The log ${this.#options.name} is not taken.`)
    return this.#ownership
  }

  /**
   * Takes the log and returns the range of its last batch, which may be in doubt. Throws LogLost when somebody newer owns it:
   * an owner that has been overtaken lets go, else two owners would kill each other's statements for ever.
   */
  async take(): Promise<InDoubtRange | undefined> {
    const { clickhouse, lane, name } = this.#options
    const newest = this.#ownTakes.size === 0 ? undefined : await currentLeaseHolder(clickhouse, name)
    if (newest !== undefined && !this.#ownTakes.has(newest)) {
      this.#ownership = undefined
      this.#ownTakes.clear()
      throw new LogLost(name)
    }
    // Noted before it is sent: a take whose answer was lost is not somebody else's.
    const owner = newOwnerName()
    this.#ownTakes.add(owner)
    const taken = await acquireLease(clickhouse, name, { owner })
    this.#ownTakes = new Set([owner])
    if (taken.status === 'outranked') throw new LogLost(name)
    if (!this.#mayKeepFilter(taken.ownership)) await this.#startFilter()
    if (this.#ownership !== undefined) this.#counts.retakes += 1
    this.#ownership = taken.ownership
    this.#askedRepairs = new RequestedRepairs(this.#options)
    const range = await readInDoubtRange(lane, name)
    this.#asOfMs = Math.max(this.#asOfMs, range?.asOfMs ?? 0)
    return range
  }

  /**
   * Tells duplicates. `exact` looks up every event, whatever the filter says: for a range that may be stored in part.
   * Throws StoreError.
   */
  tell(records: readonly LogRecord[], telling: 'filtered' | 'exact' = 'filtered'): Promise<Classified> {
    if (this.#filter.layers > LAYERS_MAX) this.#renewFilter()
    const filter = telling === 'exact' ? undefined : this.#filter
    return detectDuplicates(records, filter, (identities) => findStoredEvents(this.#options.lane, identities))
  }

  /** Writes a batch that has been told. Throws StoreError. */
  async write(range: LogRange, records: readonly LogRecord[], { verdicts, newHashes }: Classified, position: PositionRule): Promise<void> {
    // Before the batch is sent: should its answer be lost, its identities must not pass as surely new.
    for (const hash of newHashes) {
      this.#filter.add(hash)
      this.#successor?.add(hash)
    }
    await writeBatch(this.#options.lane, this.ownership, { ...range, records, verdicts, position })
    for (const verdict of verdicts) this.#count(verdict)
  }

  /** Recounts the keys of a range and repairs their rollup. Throws StoreError. */
  async settleRollup(range: LogRange): Promise<void> {
    const repaired = await reconcileRollup(this.#options.lane, this.ownership, range)
    this.#counts.repairedKeys += repaired
    if (repaired > 0) this.#options.logger.warn({ log: this.name, keys: repaired, ...range }, 'the last batch was torn; its rollup is repaired')
  }

  /**
   * Does what audits asked for since the last time. Only in the log's turn, when nothing else of it is in flight: neither a
   * batch nor work for which the log is held. Throws StoreError when a write fails.
   */
  async repairAsAsked(): Promise<void> {
    this.#counts.repairedKeys += await this.#askedRepairs.repair(this.ownership)
  }

  async publishWatermark(watermark: Watermark): Promise<void> {
    await publishWatermark(this.#options.lane, this.ownership, watermark)
    this.#asOfMs = watermark.asOfMs
  }

  /** Ends what still runs in the background. */
  close(): void {
    this.#dropFilters()
  }

  /**
   * The filter is kept over a take only if it was complete under exactly the newest ownership below the new one, judged
   * after the kill: then nobody else has stored anything it does not know.
   */
  #mayKeepFilter({ previous }: Lease): boolean {
    const before = this.#ownership
    return this.#filter.complete && before !== undefined && previous?.epoch === before.epoch && previous.owner === before.owner
  }

  async #startFilter(): Promise<void> {
    const { clickhouse, scope, filterBudget } = this.#options
    this.#dropFilters()
    this.#filter = new IdentityFilter({ identitiesExpected: (await countStored(clickhouse.reads, scope)) * FILTER_HEADROOM, budget: filterBudget })
    void this.#fill(this.#filter, () => {})
  }

  /**
   * Called when nothing is in flight: what raw does not hold yet is added to both. Without the memory for a second one the
   * layers stay.
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

  /** Until it is filled: a store that is busy now is not for ever. */
  async #fill(filter: IdentityFilter, done: () => void): Promise<void> {
    const { clickhouse, scope, logger } = this.#options
    const { signal } = this.#filling
    while (!signal.aborted && !filter.complete) {
      try {
        await fillFilter(clickhouse.reads, scope, filter, signal)
        if (!signal.aborted) done()
      } catch (error) {
        if (signal.aborted) return
        logger.warn({ err: error, log: this.name }, 'the filter of identities could not be filled yet; every event is looked up, which is exact but slow')
        await sleep(FILL_AGAIN_AFTER_MS, undefined, { signal, ref: false }).catch(() => {})
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

/** Another process has taken the log: whoever gets this stops writing to it. */
export class LogLost extends Error {
  constructor(name: string) {
    super(`Another process has taken the log ${name}.`)
    this.name = 'LogLost'
  }
}

/** The verdict on the one event of a batch that the store refuses. */
export const REFUSED_BY_STORE: Verdict = {
  status: 'rejected',
  rejection: { reason: 'refused_by_store', message: 'The store refused this event for its data. It is kept; tell the operator.' },
}

const FILTER_HEADROOM = 1.1
const LAYERS_MAX = 4
const FILL_AGAIN_AFTER_MS = 10_000
