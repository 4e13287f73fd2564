import { z } from 'zod'
import type { Month } from '../../metering/month.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery, defineStatement } from '../../sql/query.ts'
import { PROJECTS_OF_PARTNER } from '../usage/projects-of-partner.ts'
import type { ClosedStatementKey } from './canonical-lines.ts'
import type { StatementHeader } from './headers.ts'

/**
 * Those of the closed months in which the partner has another number of events than was billed. Events are never taken back, so as many
 * events are the same events. Throws StoreError.
 */
export async function findUnbilledMonths(
  { reads }: ClickHouse,
  partnerId: string,
  { closed, months }: { readonly closed: readonly StatementHeader[]; readonly months: readonly Month[] },
): Promise<Month[]> {
  if (months.length === 0) return []
  const billed = await reads.query(billedEvents, { partnerId, months: [...months] })
  const counted = await reads.query(eventsOfMonths, { partnerId, months: [...months] })
  return months.filter((month) => {
    const inClosings = new Map(billed.filter((each) => each.month === month).map(({ closing, events }) => [closing, events]))
    const newest = closed.findLast(({ closing }) => inClosings.has(closing))
    const now = counted.find((each) => each.month === month)
    // A month without any row has no events; that is a fact of a query that succeeded, and no default.
    return (newest === undefined ? '0' : inClosings.get(newest.closing)) !== (now === undefined ? '0' : now.events)
  })
}

/** Stores how many events the recount of an attempt found, by month. Throws StoreError. */
export async function writeBilledEvents({ work }: ClickHouse, { partnerId, closing }: ClosedStatementKey, months: readonly Month[]): Promise<void> {
  await work.execute(recordBilledEvents, { partnerId, closing, months: [...months] })
}

const billedEvents = defineQuery({
  name: 'billed_events',
  sql: `SELECT closing, month, toString(events) AS events FROM billed_events_v1 FINAL
        WHERE partner_id = {partnerId: String} AND month IN {months: Array(String)}`,
  params: z.object({ partnerId: z.string(), months: z.array(z.string()) }),
  row: z.object({ closing: z.string(), month: z.string(), events: z.string() }),
})

const eventsOfMonths = defineQuery({
  name: 'events_of_months',
  sql: `SELECT formatDateTime(usage_date, '%Y-%m') AS month, toString(sum(events)) AS events FROM project_usage_per_day_v1
        WHERE project_id IN (${PROJECTS_OF_PARTNER}) AND month IN {months: Array(String)}
        GROUP BY month`,
  params: z.object({ partnerId: z.string(), months: z.array(z.string()) }),
  row: z.object({ month: z.string(), events: z.string() }),
  settings: { max_execution_time: 600 },
})

/** A month without events gets a row too: if it had events before, they were removed, and that was billed. */
const recordBilledEvents = defineStatement({
  name: 'record_billed_events',
  sql: `
    INSERT INTO billed_events_v1 (partner_id, closing, month, events)
    SELECT {partnerId: String}, {closing: String}, month, sum(month_events)
    FROM (
      SELECT month, sum(arraySum(events)) AS month_events FROM statement_recounts_v1
      WHERE partner_id = {partnerId: String} AND closing = {closing: String} GROUP BY month
      UNION ALL
      SELECT arrayJoin({months: Array(String)}), 0
    )
    GROUP BY month`,
  params: z.object({ partnerId: z.string(), closing: z.string(), months: z.array(z.string()) }),
  settings: { max_execution_time: 600 },
})
