import type { Month } from '../../metering/month.ts'
import type { NoteChange } from '../../registry/audit-log.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { readBillingStates, writeBillingFrom } from './billing-state.ts'
import { withClosingLease } from './closing-lease.ts'

export type BillingFromOutcome = { status: 'set' } | { status: 'already_closed'; closedThrough: Month } | { status: 'elsewhere' }

/**
 * Sets the first month that a partner has a statement of: possible until the first is closed. Under the fence of the closings,
 * so that none is closed between the look and the write. Throws StoreError.
 */
export async function setBillingFrom(
  { clickhouse, note }: { clickhouse: ClickHouse; note: NoteChange },
  partnerId: string,
  month: Month,
): Promise<BillingFromOutcome> {
  const fenced = await withClosingLease<BillingFromOutcome>(clickhouse, partnerId, async (ownership) => {
    const [state] = await readBillingStates(clickhouse, partnerId)
    if (state === undefined) throw new Error(`There is no partner ${partnerId}.`)
    if (state.closedThrough !== null) return { status: 'already_closed', closedThrough: state.closedThrough }
    await note({ action: 'partner.billing-from', subject: partnerId, details: { billing_from: month } })
    await writeBillingFrom(clickhouse, ownership, partnerId, month)
    return { status: 'set' }
  })
  return fenced.status === 'done' ? fenced.result : fenced
}
