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

/**
 * The logs in force are those of each topic's newest incarnation, and `http` unless it was left in good order and a topic
 * has taken its place. One that has no watermark yet is complete up to no time at all.
 */
const leastWatermark = defineQuery({
  name: 'least_watermark',
  sql: `
    WITH
      watermarks AS (SELECT log, max(newest) AS newest FROM log_watermarks_v1 GROUP BY log),
      topics AS (SELECT topic, max((incarnation, id, partitions)) AS newest FROM topic_incarnations_v1 GROUP BY topic),
      logs AS (
        SELECT concat(topic, '/', toString(newest.1), '/', toString(partition)) AS log FROM topics ARRAY JOIN range(newest.3) AS partition
        UNION ALL
        SELECT log FROM watermarks WHERE log = 'http' AND (newest.released = 0 OR (SELECT count() FROM topics) = 0)
      )
    SELECT toUnixTimestamp64Milli(min(newest.as_of)) AS as_of_ms
    FROM logs LEFT JOIN watermarks USING log
    HAVING count() > 0 AND as_of_ms > 0`,
  params: z.object({}),
  row: z.object({ as_of_ms: z.coerce.number() }),
})
