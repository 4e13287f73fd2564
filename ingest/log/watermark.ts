import { hostname } from 'node:os'
import { z } from 'zod'
import type { Lane } from '../../sql/clickhouse.ts'
import { type Lease, leaseTag } from '../../sql/lease.ts'
import { defineQuery } from '../../sql/query.ts'
import { row } from '../../sql/tab-separated.ts'

export interface Watermark {
  /** Everything acknowledged before this time is settled. Noted before the end of the log was asked for. */
  readonly asOfMs: number
  /** -1 for an empty log. */
  readonly settledThrough: number
  /** The owner stopped in good order; nobody needs to wait for its silence. */
  readonly released: boolean
}

/** Publishes how far a log is complete, through the fence. It is the owner's heartbeat too. Throws StoreError. */
export async function publishWatermark(lane: Lane, ownership: Lease, watermark: Watermark): Promise<void> {
  const { name: log, epoch, owner } = ownership
  await lane.insert({
    table: 'log_watermarks_inbox_v1',
    columns: ['log', 'epoch', 'owner', 'as_of_ms', 'settled_through', 'released', 'host'],
    text: row([log, epoch, owner, watermark.asOfMs, watermark.settledThrough, watermark.released ? 1 : 0, `${hostname()} (process ${process.pid})`]),
    tag: leaseTag(log),
  })
}

/** The owner that still gives signs of life, by the store's clock; undefined when the log may be taken. */
export async function findLiveOwner(lane: Lane, log: string, silenceMsMax: number): Promise<string | undefined> {
  const [beat] = await lane.query(lastHeartbeat, { log })
  if (beat === undefined || beat.released === 1 || beat.silence_ms > silenceMsMax) return undefined
  return beat.host
}

/** A process that counts a topic into this store, by the heartbeats of its logs; undefined when there is none. */
export async function findLiveReader(lane: Lane, silenceMsMax: number): Promise<string | undefined> {
  const [beat] = await lane.query(livingReader, { silenceMsMax })
  return beat?.host
}

const livingReader = defineQuery({
  name: 'living_reader',
  sql: `SELECT newest.host AS host FROM (SELECT log, max(newest) AS newest FROM log_watermarks_v1 WHERE log != 'http' GROUP BY log)
        WHERE newest.released = 0 AND toUnixTimestamp64Milli(now64(3)) - toUnixTimestamp64Milli(newest.written_at) <= {silenceMsMax: Int64} LIMIT 1`,
  params: z.object({ silenceMsMax: z.number() }),
  row: z.object({ host: z.string() }),
})

const lastHeartbeat = defineQuery({
  name: 'last_heartbeat',
  sql: `SELECT newest.host AS host, newest.released AS released, toUnixTimestamp64Milli(now64(3)) - toUnixTimestamp64Milli(newest.written_at) AS silence_ms
        FROM (SELECT max(newest) AS newest FROM log_watermarks_v1 WHERE log = {log: String} GROUP BY log)`,
  params: z.object({ log: z.string() }),
  row: z.object({ host: z.string(), released: z.number(), silence_ms: z.coerce.number() }),
})
