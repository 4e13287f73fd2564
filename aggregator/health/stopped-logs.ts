import { z } from 'zod'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { LOGS_IN_FORCE } from '../logs-in-force.ts'

/** A log of the source in force that an incident has stopped. */
export interface StoppedLog {
  readonly log: string
  readonly kind: string
  /** The offset at which it stopped: with log and kind, it identifies the incident. */
  readonly next: number
  /** When it was stored first. ms since 1970, by the clock of the store. */
  readonly sinceMs: number
  /** What has happened, and the command that continues. */
  readonly message: string
}

/** The logs that are stopped now, whichever process has them. Throws StoreError. */
export function readStoppedLogs({ reads }: Pick<ClickHouse, 'reads'>): Promise<StoppedLog[]> {
  return reads.query(stoppedLogs, {})
}

/** Only the process that reads a log publishes watermarks: one under a newer lease says that the log is read again. */
const stoppedLogs = defineQuery({
  name: 'stopped_logs',
  sql: `
    WITH${LOGS_IN_FORCE},
      incidents AS (
        SELECT log, kind, next_offset, min(first_at) AS since, max(newest) AS newest FROM log_incidents_v1
        WHERE log IN (SELECT log FROM logs) GROUP BY log, kind, next_offset ORDER BY newest DESC LIMIT 1 BY log
      ),
      watermarks AS (SELECT log, max(newest) AS newest FROM log_watermarks_v2 GROUP BY log)
    SELECT log, kind, next_offset AS next, toUnixTimestamp64Milli(since) AS sinceMs, incidents.newest.message AS message
    FROM incidents LEFT JOIN watermarks USING log
    WHERE (incidents.newest.epoch, incidents.newest.owner) >= (watermarks.newest.epoch, watermarks.newest.owner)
    ORDER BY log`,
  params: z.object({}),
  row: z.object({ log: z.string(), kind: z.string(), next: z.coerce.number(), sinceMs: z.coerce.number(), message: z.string() }),
})
