import { z } from 'zod'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { logsOf, pinIncarnation } from './incarnation.ts'
import { requireExtents, type Topic } from './topic.ts'

export interface LogState {
  readonly log: string
  /** The offsets that the topic has now. */
  readonly begin: number
  readonly end: number
  /** All offsets up to and including this one are settled; -1 before the first watermark. */
  readonly settledThrough: number
  /** ms since 1970; null before the first watermark. */
  readonly asOfMs: number | null
  /** The host that published the last watermark. */
  readonly owner: string
  /** Whether that owner has released the log. */
  readonly released: boolean
}

/** Lists the logs of the topic's incarnation in force. Throws StoreError, KafkaUnavailable. */
export async function listLogs(clickhouse: ClickHouse, topic: Topic): Promise<LogState[]> {
  const incarnation = await pinIncarnation(clickhouse, topic)
  const extents = requireExtents(await topic.extents())
  const names = logsOf(incarnation)
  const watermarks = new Map((await clickhouse.reads.query(watermarksOf, { logs: names })).map((watermark) => [watermark.log, watermark]))
  return names.map((log, partition) => {
    const watermark = watermarks.get(log)
    const { begin, end } = extents[partition] ?? { begin: 0, end: 0 }
    return {
      log,
      begin,
      end,
      settledThrough: watermark?.settledThrough ?? -1,
      asOfMs: watermark === undefined || watermark.asOfMs === 0 ? null : watermark.asOfMs,
      owner: watermark?.host ?? '',
      released: watermark?.released === 1,
    }
  })
}

const watermarksOf = defineQuery({
  name: 'watermarks_of',
  sql: `SELECT log, newest.settled_through AS settledThrough, toUnixTimestamp64Milli(newest.as_of) AS asOfMs, newest.host AS host, newest.released AS released
        FROM (SELECT log, max(newest) AS newest FROM log_watermarks_v2 WHERE log IN {logs: Array(String)} GROUP BY log)`,
  params: z.object({ logs: z.array(z.string()) }),
  row: z.object({ log: z.string(), settledThrough: z.coerce.number(), asOfMs: z.coerce.number(), host: z.string(), released: z.number() }),
})
