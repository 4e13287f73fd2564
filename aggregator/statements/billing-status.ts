import { type Month, monthOf, monthsOf } from '../../metering/month.ts'
import type { Period } from '../../metering/period.ts'
import { dayOf } from '../../metering/timestamp.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { shareRuns } from '../../sql/read-by-key.ts'
import { readStatementHeaders } from './headers.ts'
import { monthsOfNewProjects, readMonthChanges } from './month-changes.ts'
import { findStatement } from './read-statements.ts'

export type BillingStatus = 'final' | 'provisional'

export interface BilledPeriod {
  readonly partnerId: string
  readonly period: Period
  readonly nowMs: number
}

/**
 * `final` when every month that the period touches is closed and no later usage of these months is unbilled. What was stored since a month was
 * billed is read after `totals`, which the answer has beside it: an event that is in the totals is never overlooked. Throws StoreError.
 */
export async function readBillingStatus(clickhouse: ClickHouse, { partnerId, period, nowMs }: BilledPeriod, totals?: Promise<unknown>): Promise<BillingStatus> {
  // The current month is never closed, and most requests include it.
  if (monthOf(period.last) >= monthOf(dayOf(nowMs))) return 'provisional'
  const headers = await readStatementHeaders(clickhouse, partnerId)
  const closed = new Set(headers.map(({ month }) => month))
  const months = monthsOf(period)
  const last = headers.at(-1)
  if (last === undefined || !months.every((month) => closed.has(month))) return 'provisional'
  await totals
  const changes = await readMonthChanges(clickhouse, months)
  const ofNewProjects = await monthsOfNewProjects(clickhouse, partnerId, last.projectsThroughMs)
  const changed = months.filter((month) => ofNewProjects.has(month) || changes.get(month) !== last.billedChanges.get(month))
  for (const month of changed) if (await isAnythingUnbilled(clickhouse, partnerId, month, nowMs)) return 'provisional'
  return 'final'
}

/** For a month in which something was stored since it was last billed: it may be another partner's usage, or change no total. */
function isAnythingUnbilled(clickhouse: ClickHouse, partnerId: string, month: Month, nowMs: number): Promise<boolean> {
  return shareRuns(clickhouse.reads, isAnythingUnbilled, { partnerId, month }, async () => {
    const statement = await findStatement(clickhouse, partnerId, month, nowMs)
    return statement === undefined || statement.totals.some(({ unbilled }) => unbilled !== '0')
  })
}
