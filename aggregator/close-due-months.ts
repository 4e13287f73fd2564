import type { Logger } from '../metering/logger.ts'
import { endOfMonthMs } from '../metering/month.ts'
import { readBillingStates } from '../registry/billing.ts'
import { type ClosingOptions, closeMonth, nextToClose } from './close-month.ts'

export interface DueOptions extends ClosingOptions {
  /** How long after its end a month stays open for what comes late. */
  readonly graceMs: number
  readonly log: Logger
}

/**
 * Closes every month whose grace is over, of all partners, in order. What cannot be closed yet is told and tried again the
 * next time; it holds up the later months of that partner and no other. Returns how many were closed. Throws StoreError.
 */
export async function closeDueMonths(options: DueOptions, signal: AbortSignal): Promise<number> {
  const { clickhouse, now, graceMs, log } = options
  let closed = 0
  for (const state of await readBillingStates(clickhouse)) {
    const { partnerId } = state
    let month = nextToClose(state)
    while (!signal.aborted && endOfMonthMs(month) + graceMs <= now()) {
      const outcome = await closeMonth(options, { partnerId, month, closedBy: 'schedule' })
      if (outcome.status !== 'closed') {
        log.warn({ partnerId, month, ...outcome }, 'a month that is due is not closed yet')
        break
      }
      if (outcome.isNew) {
        closed += 1
        log.info({ partnerId, month, lines: outcome.header.lines, sha256: outcome.header.sha256 }, 'a month was closed')
        for (const adjustment of outcome.negative) log.error({ partnerId, month, ...adjustment }, NEGATIVE_ADJUSTMENT)
      }
      month = nextToClose({ ...state, closedThrough: month })
    }
  }
  return closed
}

/** The alarm of a correction below zero, whoever closed the month. */
export const NEGATIVE_ADJUSTMENT = 'a month is corrected to less than was billed: that can only follow a repaired fault; find out which'
