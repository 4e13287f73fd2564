import type { Logger } from '../../metering/logger.ts'
import { endOfMonthMs, monthAfter } from '../../metering/month.ts'
import { type BillingState, readBillingStates } from './billing-state.ts'
import { type ClosingOptions, closeMonth, nextToClose } from './close-month.ts'
import { countNegativeAdjustments } from './write-lines.ts'

export interface DueOptions extends ClosingOptions {
  /** How long after its end a month stays open for what comes late. */
  readonly graceMs: number
  readonly logger: Logger
}

export interface DueOutcome {
  readonly closed: number
  /** Partners with a month that is due and could not be closed: must be 0 most of the time. */
  readonly overdue: number
  /** Corrections of a month to less than was billed, on statements closed of late, whoever closed them: must be 0. */
  readonly negative: number
}

/**
 * Closes every month whose grace is over, of all partners, in order. What cannot be closed yet is told and tried again the
 * next time; it holds up the later months of that partner and of no other. Throws StoreError.
 */
export async function closeDueMonths(options: DueOptions, signal: AbortSignal): Promise<DueOutcome> {
  const total = { closed: 0, overdue: 0 }
  for (const state of await readBillingStates(options.clickhouse)) {
    if (signal.aborted) break
    const { partnerId } = state
    const outcome = await closeDueOf(options, state, signal).catch((error: unknown) => {
      options.logger.error({ err: error, partnerId }, 'the due months of a partner could not be closed; this is tried again')
      return { closed: 0, overdue: 1 }
    })
    total.closed += outcome.closed
    total.overdue += outcome.overdue
  }
  return { ...total, negative: await countNegativeAdjustments(options.clickhouse) }
}

async function closeDueOf(options: DueOptions, state: BillingState, signal: AbortSignal): Promise<Omit<DueOutcome, 'negative'>> {
  const { partnerId } = state
  const { now, graceMs, logger } = options
  const total = { closed: 0, overdue: 0 }
  // History that is loaded after `billing_from` was set back has the same time to come in.
  if (state.billingFromSetMs + graceMs > now()) return total
  for (let month = nextToClose(state); !signal.aborted && endOfMonthMs(month) + graceMs <= now(); month = monthAfter(month)) {
    const outcome = await closeMonth(options, { partnerId, month, closedBy: 'schedule' })
    // Whoever is at it will have closed it when this looks again.
    if (outcome.status === 'elsewhere') return total
    if (outcome.status !== 'closed') {
      logger.warn({ partnerId, month, ...outcome }, 'a month that is due is not closed yet')
      return { ...total, overdue: 1 }
    }
    if (!outcome.isNew) continue
    total.closed += 1
    logger.info({ partnerId, month, lines: outcome.header.lines, sha256: outcome.header.sha256 }, 'a month was closed')
    for (const adjustment of outcome.negative) logger.error({ partnerId, month, ...adjustment }, NEGATIVE_ADJUSTMENT)
  }
  return total
}

/** The alarm of a correction below zero, whoever closed the month. */
export const NEGATIVE_ADJUSTMENT = 'a month is corrected to less than was billed: that can only follow a repaired fault; find out which'
