import type { BillingStatus } from '../../aggregator/statements/billing-status.ts'
import { instantOrNull } from '../../metering/timestamp.ts'

/** The fields of every usage answer: complete up to when, and whether all of it is on closed statements. */
export function billingAnswer(asOfMs: number | null, billingStatus: BillingStatus) {
  return { as_of: instantOrNull(asOfMs), billing_status: billingStatus }
}
