import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { parseDecimal } from '../../metering/exact-decimal.ts'
import type { Month } from '../../metering/month.ts'
import type { NoteChange } from '../../registry/audit-log.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { type Lease, leaseTag } from '../../sql/lease.ts'
import { defineQuery } from '../../sql/query.ts'
import { row } from '../../sql/tab-separated.ts'
import { nextToClose, readBillingStates } from './billing-state.ts'
import { withClosingLease } from './closing-lease.ts'

/** A line that an operator adds to a partner's next statement. */
export interface ManualAdjustment {
  /** Its id: the same entry twice is one line. */
  readonly entry: string
  readonly forMonth: Month
  /** Empty when it concerns no single project. */
  readonly projectId: string
  readonly metric: string
  /** With its sign; "2.50" and "2.5" are the same. */
  readonly value: string
  readonly reason: string
}

/**
 * `statement` is the month whose statement has the line, or will have it. `another`: a different line has the same id, and nothing was
 * changed. `elsewhere`: a closing is running, and nothing was changed.
 */
export type AddAdjustmentOutcome = { readonly status: 'added'; readonly statement: Month } | { readonly status: 'another' } | { readonly status: 'elsewhere' }

/**
 * Stores the line until the next closing puts it on a statement. Usage is not touched. Idempotent by `entry`. It runs under the lease of
 * the partner's closings, so that the next statement is the same before and after the write, and no line is added twice with different
 * values. Adjustments of one partner in several processes take the lease from each other, and a closing in this process may be about to
 * end, so it is tried several times. Throws StoreError.
 */
export async function addManualAdjustment(
  options: { readonly clickhouse: ClickHouse; readonly note: NoteChange },
  partnerId: string,
  adjustment: ManualAdjustment,
): Promise<AddAdjustmentOutcome> {
  for (let attempt = 1; ; attempt += 1) {
    const outcome = await withClosingLease(options.clickhouse, partnerId, (lease) => addUnderLease(options, lease, { partnerId, adjustment }))
    if (outcome.status === 'done') return outcome.result
    if (attempt === ATTEMPTS) return outcome
    await sleep(RETRY_MS_MAX * Math.random())
  }
}

const ATTEMPTS = 8
const RETRY_MS_MAX = 500

async function addUnderLease(
  { clickhouse, note }: { readonly clickhouse: ClickHouse; readonly note: NoteChange },
  { name: log, epoch, owner }: Lease,
  { partnerId, adjustment }: { readonly partnerId: string; readonly adjustment: ManualAdjustment },
): Promise<AddAdjustmentOutcome> {
  const { entry, forMonth, projectId, metric, reason } = adjustment
  // As the store shows it: "2.50" that is sent again is the same line, and under a new id it would be billed twice.
  const value = parseDecimal(adjustment.value)
  if (value === undefined) throw new RangeError(`The value "${adjustment.value}" is not a decimal.`)
  const [state] = await readBillingStates(clickhouse, partnerId)
  if (state === undefined) throw new Error(`The partner ${partnerId} does not exist.`)
  const [known] = await clickhouse.registry.query(manualByEntry, { partnerId, entry })
  if (known !== undefined) {
    const isSame = known.forMonth === forMonth && known.projectId === projectId && known.metric === metric && known.value === value && known.reason === reason
    return isSame ? { status: 'added', statement: known.billedIn ?? nextToClose(state) } : { status: 'another' }
  }
  // Without the reason: it is free text, and the audit log is never deleted.
  await note({ action: 'statement.adjust', subject: partnerId, details: { entry, for_month: forMonth, project_id: projectId, metric, value } })
  await clickhouse.registry.insert({
    table: 'manual_adjustments_inbox_v1',
    columns: ['log', 'epoch', 'owner', 'partner_id', 'entry', 'for_month', 'project_id', 'metric', 'value', 'reason'],
    text: row([log, epoch, owner, partnerId, entry, forMonth, projectId, metric, value, reason]),
    tag: leaseTag(log),
  })
  return { status: 'added', statement: nextToClose(state) }
}

/** The lines that are on no statement yet, in the order in which they were added. Throws StoreError. */
export function unbilledManualAdjustments({ reads }: ClickHouse, partnerId: string) {
  return reads.query(unbilledManual, { partnerId })
}

const unbilledManual = defineQuery({
  name: 'unbilled_manual_adjustments',
  sql: `SELECT for_month AS forMonth, project_id AS projectId, metric, value, reason FROM manual_adjustments_v1 FINAL
        WHERE partner_id = {partnerId: String} AND entry NOT IN (
          SELECT entry FROM statement_lines_v1
          WHERE partner_id = {partnerId: String} AND line = 'manual' AND closing IN (SELECT closing FROM statements_v1 WHERE partner_id = {partnerId: String}))
        ORDER BY created_at, entry`,
  params: z.object({ partnerId: z.string() }),
  row: z.object({ forMonth: z.string(), projectId: z.string(), metric: z.string(), value: z.string(), reason: z.string() }),
})

const manualByEntry = defineQuery({
  name: 'manual_adjustment_by_entry',
  sql: `SELECT for_month AS forMonth, project_id AS projectId, metric, toString(value) AS value, reason, nullIf((
          SELECT toString(max(month)) FROM statement_lines_v1
          WHERE partner_id = {partnerId: String} AND line = 'manual' AND entry = {entry: String}
            AND closing IN (SELECT closing FROM statements_v1 WHERE partner_id = {partnerId: String})), '') AS billedIn
        FROM manual_adjustments_v1 FINAL
        WHERE partner_id = {partnerId: String} AND entry = {entry: String}`,
  params: z.object({ partnerId: z.string(), entry: z.string() }),
  row: z.object({ forMonth: z.string(), projectId: z.string(), metric: z.string(), value: z.string(), reason: z.string(), billedIn: z.string().nullable() }),
})
