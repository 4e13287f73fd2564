import { z } from 'zod'
import { type ByteDays, byteDaysOf, type DayOfMetric } from '../../metering/byte-days.ts'
import { compareDecimals } from '../../metering/exact-decimal.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import type { Statement } from './read-statements.ts'

/**
 * The byte-days of a partner's month: of an open month as metered so far; of a closed one those of the recount from which its lines were
 * computed, so they never change either. Throws StoreError.
 */
export async function readByteDays({ reads }: ClickHouse, partnerId: string, statement: Statement): Promise<readonly ByteDays[]> {
  const { month, header } = statement
  if (header === undefined) return statement.meteredByteDays
  const rows = await reads.query(recountedPartnerDays, { partnerId, closing: header.closing, month })
  requireSameRecount(statement, rows)
  const known = new Map(header.metrics.map((each) => [each.metric, each]))
  return byteDaysOf(
    rows.flatMap(({ metric, value }): DayOfMetric[] => {
      const ofMetric = known.get(metric)
      return ofMetric === undefined ? [] : [{ ...ofMetric, value }]
    }),
  )
}

/** If the rows did not hold the peaks that were billed, they would not be those from which the statement was computed. */
function requireSameRecount({ month, totals }: Statement, rows: readonly RecountedDay[]): void {
  for (const { metric, kind, value, peakDay } of totals) {
    if (kind !== 'peak' || peakDay === null) continue
    const ofDay = rows.find((each) => each.metric === metric && each.day === peakDay)
    if (ofDay === undefined || compareDecimals(ofDay.value, value) !== 0)
      throw new Error(`The statement of ${month} has ${value} of ${metric} on ${peakDay}, but its recount ${ofDay?.value ?? 'nothing'}.`)
  }
}

const RecountedDay = z.object({ metric: z.string(), day: z.string(), value: z.string() })
type RecountedDay = z.output<typeof RecountedDay>

const recountedPartnerDays = defineQuery({
  name: 'recounted_partner_days',
  sql: `SELECT metric, day, sum(value) AS value
        FROM statement_recounts_v1 ARRAY JOIN days AS day, values AS value
        WHERE partner_id = {partnerId: String} AND closing = {closing: String} AND month = {month: String}
        GROUP BY metric, day`,
  params: z.object({ partnerId: z.string(), closing: z.string(), month: z.string() }),
  row: RecountedDay,
  settings: { max_execution_time: 600 },
})
