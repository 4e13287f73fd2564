import { endOfMonthMs, type Month, monthAfter } from '../../metering/month.ts'
import { type BillingState, nextToClose, readBillingStates } from './billing-state.ts'
import type { ClockWatch } from './clock-watch.ts'
import { type ClosingOptions, closeMonth } from './close-month.ts'
import { countNegativeAdjustments } from './negative-adjustments.ts'
import { type GracePeriod, TimeEvidence } from './time-evidence.ts'

export interface DueOptions extends ClosingOptions {
  /** How long after its end a month stays open for late usage. */
  readonly graceMs: number
  readonly clockWatch: ClockWatch
}

export interface DueOutcome {
  readonly closed: number
  /** Partners with a month that is due and could not be closed: must be 0 most of the time. */
  readonly overdue: number
  /** Those of them that wait for an operator, because only a clock says that the month and its grace period are over. */
  readonly unconfirmed: number
  /** Why no month is closed automatically at all; undefined when the clocks agree. */
  readonly clockDisagreement: string | undefined
  /** Corrections of a month to less than was billed, on statements of the last 30 days, however they were closed: must be 0. */
  readonly negative: number
}

/** A run of closings, with the evidence that it found when it began. */
interface ClosingRun extends DueOptions {
  readonly evidence: TimeEvidence
  readonly signal: AbortSignal
}

type PartnerOutcome = Pick<DueOutcome, 'closed' | 'overdue' | 'unconfirmed'>

/**
 * Closes every month of every partner whose grace period is over, in order. A month that cannot be closed yet is logged and retried at
 * the next run; it delays the later months of that partner and of no other. No month closes on a clock alone (clock-watch.ts,
 * time-evidence.ts): an operator who closes it by hand confirms that it is over. Throws StoreError.
 */
export async function closeDueMonths(options: DueOptions, signal: AbortSignal): Promise<DueOutcome> {
  const { clickhouse, clockWatch, logger } = options
  const total = { closed: 0, overdue: 0, unconfirmed: 0 }
  // Also when no month is due: a step that is over when the next month becomes due would not be noticed then.
  const clockDisagreement = await clockWatch.findDisagreement()
  if (clockDisagreement !== undefined) logger.warn({ reason: clockDisagreement }, 'no month is closed automatically, because the clock is not trusted')
  const run = { ...options, signal, evidence: await TimeEvidence.read(clickhouse) }
  for (const state of await readBillingStates(clickhouse)) {
    if (signal.aborted) break
    const { partnerId } = state
    const outcome = await closeDueMonthsOfPartner(run, state).catch((error: unknown) => {
      logger.error({ err: error, partnerId }, 'the due months of a partner could not be closed; this will be retried')
      return { closed: 0, overdue: 1, unconfirmed: 0 }
    })
    total.closed += outcome.closed
    total.overdue += outcome.overdue
    total.unconfirmed += outcome.unconfirmed
  }
  return { ...total, clockDisagreement, negative: await countNegativeAdjustments(clickhouse) }
}

async function closeDueMonthsOfPartner(run: ClosingRun, state: BillingState): Promise<PartnerOutcome> {
  const { partnerId } = state
  const { now, logger, signal } = run
  const total = { closed: 0, overdue: 0, unconfirmed: 0 }
  for (let month = nextToClose(state); !signal.aborted; month = monthAfter(month)) {
    const grace = gracePeriodOf(run, state, month)
    if (grace.endMs > now()) break
    const doubt = await findDoubt(run, grace)
    if (doubt !== undefined) {
      logger.warn({ partnerId, month, reason: doubt }, `a month is not closed automatically, because only a clock says that it is over. ${CONFIRM} ${month}`)
      return { ...total, overdue: 1, unconfirmed: 1 }
    }
    const outcome = await closeMonth(run, { partnerId, month, closedBy: 'schedule' })
    // Another process or call is closing this month, or changing its statement; the next run will see it closed, or close it.
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

const CONFIRM = 'Check the clock of the host; if the month is over, run: meterline close --month'

/** History that is loaded after `billing_from` was moved back gets the same time to arrive. */
function gracePeriodOf({ graceMs }: DueOptions, { billingFromSetMs }: BillingState, month: Month): GracePeriod {
  const fromMs = Math.max(endOfMonthMs(month), billingFromSetMs)
  return { month, fromMs, endMs: fromMs + graceMs }
}

/** The clocks are compared before each month, because a run of many closings may take hours. */
async function findDoubt({ clockWatch, evidence }: ClosingRun, grace: GracePeriod): Promise<string | undefined> {
  return (await clockWatch.findDisagreement()) ?? evidence.findDoubt(grace)
}
