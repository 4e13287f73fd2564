import { type ByteDays, byteDaysOf } from '../../metering/byte-days.ts'
import { type Month, monthAfter, monthOf, periodOfMonth } from '../../metering/month.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { readCompleteness } from '../usage/completeness.ts'
import { readPartnershipDays } from '../usage/partnership-days.ts'
import { withKinds } from '../usage/with-kinds.ts'
import { type BillingState, isBilledMonth, nextToClose, readBillingStates } from './billing-state.ts'
import { readStatementHeaders, type StatementHeader } from './headers.ts'
import { type MonthTotal, readBilledTotals, totalsOfClosedMonth, totalsOfOpenMonth } from './totals.ts'

/** A partner's month, closed or still open. */
export interface Statement {
  readonly month: Month
  /** Undefined while the month is open. */
  readonly header: StatementHeader | undefined
  readonly asOfMs: number | null
  readonly totals: readonly MonthTotal[]
  /** As metered by now, also of a closed month (byte-days.ts). */
  readonly meteredByteDays: readonly ByteDays[]
  /** True for the open month that is closed next: its statement will also bill, as adjustments, what is unbilled of earlier months. */
  readonly isNext: boolean
}

/** The statements of a partner, from the first billed month to the current one, ascending. Throws StoreError. */
export async function listStatements(clickhouse: ClickHouse, partnerId: string, nowMs: number): Promise<Statement[]> {
  const [state] = await readBillingStates(clickhouse, partnerId)
  if (state === undefined) return []
  const months: Month[] = []
  for (let month = state.billingFrom; isBilledMonth(state, month, nowMs); month = monthAfter(month)) months.push(month)
  return readStatements(clickhouse, state, months)
}

/** Undefined for a month that has no statement: before the partner's first billed month, or in the future. Throws StoreError. */
export async function findStatement(clickhouse: ClickHouse, partnerId: string, month: Month, nowMs: number): Promise<Statement | undefined> {
  const [state] = await readBillingStates(clickhouse, partnerId)
  if (state === undefined || !isBilledMonth(state, month, nowMs)) return undefined
  const [statement] = await readStatements(clickhouse, state, [month])
  return statement
}

/** The months must be consecutive. */
async function readStatements(clickhouse: ClickHouse, state: BillingState, months: readonly Month[]): Promise<Statement[]> {
  const { partnerId } = state
  const [first] = months
  const last = months.at(-1)
  if (first === undefined || last === undefined) return []
  const completeness = await readCompleteness(clickhouse)
  const headers = await readStatementHeaders(clickhouse, partnerId)
  const closings = headers.filter(({ month }) => month >= first).map(({ closing }) => closing)
  const billed = await readBilledTotals(clickhouse, partnerId, closings, first === last ? first : '')
  const known = await withKinds(clickhouse.reads, billed)
  const days = await readPartnershipDays(clickhouse, partnerId, { ...periodOfMonth(last), first: periodOfMonth(first).first }, { completeness, adds: 'month' })
  return months.map((month) => {
    const header = headers.find((each) => each.month === month)
    const totals = header === undefined ? totalsOfOpenMonth(days, month) : totalsOfClosedMonth(days, header, billed, known)
    const meteredByteDays = byteDaysOf(days.filter(({ day }) => monthOf(day) === month))
    return { month, header, asOfMs: header?.asOfMs ?? completeness.asOfMs, totals, meteredByteDays, isNext: nextToClose(state) === month }
  })
}
