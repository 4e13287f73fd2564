import { classifyStoreError } from '../../sql/errors.ts'
import type { LogRecord, Verdict } from '../log/detect-duplicates.ts'
import { OwnedLog, type OwnedLogOptions, REFUSED_BY_STORE } from '../log/owned-log.ts'

/** A record whose place in the log is not known yet. */
export type PendingRecord = Omit<LogRecord, 'log' | 'offset'>

/**
 * An owned log whose offsets are given out here, and which cannot be read again: the http log. Settling recounts only; what
 * never landed is brought by the emitter that sends again.
 */
export class AppendedLog {
  readonly owned: OwnedLog
  readonly #log: OwnedLogOptions['logger']
  #next = 0

  constructor(options: OwnedLogOptions) {
    this.owned = new OwnedLog(options)
    this.#log = options.logger
  }

  /** Takes the log and settles the range its last owner left in doubt. Throws LogLost when another one is newer. */
  async takeAndSettle(): Promise<void> {
    const range = await this.owned.take()
    if (range !== undefined) await this.owned.settleRollup(range)
    this.#next = range === undefined ? 0 : range.through + 1
    await this.publishWatermark()
  }

  /**
   * Appends records to the log and returns a verdict for each, once all of them are durable. A batch that the store
   * refuses for its data is halved until the one event is found, which is kept as refused_by_store. Throws StoreError.
   */
  async append(unplaced: readonly PendingRecord[]): Promise<Verdict[]> {
    try {
      return await this.#appendOnce(unplaced)
    } catch (thrown) {
      const error = classifyStoreError(thrown)
      if (error.fault !== 'refused') throw error
      this.#log.warn({ err: error, events: unplaced.length }, 'the store refused a batch for its data; looking for the event')
      await this.takeAndSettle()
      if (unplaced.length === 1) return this.#appendOnce(unplaced, REFUSED_BY_STORE)
      const middle = Math.ceil(unplaced.length / 2)
      return [...(await this.append(unplaced.slice(0, middle))), ...(await this.append(unplaced.slice(middle)))]
    }
  }

  /** Says that everything acknowledged until now is settled; `released` adds that the owner leaves. */
  publishWatermark(released = false): Promise<void> {
    return this.owned.publishWatermark({ asOfMs: Date.now(), settledThrough: this.#next - 1, released })
  }

  /** What an owner does every few seconds between two batches: it says that it lives, and does what audits asked of it. Throws StoreError. */
  async beat(): Promise<void> {
    await this.publishWatermark()
    await this.owned.repairAsAsked()
  }

  async #appendOnce(unplaced: readonly PendingRecord[], verdict?: Verdict): Promise<Verdict[]> {
    const first = this.#next
    const log = this.owned.name
    // Field by field: spreading an object costs ten times as much, and this runs for every event.
    const records = unplaced.map(({ judged, receivedMs, ingestKeyId }, index): LogRecord => ({ log, offset: first + index, judged, receivedMs, ingestKeyId }))
    const told = await this.owned.tell(records)
    const { verdicts } = told
    if (verdict !== undefined) verdicts.fill(verdict)
    await this.owned.write({ first, through: first + records.length - 1 }, records, told, 'with rows')
    // A batch of duplicates alone writes nothing, not even a position.
    if (verdicts.some(({ status }) => status === 'counted' || status === 'rejected')) this.#next = first + records.length
    return verdicts
  }
}
