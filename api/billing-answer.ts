import type { BillingStatus } from '../aggregator/statements/billing-status.ts'
import { formatTimestamp } from '../metering/timestamp.ts'

/** What every usage answer says of itself: complete up to when, and whether all of it is billed for good. */
export function billingAnswer(asOfMs: number | null, billingStatus: BillingStatus) {
  return { as_of: asOfMs === null ? null : formatTimestamp(asOfMs), billing_status: billingStatus }
}
