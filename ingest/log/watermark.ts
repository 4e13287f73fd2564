import { hostname } from 'node:os'
import { z } from 'zod'
import type { ClickHouse, Lane } from '../../sql/clickhouse.ts'
import { type Lease, leaseTag } from '../../sql/lease.ts'
import { defineQuery } from '../../sql/query.ts'
import { shardsOf } from '../../sql/shards.ts'
import { readStoreClock } from '../../sql/store-clock.ts'
import { row } from '../../sql/tab-separated.ts'

/** An owner that has published no watermark for this long counts as gone, and another process may take over its log. */
export const OWNER_TIMEOUT_MS = 15_000

export interface Watermark {
  /**
   * Everything acknowledged before this time is settled. The time is noted (noteTime) before the end of the log is queried. It goes back
   * when a clock is set back: events are acknowledged at those times once more.
   */
  readonly asOfMs: number
  /** The last settled offset: it and all offsets below are counted or rejected for certain. -1 for an empty log. */
  readonly settledThrough: number
  /** The owner stopped in good order, so its log may be taken over without waiting for the time-out. */
  readonly released: boolean
  /** Grows with each heartbeat of an owner: the greatest one counts, whatever the clocks say. */
  readonly number: number
}

/**
 * The time for a watermark, in ms since 1970: the earlier of this host's clock and the store's. A clock that is ahead would claim that
 * events are counted which are only acknowledged later. Throws StoreError.
 */
export async function noteTime(lane: Lane): Promise<number> {
  const hostMs = Date.now()
  return Math.min(hostMs, await readStoreClock(lane))
}

/** Publishes up to where a log is complete, through the fence. It is the owner's heartbeat as well. Throws StoreError. */
export async function publishWatermark(lane: Lane, { name: log, epoch, owner }: Lease, watermark: Watermark): Promise<void> {
  const { number, asOfMs, settledThrough, released } = watermark
  await lane.insert({
    table: 'log_watermarks_inbox_v2',
    columns: ['log', 'epoch', 'owner', 'number', 'host_ms', 'as_of_ms', 'settled_through', 'released', 'host'],
    text: row([log, epoch, owner, number, Date.now(), asOfMs, settledThrough, released ? 1 : 0, `${hostname()} (process ${process.pid})`]),
    tag: leaseTag(log),
  })
}

/**
 * The host of a log's owner whose last heartbeat, by the store's clock, is within the time-out; undefined when the log may be
 * taken over. A heartbeat from the future was written before the store's clock was set back: a living owner writes the next one within
 * seconds, and a dead one must not seem alive for as long as the step.
 */
export async function findLiveOwner(lane: Lane, log: string, ownerTimeoutMs: number): Promise<string | undefined> {
  const [heartbeat] = await lane.query(lastHeartbeat, { log })
  if (heartbeat === undefined || heartbeat.released === 1 || heartbeat.silenceMs > ownerTimeoutMs) return undefined
  return heartbeat.host
}

/** The host of a process that counts a topic into this store, by the heartbeats of its logs; undefined when there is none. */
export async function findLiveReader(clickhouse: ClickHouse, ownerTimeoutMs: number): Promise<string | undefined> {
  // Each server is asked for its own logs, because its clock wrote their heartbeats.
  for (const { control } of shardsOf(clickhouse)) {
    const [reader] = await control.query(liveReader, { ownerTimeoutMs })
    if (reader !== undefined) return reader.host
  }
}

/** Why work that needs all processes to be stopped cannot begin; undefined while none counts a topic. Throws StoreError. */
export async function whyNotStopped(clickhouse: ClickHouse): Promise<string | undefined> {
  const host = await findLiveReader(clickhouse, OWNER_TIMEOUT_MS)
  return host && `${host} counts events. Stop every process of this installation, wait ${OWNER_TIMEOUT_MS / 1000} seconds, then run this again.`
}

const liveReader = defineQuery({
  name: 'live_reader',
  sql: `SELECT newest.host AS host FROM (SELECT log, max(newest) AS newest FROM log_watermarks_v2 WHERE log != 'http' GROUP BY log)
        WHERE newest.released = 0 AND abs(toUnixTimestamp64Milli(now64(3)) - toUnixTimestamp64Milli(newest.written_at)) <= {ownerTimeoutMs: Int64} LIMIT 1`,
  params: z.object({ ownerTimeoutMs: z.number() }),
  row: z.object({ host: z.string() }),
})

const lastHeartbeat = defineQuery({
  name: 'last_heartbeat',
  sql: `SELECT newest.host AS host, newest.released AS released, abs(toUnixTimestamp64Milli(now64(3)) - toUnixTimestamp64Milli(newest.written_at)) AS silenceMs
        FROM (SELECT max(newest) AS newest FROM log_watermarks_v2 WHERE log = {log: String} GROUP BY log)`,
  params: z.object({ log: z.string() }),
  row: z.object({ host: z.string(), released: z.number(), silenceMs: z.coerce.number() }),
})
