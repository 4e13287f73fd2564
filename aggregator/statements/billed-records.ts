import { z } from 'zod'
import type { Month } from '../../metering/month.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { row } from '../../sql/tab-separated.ts'
import { PROJECTS_OF_PARTNER } from '../usage/projects-of-partner.ts'
import type { ClosedStatementKey } from './canonical-lines.ts'
import type { StatementHeader } from './headers.ts'

/** How many records a partner has by month: its events and their corrections. */
export type Records = ReadonlyMap<Month, string>

/**
 * Reads it before the recount, which then includes at least these. Neither events nor corrections are ever taken back, so as many records
 * are the same records, and the same bill. The number of events alone would not do: an amendment does not change it. Throws StoreError.
 */
export async function readRecords({ reads }: ClickHouse, partnerId: string, months: readonly Month[]): Promise<Records> {
  const stored = await reads.query(recordsOfMonths, { partnerId, months: [...months] })
  return new Map(months.map((month) => [month, recordsOrNone(stored.find((each) => each.month === month))]))
}

/** A month without any row has no records. The query succeeded, so this 0 is a fact and no default. */
function recordsOrNone(stored: { readonly records: string } | undefined): string {
  return stored === undefined ? '0' : stored.records
}

/** Those of the closed months in which the partner has another number of records than was billed. Throws StoreError. */
export async function findUnbilledMonths(
  { reads }: ClickHouse,
  partnerId: string,
  { closed, months, records }: { readonly closed: readonly StatementHeader[]; readonly months: readonly Month[]; readonly records: Records },
): Promise<Month[]> {
  if (months.length === 0) return []
  const billed = await reads.query(billedRecords, { partnerId, months: [...months] })
  return months.filter((month) => {
    const inClosings = new Map(billed.filter((each) => each.month === month).map(({ closing, records }) => [closing, records]))
    const newest = closed.findLast(({ closing }) => inClosings.has(closing))
    return (newest === undefined ? '0' : inClosings.get(newest.closing)) !== records.get(month)
  })
}

/**
 * Stores how many records the bill of each recounted month includes. A month without records gets a row too: if it had some before, they
 * were removed, and that was billed. Throws StoreError.
 */
export async function writeBilledRecords(
  { work }: ClickHouse,
  { partnerId, closing }: ClosedStatementKey,
  { months, records }: { readonly months: readonly Month[]; readonly records: Records },
): Promise<void> {
  const text = months.map((month) => row([partnerId, closing, month, recordsOf(records, month)])).join('')
  await work.insert({ table: 'billed_events_v1', columns: ['partner_id', 'closing', 'month', 'events'], text })
}

function recordsOf(records: Records, month: Month): string {
  const number = records.get(month)
  if (number === undefined) throw new Error(`The number of records of ${month} was not read before its recount.`)
  return number
}

/** The column is named for the time when there were no corrections. */
const billedRecords = defineQuery({
  name: 'billed_records',
  sql: `SELECT closing, month, toString(events) AS records FROM billed_events_v1 FINAL
        WHERE partner_id = {partnerId: String} AND month IN {months: Array(String)}`,
  params: z.object({ partnerId: z.string(), months: z.array(z.string()) }),
  row: z.object({ closing: z.string(), month: z.string(), records: z.string() }),
})

const recordsOfMonths = defineQuery({
  name: 'records_of_months',
  sql: `SELECT formatDateTime(usage_date, '%Y-%m') AS month, toString(sum(events) + sum(corrections)) AS records FROM project_usage_per_day_v1
        WHERE project_id IN (${PROJECTS_OF_PARTNER}) AND month IN {months: Array(String)}
        GROUP BY month`,
  params: z.object({ partnerId: z.string(), months: z.array(z.string()) }),
  row: z.object({ month: z.string(), records: z.string() }),
  settings: { max_execution_time: 600 },
})
