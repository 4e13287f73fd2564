import type { BillingStatus } from '../../aggregator/statements/billing-status.ts'
import { instantOrNull } from '../../metering/timestamp.ts'

/** What every usage answer says of itself: complete up to when, and whether all of it is billed for good. */
export function billingAnswer(asOfMs: number | null, billingStatus: BillingStatus) {
  return { as_of: instantOrNull(asOfMs), billing_status: billingStatus }
}
