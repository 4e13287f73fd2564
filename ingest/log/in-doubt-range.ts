import { z } from 'zod'
import type { Lane } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'

/** The offsets [first, through] of a log. */
export interface LogRange {
  readonly first: number
  readonly through: number
}

export interface InDoubtRange extends LogRange {
  /** An owner said, after all of it was acknowledged or settled, that it is: it is not in doubt. */
  readonly settled: boolean
  /** The log's last watermark, in ms since 1970; 0 before the first. */
  readonly asOfMs: number
}

/**
 * The range of a log's last batch, undefined before the first. Read it after the kill: what stands then is final.
 * A watermark ends the doubt only when it is of the same or a later ownership: a replay goes back under a new one.
 */
export async function readInDoubtRange(lane: Lane, log: string): Promise<InDoubtRange | undefined> {
  const [range] = await lane.query(lastRange, { log })
  return range && { first: range.first, through: range.through, settled: range.settled === 1, asOfMs: range.as_of_ms }
}

const lastRange = defineQuery({
  name: 'last_range',
  sql: `SELECT position.first AS first, position.through AS through,
          (watermark.epoch, watermark.owner) >= (position.epoch, position.owner) AND watermark.settled_through >= toInt64(position.through) AS settled,
          toUnixTimestamp64Milli(watermark.as_of) AS as_of_ms
        FROM (SELECT log, max(newest) AS position FROM log_positions_v1 WHERE log = {log: String} GROUP BY log) AS positions
        LEFT JOIN (SELECT log, max(newest) AS watermark FROM log_watermarks_v1 WHERE log = {log: String} GROUP BY log) AS watermarks USING log`,
  params: z.object({ log: z.string() }),
  row: z.object({ first: z.coerce.number(), through: z.coerce.number(), settled: z.number(), as_of_ms: z.coerce.number() }),
})
