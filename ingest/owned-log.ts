import type { ClickHouse } from '../sql/clickhouse.ts'
import { classifyStoreError } from '../sql/errors.ts'
import { isNewestOwner, type Ownership, takeLog } from '../sql/fence.ts'
import { IdentityFilter } from './identity-filter.ts'
import { writeBatch } from './log-writer.ts'
import type { Logger } from './logger.ts'
import { settleRollup } from './settle.ts'
import { countStored, fillFilter, lookUpStored } from './stored-events.ts'
import { type LogRecord, tellDuplicates, type Verdict } from './tell-duplicates.ts'
import { publishWatermark } from './watermark.ts'

/** A record whose place in the log is not known yet. */
export type Unplaced = Omit<LogRecord, 'log' | 'offset'>

export interface OwnedLogOptions {
  readonly clickhouse: ClickHouse
  readonly name: string
  readonly filterBytesMax: number
  readonly log: Logger
}

/**
 * A log that this process owns: taking and settling it, telling its duplicates, writing its batches. One batch at a time.
 * After any error but `refused` the caller takes the log anew before it writes again: what was sent may still arrive.
 */
export class OwnedLog {
  readonly counts = { counted: 0, duplicates: 0, retakes: 0, repairedKeys: 0 }
  readonly rejectedByReason = new Map<string, number>()
  readonly #options: OwnedLogOptions
  #ownership: Ownership | undefined
  #filter: IdentityFilter
  #filling = new AbortController()
  #nextOffset = 0
  #asOfMs = 0

  constructor(options: OwnedLogOptions) {
    this.#options = options
    this.#filter = new IdentityFilter({ identitiesExpected: 0, bytesMax: options.filterBytesMax })
  }

  get filter(): IdentityFilter {
    return this.#filter
  }

  /** When the last watermark was published, in ms since 1970: the log is complete up to here. */
  get asOfMs(): number {
    return this.#asOfMs
  }

  /** Takes the log and settles the range its last owner left in doubt. Throws LogLost when another one is newer. */
  async takeAndSettle(): Promise<void> {
    const { clickhouse, name, log } = this.#options
    if (this.#ownership !== undefined) await this.#requireStillNewest(this.#ownership)
    const taken = await takeLog(clickhouse, name)
    if (taken.status === 'outranked') throw new LogLost(name)
    if (!this.#mayKeepFilter(taken.ownership)) await this.#startFilter()
    if (this.#ownership !== undefined) this.counts.retakes += 1
    this.#ownership = taken.ownership
    const settled = await settleRollup(clickhouse.ingest, taken.ownership)
    this.#nextOffset = settled.next
    this.counts.repairedKeys += settled.repaired
    if (settled.repaired > 0) log.warn({ keys: settled.repaired, through: settled.next - 1 }, 'the last batch was torn; its rollup is repaired')
    await this.publishWatermark()
  }

  /**
   * Appends records to the log and returns a verdict for each, once all of them are durable. A batch that the store
   * refuses for its data is halved until the one event is found, which is kept as refused_by_store. Throws StoreError.
   */
  async append(unplaced: readonly Unplaced[]): Promise<Verdict[]> {
    const verdicts = await this.#appendOrHalve(unplaced)
    for (const verdict of verdicts) this.#count(verdict)
    return verdicts
  }

  /** Says that everything acknowledged until now is settled; `released` adds that the owner leaves. */
  async publishWatermark(released = false): Promise<void> {
    const asOfMs = Date.now()
    await publishWatermark(this.#options.clickhouse.ingest, this.#owned(), { asOfMs, settledThrough: this.#nextOffset - 1, released })
    this.#asOfMs = asOfMs
  }

  /** Ends what still runs in the background. */
  close(): void {
    this.#filling.abort()
  }

  async #appendOrHalve(unplaced: readonly Unplaced[]): Promise<Verdict[]> {
    try {
      return await this.#appendOnce(unplaced)
    } catch (thrown) {
      const error = classifyStoreError(thrown)
      if (error.fault !== 'refused') throw error
      this.#options.log.warn({ err: error, events: unplaced.length }, 'the store refused a batch for its data; looking for the event')
      await this.takeAndSettle()
      if (unplaced.length === 1) return this.#appendOnce(unplaced, REFUSED_BY_STORE)
      const middle = Math.ceil(unplaced.length / 2)
      return [...(await this.#appendOrHalve(unplaced.slice(0, middle))), ...(await this.#appendOrHalve(unplaced.slice(middle)))]
    }
  }

  async #appendOnce(unplaced: readonly Unplaced[], verdictForAll?: Verdict): Promise<Verdict[]> {
    const lane = this.#options.clickhouse.ingest
    const first = this.#nextOffset
    const log = this.#options.name
    // Field by field: spreading an object costs ten times as much, and this runs for every event.
    const records = unplaced.map(({ judged, receivedMs, ingestKeyId }, index): LogRecord => ({ log, offset: first + index, judged, receivedMs, ingestKeyId }))
    const { verdicts, newHashes } = await tellDuplicates(records, this.#filter, (identities) => lookUpStored(lane, identities))
    if (verdictForAll !== undefined) verdicts.fill(verdictForAll)
    // Before the batch is sent: should its answer be lost, its identities must not pass as surely new.
    for (const hash of newHashes) this.#filter.add(hash)
    const wrote = await writeBatch(lane, this.#owned(), { first, through: first + records.length - 1, records, verdicts })
    if (wrote) this.#nextOffset = first + records.length
    return verdicts
  }

  /** An owner that has been overtaken lets go; else two owners would kill each other's statements for ever. */
  async #requireStillNewest(ownership: Ownership): Promise<void> {
    if (!(await isNewestOwner(this.#options.clickhouse, ownership))) throw new LogLost(this.#options.name)
  }

  /**
   * The filter is kept over a take only if it was complete under exactly the newest ownership below the new one, judged
   * after the kill: then nobody else has stored anything it does not know.
   */
  #mayKeepFilter({ previous }: Ownership): boolean {
    const before = this.#ownership
    return this.#filter.complete && before !== undefined && previous?.epoch === before.epoch && previous.owner === before.owner
  }

  async #startFilter(): Promise<void> {
    const { clickhouse, filterBytesMax, log } = this.#options
    this.#filling.abort()
    const filling = new AbortController()
    const identitiesExpected = Math.ceil((await countStored(clickhouse.reads)) * FILTER_HEADROOM)
    const filter = new IdentityFilter({ identitiesExpected, bytesMax: filterBytesMax })
    this.#filling = filling
    this.#filter = filter
    fillFilter(clickhouse.reads, filter, filling.signal).catch((error: unknown) => {
      if (!filling.signal.aborted) log.error({ err: error }, 'the filter of identities could not be filled; every event is looked up, which is exact but slow')
    })
  }

  #owned(): Ownership {
    if (this.#ownership === undefined) throw new Error(`The log ${this.#options.name} is not taken.`)
    return this.#ownership
  }

  #count(verdict: Verdict): void {
    if (verdict.status === 'counted') this.counts.counted += 1
    else if (verdict.status === 'duplicate') this.counts.duplicates += 1
    else if (verdict.status === 'refused') {
      const { reason } = verdict.refusal
      this.rejectedByReason.set(reason, (this.rejectedByReason.get(reason) ?? 0) + 1)
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

const FILTER_HEADROOM = 1.25

const REFUSED_BY_STORE: Verdict = {
  status: 'refused',
  refusal: { reason: 'refused_by_store', message: 'The store refused this event for its data. It is kept; tell the operator.' },
}
