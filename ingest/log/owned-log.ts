import type { Logger } from '../../metering/logger.ts'
import type { ClickHouse, Lane } from '../../sql/clickhouse.ts'
import { acquireLease, currentLeaseOwner, type Lease, newOwnerName } from '../../sql/lease.ts'
import { requireMapInForce } from '../../sql/shard-map.ts'
import { requireSource, SourceNotInForce } from '../source/source-in-force.ts'
import { type Classified, detectDuplicates, type LogRecord, type Verdict } from './detect-duplicates.ts'
import type { IdentityScope } from './filter-scans.ts'
import { indexRange } from './identity-index.ts'
import { type InDoubtRange, readInDoubtRange } from './in-doubt-range.ts'
import type { KnownIdentities } from './known-identities.ts'
import { LogFilter } from './log-filter.ts'
import { type Batch, writeBatch } from './log-writer.ts'
import { repairRollup } from './reconcile.ts'
import { REJECTED_BYTES_PER_DAY_MAX, RejectedQuota } from './rejected-quota.ts'
import { RequestedRepairs } from './requested-repairs.ts'
import { readMetricsOfStates } from './usage-states.ts'
import { noteTime, publishWatermark, type Watermark } from './watermark.ts'

export interface OwnedLogOptions {
  /** The store, for what is not the log's own: which source is in force, and what audits request. */
  readonly clickhouse: ClickHouse
  /** The server that has the log, of a store with several (sql/shards.ts): there are its lease and all that is written under it. */
  readonly shard: ClickHouse
  /** Of the shard. Runs this log's statements one after another, beside those of other logs. */
  readonly lane: Lane
  readonly name: string
  /** To which the log belongs. It is counted only while its source is in force. */
  readonly source: string
  /** Which identities can arrive in this log. */
  readonly scope: IdentityScope
  /** Shared with the other logs of this process. */
  readonly identities: KnownIdentities
  /** While a look-up takes longer than this, the last watermark is published again. */
  readonly heartbeatEveryMs?: number
  readonly logger: Logger
  readonly rejectedBytesPerDayMax?: number
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
  readonly #filter: LogFilter
  #asOfMs = 0
  /** The last watermark, and the lease under which it was published. */
  #published: { readonly lease: Lease; readonly watermark: Omit<Watermark, 'number'> } | undefined
  #publishing: Promise<void> | undefined
  /** Heartbeats of this process for the log, over all its leases. */
  #heartbeats = 0
  #requestedRepairs: RequestedRepairs
  readonly #rejectedQuota: RejectedQuota

  constructor(options: OwnedLogOptions) {
    this.#options = options
    this.#requestedRepairs = this.#newRequestedRepairs()
    this.#filter = new LogFilter(options)
    this.#rejectedQuota = new RejectedQuota(options.rejectedBytesPerDayMax ?? REJECTED_BYTES_PER_DAY_MAX)
  }

  get name(): string {
    return this.#options.name
  }

  /** The last published watermark, in ms since 1970: the log is complete up to it. 0 before the first. */
  get asOfMs(): number {
    return this.#asOfMs
  }

  stats() {
    const { name, asOfMs } = this
    return { log: name, asOfMs, ...this.#counts, rejectedByReason: this.#rejectedByReason, ...this.#filter.stats() }
  }

  /** Whether this process has had the lease and has not lost it for certain. */
  get isHeld(): boolean {
    return this.#lease !== undefined
  }

  get lease(): Lease {
    if (this.#lease === undefined) throw new Error(`This process does not hold the lease of the log ${this.#options.name}.`)
    return this.#lease
  }

  /**
   * Acquires the lease and returns the range of the log's last batch, which may be in doubt. Throws LogLost when another process
   * has acquired it since: an overtaken owner gives up, otherwise two owners would repeatedly kill each other's statements. Throws
   * SourceNotInForce when the events of another source are counted in this store. Only acquiring it again after an error is counted: it
   * is a sign of trouble, a requested replay or a rebalance of the group is not.
   */
  async acquire(cause: AcquireCause = 'error'): Promise<InDoubtRange | undefined> {
    const { shard, lane, name, identities } = this.#options
    // Not to take a lease in vain; what decides is the check after it.
    await this.#requireSource()
    const holder = this.#ownNames.size === 0 ? undefined : await currentLeaseOwner(shard, name)
    if (holder !== undefined && !this.#ownNames.has(holder)) {
      this.#lease = undefined
      this.#ownNames.clear()
      throw new LogLost(name)
    }
    // Remembered before it is sent: if the answer is lost, the stored row must not pass as another process's.
    const owner = newOwnerName()
    this.#ownNames.add(owner)
    const outcome = await acquireLease(shard, name, { owner })
    this.#ownNames = new Set([owner])
    if (outcome.status === 'outranked') throw new LogLost(name)
    // After the lease: a switch of the source that has begun before is seen here, and a later one finds the lease and acquires it. The same
    // holds for a move to another shard, after which this log would be counted on the shard of before.
    await this.#requireSource()
    await requireMapInForce(this.#options.clickhouse)
    const range = await readInDoubtRange(lane, name)
    // Before anything is looked up or a filter is filled: a crash may have left raw with identities that the index lacks.
    if (range !== undefined && !range.settled) await indexRange(lane, name, range)
    await identities.check()
    if (!this.#mayKeepFilter(outcome.lease)) await this.#filter.restart()
    if (this.#lease !== undefined && cause === 'error') this.#counts.reacquisitions += 1
    this.#lease = outcome.lease
    this.#requestedRepairs = this.#newRequestedRepairs()
    this.#asOfMs = range?.asOfMs ?? this.#asOfMs
    return range
  }

  /**
   * Detects duplicates. `all` looks up every event, whatever the filter says: for a range of which a part may be stored.
   * Throws StoreError.
   */
  detectDuplicates(records: readonly LogRecord[], lookUp: 'filtered' | 'all' = 'filtered'): Promise<Classified> {
    const { identities } = this.#options
    const filter = lookUp === 'all' ? undefined : this.#filter.current
    return this.#withHeartbeat(() => detectDuplicates(records, filter, (unclear) => identities.find(unclear)))
  }

  /**
   * A look-up may take minutes. The last watermark is published again meanwhile: it stays true, and a log that seems abandoned would be
   * taken over by another process.
   */
  async #withHeartbeat<T>(work: () => Promise<T>): Promise<T> {
    let heartbeat = Promise.resolve()
    const timer = setInterval(() => {
      heartbeat = heartbeat.then(() => this.repeatWatermark())
      heartbeat.catch(() => {})
    }, this.#options.heartbeatEveryMs ?? HEARTBEAT_EVERY_MS)
    try {
      return await work()
    } finally {
      clearInterval(timer)
      await heartbeat
    }
  }

  /** Writes a batch whose duplicates were detected, and returns its verdicts with what is kept of rejected events. Throws StoreError. */
  async write({ newHashes, ...batch }: Batch & Pick<Classified, 'newHashes'>): Promise<readonly Verdict[]> {
    this.#filter.add(newHashes)
    // What is written again while a range is reconciled replaces the rows of before, so it must be as complete.
    const { verdicts, stored } =
      batch.position === 'never' ? { verdicts: batch.verdicts, stored: [] } : this.#rejectedQuota.limit(batch.records, batch.verdicts)
    await writeBatch(this.#options.lane, this.lease, { ...batch, verdicts })
    this.#rejectedQuota.note(stored)
    for (const verdict of verdicts) this.#count(verdict)
    return verdicts
  }

  /** Repairs the rollup of the log's in-doubt range; of a settled range nothing is read. Throws StoreError. */
  async reconcileRollup({ first, through, settled }: InDoubtRange): Promise<void> {
    if (settled) return
    const { clickhouse, shard, lane } = this.#options
    const metricsOfStates = await readMetricsOfStates(clickhouse, shard)
    const repaired = await repairRollup(lane, this.lease, { first, through, metricsOfStates })
    this.#counts.repairedKeys += repaired
    if (repaired > 0) this.#options.logger.warn({ log: this.name, keys: repaired, first, through }, 'the last batch was stored in part; its rollup is repaired')
  }

  /**
   * Makes the repairs that audits requested since the last time. Call it only when nothing else of the log is in flight: neither a
   * batch nor work that has locked it. Throws StoreError when a write fails.
   */
  async repairRequested(): Promise<void> {
    this.#counts.repairedKeys += await this.#requestedRepairs.repair(this.lease)
  }

  /** Throws StoreError. */
  async publishWatermark(watermark: Omit<Watermark, 'number'>): Promise<void> {
    const { lease } = this
    // A repeated one that arrived later would outrank this one.
    await this.#publishing?.catch(() => {})
    await this.#publish(this.#options.lane, lease, watermark)
    this.#published = { lease, watermark }
    this.#asOfMs = watermark.asOfMs
  }

  /** The time for the next watermark, in ms since 1970; note it before the end of the log is queried. Throws StoreError. */
  noteTime(): Promise<number> {
    return noteTime(this.#options.lane)
  }

  /**
   * Publishes the last watermark again, as the owner's heartbeat, on a lane of its own: it may run beside a batch. Does nothing before
   * the first one under the current lease, because what was settled before may be in doubt again. Throws StoreError.
   */
  async repeatWatermark(): Promise<void> {
    const last = this.#published
    if (last === undefined || last.lease !== this.#lease || last.watermark.released || this.#publishing !== undefined) return
    await this.#publish(this.#options.shard.control, last.lease, last.watermark)
  }

  async #publish(lane: Lane, lease: Lease, watermark: Omit<Watermark, 'number'>): Promise<void> {
    this.#heartbeats += 1
    this.#publishing = publishWatermark(lane, lease, { ...watermark, number: this.#heartbeats })
    try {
      await this.#publishing
    } finally {
      this.#publishing = undefined
    }
  }

  #newRequestedRepairs(): RequestedRepairs {
    const { clickhouse, shard, lane, logger } = this.#options
    return new RequestedRepairs({ requests: shard === clickhouse ? lane : clickhouse.control, lane, logger })
  }

  /** Ends what still runs in the background. */
  close(): void {
    this.#filter.close()
  }

  /** A log whose source comes back later is acquired as if by a new process. */
  async #requireSource(): Promise<void> {
    try {
      await requireSource(this.#options.clickhouse, this.#options.source)
    } catch (error) {
      if (error instanceof SourceNotInForce) {
        this.#lease = undefined
        this.#ownNames.clear()
      }
      throw error
    }
  }

  /**
   * The filter is kept only if it is complete and nobody else has acquired the lease since this process's last one: then no other
   * process has stored an identity that the filter does not contain. An own attempt whose answer was lost counts as another's.
   */
  #mayKeepFilter({ acquisitions }: Lease): boolean {
    return this.#filter.complete && this.#lease !== undefined && acquisitions === this.#lease.acquisitions + 1
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

/** Why a lease is acquired that this process may hold already. */
export type AcquireCause = 'error' | 'requested'

/** Another process has acquired the lease: this one stops writing to the log. */
export class LogLost extends Error {
  constructor(name: string) {
    super(`Another process has taken over the log ${name}.`)
    this.name = 'LogLost'
  }
}

const HEARTBEAT_EVERY_MS = 5_000
