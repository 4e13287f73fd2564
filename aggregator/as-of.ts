import { z } from 'zod'
import type { ClickHouse } from '../sql/clickhouse.ts'
import { defineQuery, IN_ONE_THREAD } from '../sql/query.ts'
import { LOGS_IN_FORCE } from './logs-in-force.ts'

/**
 * The time up to which every log is complete, in ms since 1970: the lowest of their watermarks; null before the first one.
 * Read it before the totals that it describes: what is complete now is in what is read later. Throws StoreError.
 */
export async function readAsOf({ reads }: ClickHouse): Promise<number | null> {
  const [lowest] = await reads.query(lowestWatermark, {})
  return lowest?.asOfMs ?? null
}

/**
 * Only the logs of the source in force count. While one of them has no watermark, or while the source is being switched, usage is not
 * complete up to any time.
 */
const lowestWatermark = defineQuery({
  name: 'lowest_watermark',
  sql: `
    WITH${LOGS_IN_FORCE},
      watermarks AS (SELECT log, max(newest) AS newest FROM log_watermarks_v2 GROUP BY log)
    SELECT toUnixTimestamp64Milli(min(newest.as_of)) AS asOfMs
    FROM logs LEFT JOIN watermarks USING log
    HAVING count() > 0 AND asOfMs > 0`,
  params: z.object({}),
  row: z.object({ asOfMs: z.coerce.number() }),
  settings: IN_ONE_THREAD,
})
