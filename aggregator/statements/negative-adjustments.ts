import { z } from 'zod'
import type { Month } from '../../metering/month.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { queryOne } from '../../sql/query-one.ts'
import { COUNTED_LATE } from './adjustment-reasons.ts'
import type { ClosedStatementKey } from './canonical-lines.ts'

/**
 * A month that a statement corrects to less than was billed, although no line of it names a correction of events. Without corrections
 * usage only grows, so this can only follow a fault that was repaired.
 */
export interface NegativeAdjustment {
  readonly forMonth: Month
  readonly metric: string
  readonly value: string
}

/** The negative adjustments on a statement, or among the lines of a closing that has no header yet. Throws StoreError. */
export function readNegativeAdjustments({ work }: ClickHouse, { partnerId, closing }: ClosedStatementKey): Promise<NegativeAdjustment[]> {
  return work.query(negativeAdjustments, { partnerId, closing })
}

/** How many there are on the statements of all partners that were closed within the last 30 days. Throws StoreError. */
export async function countNegativeAdjustments({ work }: ClickHouse): Promise<number> {
  const { negative } = await queryOne(work, recentNegativeAdjustments, {})
  return negative
}

/** Over the grouped lines of a month and metric. The only other reason is that of a correction. */
const IS_EXPLAINED = `countIf(reason != '${COUNTED_LATE}') > 0`

const negativeAdjustments = defineQuery({
  name: 'negative_adjustments',
  sql: `SELECT for_month AS forMonth, metric, sum(value) AS value FROM statement_lines_v1
        WHERE partner_id = {partnerId: String} AND closing = {closing: String} AND line = 'adjustment'
        GROUP BY for_month, metric HAVING value < 0 AND NOT ${IS_EXPLAINED} ORDER BY for_month, metric`,
  params: z.object({ partnerId: z.string(), closing: z.string() }),
  row: z.object({ forMonth: z.string(), metric: z.string(), value: z.string() }),
})

const recentNegativeAdjustments = defineQuery({
  name: 'recent_negative_adjustments',
  sql: `SELECT count() AS negative FROM (
          SELECT partner_id, closing, for_month, metric FROM statement_lines_v1
          WHERE line = 'adjustment' AND (partner_id, closing) IN (SELECT partner_id, closing FROM statements_v1 WHERE closed_at > now() - INTERVAL 30 DAY)
          GROUP BY partner_id, closing, for_month, metric HAVING sum(value) < 0 AND NOT ${IS_EXPLAINED})`,
  params: z.object({}),
  row: z.object({ negative: z.coerce.number() }),
})
