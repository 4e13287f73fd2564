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
 * Only the logs of the source in force count: `http`, or those of its topic's newest incarnation. While one of them has no watermark,
 * or while the source is being switched, usage is not complete up to any time.
 */
const lowestWatermark = defineQuery({
  name: 'lowest_watermark',
  sql: `
    WITH
      (SELECT if(argMax(in_force, (epoch, owner, in_force)) = 1, argMax(source, (epoch, owner, in_force)), '') FROM sources_v1) AS source_in_force,
      logs AS (
        SELECT concat(topic, '/', toString(newest.1), '/', toString(partition)) AS log
        FROM (SELECT topic, max((incarnation, id, partitions)) AS newest FROM topic_incarnations_v1 WHERE topic = source_in_force GROUP BY topic)
        ARRAY JOIN range(newest.3) AS partition
        UNION ALL
        SELECT 'http' WHERE source_in_force = 'http'
      ),
      watermarks AS (SELECT log, max(newest) AS newest FROM log_watermarks_v2 GROUP BY log)
    SELECT toUnixTimestamp64Milli(min(newest.as_of)) AS asOfMs
    FROM logs LEFT JOIN watermarks USING log
    HAVING count() > 0 AND asOfMs > 0`,
  params: z.object({}),
  row: z.object({ asOfMs: z.coerce.number() }),
})
