import type { Logger } from '../../metering/logger.ts'
import { classifyStoreError } from '../../sql/errors.ts'
import type { LogRecord, Verdict } from './detect-duplicates.ts'

export interface IsolatingWriter {
  readonly log: string
  readonly logger: Logger
  /**
   * Writes the events and returns a verdict for each; a given `verdict` replaces what detecting duplicates would find. Throws
   * StoreError.
   */
  write(records: readonly LogRecord[], verdict?: Verdict): Promise<readonly Verdict[]>
  /** Acquires the lease again: after an error nothing may be written under the one before, because the failed write may still arrive. */
  reacquire(): Promise<void>
}

/**
 * Writes events as one batch. If the store rejects the batch because of its data, the two halves are written instead, and so on
 * down to the single event that the store rejects. That one is kept as refused_by_store, so it neither blocks the log nor is
 * lost without a trace, and all others count. Returns a verdict for each event. Throws StoreError for every other fault.
 */
export async function isolateRefused(records: readonly LogRecord[], writer: IsolatingWriter): Promise<readonly Verdict[]> {
  try {
    return await writer.write(records)
  } catch (thrown) {
    const error = classifyStoreError(thrown)
    if (error.fault !== 'refused') throw error
    writer.logger.warn({ err: error, log: writer.log, events: records.length }, 'the store rejected a batch because of its data; looking for the event')
    await writer.reacquire()
    if (records.length === 1) return writer.write(records, REFUSED_BY_STORE)
    const middle = Math.ceil(records.length / 2)
    return [...(await isolateRefused(records.slice(0, middle), writer)), ...(await isolateRefused(records.slice(middle), writer))]
  }
}

/** The verdict on the one event of a batch that the store rejects. */
const REFUSED_BY_STORE: Verdict = {
  status: 'rejected',
  rejection: { reason: 'refused_by_store', message: 'The database rejected the data of this event. The event is kept; contact the operator.' },
}
