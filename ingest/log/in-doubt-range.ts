import { z } from 'zod'
import type { Lane } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { queryOne } from '../../sql/query-one.ts'

/** The offsets [first, through] of a log. */
export interface LogRange {
  readonly first: number
  readonly through: number
}

export interface InDoubtRange extends LogRange {
  /** True when an owner published, after the whole range was acknowledged or reconciled, that it is settled: then it is not in doubt. */
  readonly settled: boolean
  /** The log's last watermark, in ms since 1970; 0 before the first. */
  readonly asOfMs: number
}

/**
 * The range of a log's last batch, undefined before the first batch. Read it only after the previous owner's statements were
 * killed: from then on the stored position is final. A watermark ends the doubt only if its lease is the same or a later one,
 * because a replay goes back to lower offsets under a new lease.
 */
export async function readInDoubtRange(lane: Lane, log: string): Promise<InDoubtRange | undefined> {
  const [range] = await lane.query(inDoubtRange, { log })
  return range && { ...range, settled: range.settled === 1 }
}

/** At most how many events of all logs are in doubt, including batches that are being written at this moment. Throws StoreError. */
export async function countEventsInDoubt(lane: Lane): Promise<number> {
  return (await queryOne(lane, eventsInDoubt, {})).events
}

/** Whether a range is settled, as readInDoubtRange says, in SQL of `position` and `watermark`, the newest of a log. */
export const IS_SETTLED = '(watermark.epoch, watermark.owner) >= (position.epoch, position.owner) AND watermark.settled_through >= toInt64(position.through)'

const eventsInDoubt = defineQuery({
  name: 'events_in_doubt',
  sql: `SELECT sum(position.through - position.first + 1) AS events
        FROM (SELECT log, max(newest) AS position FROM log_positions_v1 GROUP BY log) AS positions
        LEFT JOIN (SELECT log, max(newest) AS watermark FROM log_watermarks_v2 GROUP BY log) AS watermarks USING log
        WHERE NOT (${IS_SETTLED})`,
  params: z.object({}),
  row: z.object({ events: z.coerce.number() }),
})

const inDoubtRange = defineQuery({
  name: 'in_doubt_range',
  sql: `SELECT position.first AS first, position.through AS through,
          ${IS_SETTLED} AS settled,
          toUnixTimestamp64Milli(watermark.as_of) AS asOfMs
        FROM (SELECT log, max(newest) AS position FROM log_positions_v1 WHERE log = {log: String} GROUP BY log) AS positions
        LEFT JOIN (SELECT log, max(newest) AS watermark FROM log_watermarks_v2 WHERE log = {log: String} GROUP BY log) AS watermarks USING log`,
  params: z.object({ log: z.string() }),
  row: z.object({ first: z.coerce.number(), through: z.coerce.number(), settled: z.number(), asOfMs: z.coerce.number() }),
})
