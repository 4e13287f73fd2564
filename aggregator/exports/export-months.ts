import { z } from 'zod'
import { type Month, monthsOf } from '../../metering/month.ts'
import type { Period } from '../../metering/period.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { isBilledMonth, readBillingStates } from '../statements/billing-state.ts'

/** A partner's month that an export covers, or a part of. */
export interface ExportedMonth {
  readonly partnerId: string
  readonly month: Month
  /** Whether the partner is billed for it at all. */
  readonly isBilled: boolean
  /** Its statement, once it is closed. */
  readonly closed: ClosedMonth | undefined
}

export interface ClosedMonth {
  readonly closing: string
  readonly sha256: string
  readonly closedMs: number
  readonly asOfMs: number
}

export interface ExportedMonths {
  readonly partnerId: string | undefined
  /** Set: the statements of this month, of the partners that are billed for it. Else the days of the period, as metered. */
  readonly month: Month | undefined
  readonly period: Period
  readonly nowMs: number
}

/** By partner, then month. Throws StoreError. */
export async function readExportedMonths(clickhouse: ClickHouse, { partnerId, month, period, nowMs }: ExportedMonths): Promise<ExportedMonth[]> {
  const states = await readBillingStates(clickhouse, partnerId)
  // The header is the commit: lines of a closing that has none are nobody's statement.
  const headers = await clickhouse.reads.query(headersOfMonths, { months: monthsOf(period), partnerId: partnerId ?? '' })
  const closed = new Map(headers.map((header) => [keyOf(header.partner_id, header.month), header]))
  const months = states.flatMap((state) =>
    monthsOf(period).map((each) => ({
      partnerId: state.partnerId,
      month: each,
      isBilled: isBilledMonth(state, each, nowMs),
      closed: closed.get(keyOf(state.partnerId, each)),
    })),
  )
  return month === undefined ? months : months.filter(({ isBilled }) => isBilled)
}

function keyOf(partnerId: string, month: Month): string {
  return JSON.stringify([partnerId, month])
}

const headersOfMonths = defineQuery({
  name: 'statement_headers_of_months',
  sql: `SELECT partner_id, month, closing, sha256, toUnixTimestamp64Milli(closed_at) AS closedMs, toUnixTimestamp64Milli(as_of) AS asOfMs
        FROM statements_v1 WHERE month IN {months: Array(String)} AND {partnerId: String} IN ('', partner_id)`,
  params: z.object({ months: z.array(z.string()), partnerId: z.string() }),
  row: z.object({ partner_id: z.string(), month: z.string(), closing: z.string(), sha256: z.string(), closedMs: z.coerce.number(), asOfMs: z.coerce.number() }),
})
