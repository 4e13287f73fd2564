import { z } from 'zod'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { logsOf, pinIncarnation } from './incarnation.ts'
import type { Topic } from './topic.ts'

export interface LogState {
  readonly log: string
  /** The offsets that the topic holds. */
  readonly begin: number
  readonly end: number
  /** All through this offset is settled; -1 before the first watermark. */
  readonly settledThrough: number
  /** ms since 1970; null before the first watermark. */
  readonly asOfMs: number | null
  /** Who published the last watermark, and whether it has left since. */
  readonly owner: string
  readonly released: boolean
}

/** Every log of the topic's incarnation in force. Throws StoreError, KafkaUnavailable. */
export async function listLogs(clickhouse: ClickHouse, topic: Topic): Promise<LogState[]> {
  const incarnation = await pinIncarnation(clickhouse, topic)
  const extents = await topic.extents()
  const names = logsOf(incarnation)
  const watermarks = new Map((await clickhouse.reads.query(watermarksOf, { logs: names })).map((watermark) => [watermark.log, watermark]))
  return names.map((log, partition) => {
    const watermark = watermarks.get(log)
    const { begin, end } = extents[partition] ?? { begin: 0, end: 0 }
    return {
      log,
      begin,
      end,
      settledThrough: watermark?.settled_through ?? -1,
      asOfMs: watermark === undefined || watermark.as_of_ms === 0 ? null : watermark.as_of_ms,
      owner: watermark?.host ?? '',
      released: watermark?.released === 1,
    }
  })
}

const watermarksOf = defineQuery({
  name: 'watermarks_of',
  sql: `SELECT log, newest.settled_through AS settled_through, toUnixTimestamp64Milli(newest.as_of) AS as_of_ms, newest.host AS host, newest.released AS released
        FROM (SELECT log, max(newest) AS newest FROM log_watermarks_v1 WHERE log IN {logs: Array(String)} GROUP BY log)`,
  params: z.object({ logs: z.array(z.string()) }),
  row: z.object({ log: z.string(), settled_through: z.coerce.number(), as_of_ms: z.coerce.number(), host: z.string(), released: z.number() }),
})
