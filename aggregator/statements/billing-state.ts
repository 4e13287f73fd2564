import { z } from 'zod'
import { type Month, monthAfter, monthOf } from '../../metering/month.ts'
import { dayOf } from '../../metering/timestamp.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { type Lease, leaseTag } from '../../sql/lease.ts'
import { defineQuery } from '../../sql/query.ts'
import { row } from '../../sql/tab-separated.ts'

/** From which month on a partner is billed, and which months are closed. */
export interface BillingState {
  readonly partnerId: string
  /** The first month that has a statement. */
  readonly billingFrom: Month
  /**
   * When `billingFrom` was set, or else the partner created, in ms since 1970. No month is closed automatically before the grace period
   * after this time is over.
   */
  readonly billingFromSetMs: number
  /** The last closed month; null before the first. All months from `billingFrom` to it are closed. */
  readonly closedThrough: Month | null
}

/** Whether a month has a statement: the months from the first billed one to the current one do. */
export function isBilledMonth({ billingFrom }: BillingState, month: Month, nowMs: number): boolean {
  return billingFrom <= month && month <= monthOf(dayOf(nowMs))
}

/** The month to be closed next: months are closed in order, without a gap. */
export function nextToClose({ billingFrom, closedThrough }: BillingState): Month {
  return closedThrough === null ? billingFrom : monthAfter(closedThrough)
}

/** The states of all partners, or of one; a partner that does not exist has none. Throws StoreError. */
export function readBillingStates({ registry }: ClickHouse, partnerId = ''): Promise<BillingState[]> {
  return registry.query(billingStates, { partnerId })
}

/** Writes the first billed month. The caller must have the lease of the closings, and no month may be closed. Throws StoreError. */
export async function writeBillingFrom({ registry }: ClickHouse, { name: log, epoch, owner }: Lease, partnerId: string, billingFrom: Month): Promise<void> {
  await registry.insert({
    table: 'partner_billing_inbox_v1',
    columns: ['log', 'epoch', 'owner', 'partner_id', 'revision', 'billing_from'],
    // Each lease has a greater epoch than the one before, so the epoch serves as the revision.
    text: row([log, epoch, owner, partnerId, epoch, billingFrom]),
    tag: leaseTag(log),
  })
}

const billingStates = defineQuery({
  name: 'billing_states',
  sql: `
    SELECT partner_id AS partnerId, if(set.billing_from = '', formatDateTime(created_at, '%Y-%m'), set.billing_from) AS billingFrom,
      toUnixTimestamp64Milli(if(set.billing_from = '', created_at, set.written_at)) AS billingFromSetMs, nullIf(closed.through, '') AS closedThrough
    FROM (SELECT partner_id, created_at FROM partners_v1 FINAL WHERE {partnerId: String} IN ('', partner_id)) AS partners
    LEFT JOIN (SELECT partner_id, billing_from, written_at FROM partner_billing_v1 FINAL) AS set USING partner_id
    LEFT JOIN (SELECT partner_id, toString(max(month)) AS through FROM statements_v1 GROUP BY partner_id) AS closed USING partner_id
    ORDER BY partnerId`,
  params: z.object({ partnerId: z.string() }),
  row: z.object({ partnerId: z.string(), billingFrom: z.string(), billingFromSetMs: z.coerce.number(), closedThrough: z.string().nullable() }),
})
