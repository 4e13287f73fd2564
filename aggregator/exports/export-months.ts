import { z } from 'zod'
import { type Month, monthsOf } from '../../metering/month.ts'
import type { Period } from '../../metering/period.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { isBilledMonth, readBillingStates } from '../statements/billing-state.ts'

/** A partner's month that an export covers fully or in part. */
export interface ExportedMonth {
  readonly partnerId: string
  readonly month: Month
  /** False for a month before the partner's first billed one. */
  readonly isBilled: boolean
  /** Undefined while the month is open. */
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
  /** Set for the statements of this month, of all partners that are billed for it; undefined for the days of the period as metered. */
  readonly month: Month | undefined
  readonly period: Period
  readonly nowMs: number
}

/** The months of an export, by partner, then by month. Throws StoreError. */
export async function readExportedMonths(clickhouse: ClickHouse, { partnerId, month, period, nowMs }: ExportedMonths): Promise<ExportedMonth[]> {
  const states = await readBillingStates(clickhouse, partnerId)
  // The header is the commit: lines of a closing without one are not part of any statement.
  const headers = await clickhouse.reads.query(headersOfMonths, { months: monthsOf(period), partnerId: partnerId ?? '' })
  const closed = new Map(headers.map((header) => [keyOf(header.partnerId, header.month), header]))
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
  sql: `SELECT partner_id AS partnerId, month, closing, sha256, toUnixTimestamp64Milli(closed_at) AS closedMs, toUnixTimestamp64Milli(as_of) AS asOfMs
        FROM statements_v1 WHERE month IN {months: Array(String)} AND {partnerId: String} IN ('', partner_id)`,
  params: z.object({ months: z.array(z.string()), partnerId: z.string() }),
  row: z.object({ partnerId: z.string(), month: z.string(), closing: z.string(), sha256: z.string(), closedMs: z.coerce.number(), asOfMs: z.coerce.number() }),
})
