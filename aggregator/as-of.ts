import { z } from 'zod'
import type { ClickHouse } from '../sql/clickhouse.ts'
import { defineQuery } from '../sql/query.ts'

/**
 * The time up to which every log is complete, in ms since 1970: the lowest of their watermarks; null before the first one.
 * Read it before the totals that it describes: what is complete now is in what is read later. Throws StoreError.
 */
export async function readAsOf({ reads }: ClickHouse): Promise<number | null> {
  const [lowest] = await reads.query(lowestWatermark, {})
  return lowest?.asOfMs ?? null
}

/**
 * The active logs are those of each topic's newest incarnation, and also `http`, unless it was released and a topic has replaced it. While
 * an active log has no watermark, usage is not complete up to any time.
 */
const lowestWatermark = defineQuery({
  name: 'lowest_watermark',
  sql: `
    WITH
      watermarks AS (SELECT log, max(newest) AS newest FROM log_watermarks_v2 GROUP BY log),
      topics AS (SELECT topic, max((incarnation, id, partitions)) AS newest FROM topic_incarnations_v1 GROUP BY topic),
      logs AS (
        SELECT concat(topic, '/', toString(newest.1), '/', toString(partition)) AS log FROM topics ARRAY JOIN range(newest.3) AS partition
        UNION ALL
        SELECT log FROM watermarks WHERE log = 'http' AND (newest.released = 0 OR (SELECT count() FROM topics) = 0)
      )
    SELECT toUnixTimestamp64Milli(min(newest.as_of)) AS asOfMs
    FROM logs LEFT JOIN watermarks USING log
    HAVING count() > 0 AND asOfMs > 0`,
  params: z.object({}),
  row: z.object({ asOfMs: z.coerce.number() }),
})
