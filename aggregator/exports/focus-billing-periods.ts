import { periodOfMonth } from '../../metering/month.ts'
import { formatTimestamp } from '../../metering/timestamp.ts'
import type { Partner } from '../../registry/partners.ts'
import { type CsvOptions, csvHeader, csvLine } from './export-csv.ts'
import type { ExportedMonth } from './export-months.ts'
import { PROVIDER } from './focus-rows.ts'

export interface BillingPeriods {
  readonly months: readonly ExportedMonth[]
  readonly partners: readonly Partner[]
  readonly liveAsOfMs: number | null
  readonly csv: CsvOptions
}

/**
 * The table that accompanies the charges and says whether a billing period is open or closed. It is the same beside charges of every
 * version: neither FOCUS 1.2 nor 1.3 has such a dataset. Its columns are some of the one that 1.4 has, with the partner. It has one row per partner and month, so it stays small whatever the usage.
 */
export function billingPeriodRows({ months, partners, liveAsOfMs, csv }: BillingPeriods): { rows: number; file: AsyncIterable<Uint8Array> } {
  const names = new Map(partners.map(({ id, name }) => [id, name]))
  const billed = months.filter(({ isBilled }) => isBilled)
  const lines = billed.map(({ partnerId, month, closed }) => {
    const { first, end } = periodOfMonth(month)
    const updatedMs = closed === undefined ? liveAsOfMs : closed.closedMs
    const updated = updatedMs === null ? null : formatTimestamp(updatedMs)
    const status = closed === undefined ? 'Open' : 'Closed'
    return csvLine([{ key: partnerId }, names.get(partnerId) ?? null, `${end}T00:00:00Z`, updated, `${first}T00:00:00Z`, status, PROVIDER], csv)
  })
  return { rows: lines.length, file: inChunks(lines, csv) }
}

const COLUMNS = [
  'BillingAccountId',
  'BillingAccountName',
  'BillingPeriodEnd',
  'BillingPeriodLastUpdated',
  'BillingPeriodStart',
  'BillingPeriodStatus',
  'InvoiceIssuerName',
]

async function* inChunks(lines: readonly string[], csv: CsvOptions): AsyncIterable<Uint8Array> {
  yield csvHeader(COLUMNS, csv)
  if (lines.length > 0) yield Buffer.from(lines.join(''))
}
