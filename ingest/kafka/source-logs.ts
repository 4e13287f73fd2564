import { z } from 'zod'
import type { ClickHouse, Lane } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { shardsOf } from '../../sql/shards.ts'
import { IS_SETTLED } from '../log/in-doubt-range.ts'
import { HTTP_SOURCE } from '../source/source-in-force.ts'
import { logsOf, readIncarnation } from './incarnation.ts'

/** Up to where a log of a source was read. */
export interface ReadLog {
  readonly log: string
  /** All offsets up to and including this one are settled; -1 before the first watermark. */
  readonly settledThrough: number
  /** ms since 1970; null before the first watermark. */
  readonly asOfMs: number | null
}

/** The logs of a source: `http`, or those of the topic's newest incarnation. Throws StoreError. */
export async function listSourceLogs(lane: Lane, source: string): Promise<ReadLog[]> {
  const incarnation = source === HTTP_SOURCE ? undefined : await readIncarnation(lane, source)
  const names = source === HTTP_SOURCE ? [HTTP_SOURCE] : incarnation === undefined ? [] : logsOf(incarnation)
  const watermarks = new Map((await lane.query(watermarksOfSource, { logs: names })).map((watermark) => [watermark.log, watermark]))
  return names.map((log) => {
    const watermark = watermarks.get(log)
    return { log, settledThrough: watermark?.settledThrough ?? -1, asOfMs: watermark === undefined || watermark.asOfMs === 0 ? null : watermark.asOfMs }
  })
}

/**
 * The event logs of all other sources to which anything was or may be written: those whose lease was acquired, or, by earlier versions,
 * whose position was stored. The leases of the registry and of closings are not event logs. Throws StoreError.
 */
export async function findLogsOfOthers(clickhouse: ClickHouse, source: string): Promise<string[]> {
  // Of each shard: a lease of a log is on the shard of the log.
  const names = (await Promise.all(shardsOf(clickhouse).map(({ control }) => control.query(namesOfLogs, {})))).flat().map(({ name }) => name)
  return names.filter((name) => sourceOfLog(name) !== undefined && sourceOfLog(name) !== source).sort()
}

/** The logs that were released and have nothing in doubt: retiring them would change nothing. Throws StoreError. */
export async function findRetiredLogs(lane: Lane): Promise<Set<string>> {
  return new Set((await lane.query(retiredLogs, {})).map(({ log }) => log))
}

/** Undefined for a lease that is not an event log's. */
function sourceOfLog(name: string): string | undefined {
  return name === HTTP_SOURCE ? HTTP_SOURCE : /^(.+)\/\d+\/\d+$/.exec(name)?.[1]
}

const namesOfLogs = defineQuery({
  name: 'names_of_logs',
  sql: 'SELECT DISTINCT name FROM (SELECT name FROM leases_v1 UNION ALL SELECT log FROM log_positions_v1)',
  params: z.object({}),
  row: z.object({ name: z.string() }),
})

const retiredLogs = defineQuery({
  name: 'retired_logs',
  sql: `SELECT log
        FROM (SELECT log, max(newest) AS watermark FROM log_watermarks_v2 GROUP BY log) AS watermarks
        LEFT JOIN (SELECT log, max(newest) AS position FROM log_positions_v1 GROUP BY log) AS positions USING log
        WHERE watermark.released = 1 AND ${IS_SETTLED}`,
  params: z.object({}),
  row: z.object({ log: z.string() }),
})

const watermarksOfSource = defineQuery({
  name: 'watermarks_of_source',
  sql: `SELECT log, newest.settled_through AS settledThrough, toUnixTimestamp64Milli(newest.as_of) AS asOfMs
        FROM (SELECT log, max(newest) AS newest FROM log_watermarks_v2 WHERE log IN {logs: Array(String)} GROUP BY log)`,
  params: z.object({ logs: z.array(z.string()) }),
  row: z.object({ log: z.string(), settledThrough: z.coerce.number(), asOfMs: z.coerce.number() }),
})
