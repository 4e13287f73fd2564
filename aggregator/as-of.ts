import { z } from 'zod'
import type { ClickHouse } from '../sql/clickhouse.ts'
import { defineQuery } from '../sql/query.ts'

/**
 * The time up to which every log is complete, in ms since 1970: the least of their watermarks; null before the first one.
 * Ask for it before the totals it stands beside: what is complete now is in what is read later.
 */
export async function readAsOf({ reads }: ClickHouse): Promise<number | null> {
  const [answer] = await reads.query(leastWatermark, {})
  return answer?.as_of_ms ?? null
}

const leastWatermark = defineQuery({
  name: 'least_watermark',
  sql: `SELECT toUnixTimestamp64Milli(min(newest.as_of)) AS as_of_ms
        FROM (SELECT log, max(newest) AS newest FROM log_watermarks_v1 GROUP BY log)
        HAVING count() > 0`,
  params: z.object({}),
  row: z.object({ as_of_ms: z.coerce.number() }),
})
