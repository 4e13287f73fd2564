import { type Month, monthAfter, monthOf, periodOfMonth } from '../../metering/month.ts'
import type { Period } from '../../metering/period.ts'
import { dayOf } from '../../metering/timestamp.ts'
import { readBillingStates } from '../../registry/billing.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { readAsOf } from '../as-of.ts'
import { readPartnershipDays } from '../usage/partnership-days.ts'
import { type MonthTotal, readBilledTotals, totalsOfClosedMonth, totalsOfOpenMonth } from './billed-totals.ts'
import { nextToClose } from './close-month.ts'
import { readStatementHeaders, type StatementHeader } from './statement-headers.ts'

/** A partner's month: billed, or on its way to be. */
export interface Statement {
  readonly month: Month
  /** Undefined while the month is open. */
  readonly header: StatementHeader | undefined
  readonly asOfMs: number | null
  readonly totals: readonly MonthTotal[]
  /** The open month that is closed next: what is unbilled of the months before is corrected on its statement. */
  readonly isNext: boolean
}

/** The statements of a partner, from the first month that is billed to the current one, ascending. Throws StoreError. */
export async function listStatements(clickhouse: ClickHouse, partnerId: string, nowMs: number): Promise<Statement[]> {
  const months = await readStatementMonths(clickhouse, partnerId, nowMs)
  const [first] = months
  const last = months.at(-1)
  if (first === undefined || last === undefined) return []
  return readStatements(clickhouse, partnerId, { months, span: { ...periodOfMonth(first), last: periodOfMonth(last).last, end: periodOfMonth(last).end } })
}

/** Undefined for a month that has no statement: before the partner is billed, or in the future. Throws StoreError. */
export async function findStatement(clickhouse: ClickHouse, partnerId: string, month: Month, nowMs: number): Promise<Statement | undefined> {
  if (!(await readStatementMonths(clickhouse, partnerId, nowMs)).includes(month)) return undefined
  const [statement] = await readStatements(clickhouse, partnerId, { months: [month], span: periodOfMonth(month) })
  return statement
}

async function readStatementMonths(clickhouse: ClickHouse, partnerId: string, nowMs: number): Promise<Month[]> {
  const [state] = await readBillingStates(clickhouse, partnerId)
  const months: Month[] = []
  if (state === undefined) return months
  for (let month = state.billingFrom; month <= monthOf(dayOf(nowMs)); month = monthAfter(month)) months.push(month)
  return months
}

async function readStatements(clickhouse: ClickHouse, partnerId: string, { months, span }: { months: readonly Month[]; span: Period }): Promise<Statement[]> {
  const asOfMs = await readAsOf(clickhouse)
  const [state] = await readBillingStates(clickhouse, partnerId)
  const headers = await readStatementHeaders(clickhouse, partnerId)
  const only = months.length === 1 ? months[0] : undefined
  const closings = headers.filter(({ month }) => only === undefined || month >= only).map(({ closing }) => closing)
  const billed = await readBilledTotals(clickhouse, partnerId, closings, only)
  const days = await readPartnershipDays(clickhouse, partnerId, span)
  return months.map((month) => {
    const header = headers.find((each) => each.month === month)
    const totals = header === undefined ? totalsOfOpenMonth(days, month) : totalsOfClosedMonth(days, header, billed)
    return { month, header, asOfMs: header?.asOfMs ?? asOfMs, totals, isNext: state !== undefined && nextToClose(state) === month }
  })
}
