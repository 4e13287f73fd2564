import { endOfMonthMs, monthAfter } from '../../metering/month.ts'
import { type BillingState, nextToClose, readBillingStates } from './billing-state.ts'
import { type ClosingOptions, closeMonth } from './close-month.ts'
import { countNegativeAdjustments } from './negative-adjustments.ts'

export interface DueOptions extends ClosingOptions {
  /** How long after its end a month stays open for late usage. */
  readonly graceMs: number
}

export interface DueOutcome {
  readonly closed: number
  /** Partners with a month that is due and could not be closed: must be 0 most of the time. */
  readonly overdue: number
  /** Corrections of a month to less than was billed, on statements of the last 30 days, however they were closed: must be 0. */
  readonly negative: number
}

/**
 * Closes every month of every partner whose grace period is over, in order. A month that cannot be closed yet is logged and retried at
 * the next run; it delays the later months of that partner and of no other. Throws StoreError.
 */
export async function closeDueMonths(options: DueOptions, signal: AbortSignal): Promise<DueOutcome> {
  const total = { closed: 0, overdue: 0 }
  for (const state of await readBillingStates(options.clickhouse)) {
    if (signal.aborted) break
    const { partnerId } = state
    const outcome = await closeDueMonthsOfPartner(options, state, signal).catch((error: unknown) => {
      options.logger.error({ err: error, partnerId }, 'the due months of a partner could not be closed; this will be retried')
      return { closed: 0, overdue: 1 }
    })
    total.closed += outcome.closed
    total.overdue += outcome.overdue
  }
  return { ...total, negative: await countNegativeAdjustments(options.clickhouse) }
}

async function closeDueMonthsOfPartner(options: DueOptions, state: BillingState, signal: AbortSignal): Promise<Omit<DueOutcome, 'negative'>> {
  const { partnerId } = state
  const { now, graceMs, logger } = options
  const total = { closed: 0, overdue: 0 }
  // History that is loaded after `billing_from` was moved back gets the same time to arrive.
  if (state.billingFromSetMs + graceMs > now()) return total
  for (let month = nextToClose(state); !signal.aborted && endOfMonthMs(month) + graceMs <= now(); month = monthAfter(month)) {
    const outcome = await closeMonth(options, { partnerId, month, closedBy: 'schedule' })
    // Another process is closing this month; the next run will see it closed.
    if (outcome.status === 'elsewhere') return total
    if (outcome.status !== 'closed') {
      logger.warn({ partnerId, month, ...outcome }, 'a month that is due could not be closed yet')
      return { ...total, overdue: 1 }
    }
    if (!outcome.isNew) continue
    total.closed += 1
    logger.info({ partnerId, month, lines: outcome.header.lines, sha256: outcome.header.sha256 }, 'a month was closed')
  }
  return total
}
