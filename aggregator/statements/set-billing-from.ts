import type { Month } from '../../metering/month.ts'
import type { NoteChange } from '../../registry/audit-log.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { readBillingStates, writeBillingFrom } from './billing-state.ts'
import { withClosingLease } from './closing-lease.ts'

export type BillingFromOutcome = { status: 'set' } | { status: 'already_closed'; closedThrough: Month } | { status: 'elsewhere' }

/**
 * Sets the first month that has a statement, which is allowed until the partner's first month is closed. It runs under the lease of the partner's
 * closings, so that no month can be closed between the check and the write. Throws StoreError.
 */
export async function setBillingFrom(
  { clickhouse, note }: { clickhouse: ClickHouse; note: NoteChange },
  partnerId: string,
  month: Month,
): Promise<BillingFromOutcome> {
  const outcome = await withClosingLease<BillingFromOutcome>(clickhouse, partnerId, async (lease) => {
    const [state] = await readBillingStates(clickhouse, partnerId)
    if (state === undefined) throw new Error(`The partner ${partnerId} does not exist.`)
    if (state.closedThrough !== null) return { status: 'already_closed', closedThrough: state.closedThrough }
    await note({ action: 'partner.billing-from', subject: partnerId, details: { billing_from: month } })
    await writeBillingFrom(clickhouse, lease, partnerId, month)
    return { status: 'set' }
  })
  return outcome.status === 'done' ? outcome.result : outcome
}
