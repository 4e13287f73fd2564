import { z } from 'zod'
import type { ExactDecimal } from '../../metering/exact-decimal.ts'
import type { MetricName } from '../../metering/metrics.ts'
import type { Month } from '../../metering/month.ts'
import type { NoteChange } from '../../registry/audit-log.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { row } from '../../sql/tab-separated.ts'

/** A line that an operator adds to a partner's next statement. */
export interface ManualAdjustment {
  /** Its id: the same entry twice is one line. */
  readonly entry: string
  readonly forMonth: Month
  /** Empty when it concerns no single project. */
  readonly projectId: string
  readonly metric: MetricName
  /** With its sign. */
  readonly value: ExactDecimal
  readonly reason: string
}

/**
 * `billedIn` is the closed month whose statement has the line; null while it waits for the next closing. `another`: a different line
 * has the same id, and nothing was changed.
 */
export type AddAdjustmentOutcome = { readonly status: 'added'; readonly billedIn: Month | null } | { readonly status: 'another' }

/** Stores the line until the next closing puts it on a statement. Usage is not touched. Idempotent by `entry`. Throws StoreError. */
export async function addManualAdjustment(
  { clickhouse: { registry }, note }: { clickhouse: ClickHouse; note: NoteChange },
  partnerId: string,
  adjustment: ManualAdjustment,
): Promise<AddAdjustmentOutcome> {
  const { entry, forMonth, projectId, metric, value, reason } = adjustment
  const [known] = await registry.query(manualByEntry, { partnerId, entry })
  if (known !== undefined) {
    const isSame = known.forMonth === forMonth && known.projectId === projectId && known.metric === metric && known.value === value && known.reason === reason
    return isSame ? { status: 'added', billedIn: known.billedIn } : { status: 'another' }
  }
  // Without the reason: it is free text, and the audit log is never deleted.
  await note({ action: 'statement.adjust', subject: partnerId, details: { entry, for_month: forMonth, project_id: projectId, metric, value } })
  await registry.insert({
    table: 'manual_adjustments_v1',
    columns: ['partner_id', 'entry', 'for_month', 'project_id', 'metric', 'value', 'reason'],
    text: row([partnerId, entry, forMonth, projectId, metric, value, reason]),
  })
  return { status: 'added', billedIn: null }
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
