import { z } from 'zod'
import { groupedBy } from '../../metering/grouped-by.ts'
import type { ClickHouse, Lane } from '../../sql/clickhouse.ts'
import { isUnavailable } from '../../sql/errors.ts'
import { type Lease, leaseTag } from '../../sql/lease.ts'
import { defineQuery } from '../../sql/query.ts'
import { shardOfLog } from '../../sql/shards.ts'
import { row } from '../../sql/tab-separated.ts'
import type { LogRecord } from '../log/detect-duplicates.ts'
import { recordToForward } from './event-record.ts'
import { type Incarnation, logOf } from './incarnation.ts'
import type { LogTopic } from './topic.ts'

/** An event that was found outside its project's own partition. */
export interface MisroutedEvent {
  readonly record: LogRecord
  readonly projectId: string
  /** The project's own partition. */
  readonly partition: number
}

/** The offset of the last copy in each log that received copies from this one. */
export type Copies = ReadonlyMap<string, number>

export interface ForwardedEventsOptions {
  readonly clickhouse: ClickHouse
  /** That of the log, with a lane of it. */
  readonly shard: ClickHouse
  readonly lane: Lane
  readonly topic: LogTopic
  readonly incarnation: Incarnation
}

/** The misrouted events of one log, forwarded to their own partitions by the log's owner. */
export class ForwardedEvents {
  count = 0
  readonly #options: ForwardedEventsOptions
  #copies = new Map<string, number>()

  constructor(options: ForwardedEventsOptions) {
    this.#options = options
  }

  /** The copies so far. Until they are settled in their own logs, the watermark of this log may not move past them. */
  get copies(): Copies {
    return new Map(this.#copies)
  }

  /** Loads the copies that previous owners of the log have forwarded. Throws StoreError. */
  async load(log: string): Promise<void> {
    const rows = await this.#options.lane.query(copiesOfLog, { log })
    this.#copies = new Map(rows.map(({ toLog, copiesThrough }) => [toLog, copiesThrough]))
  }

  /**
   * Forwards events to their own partitions, before the position of their batch moves:
   * 1. Produce the copies with acks=all. After a crash here they are produced again, and the extra copies are duplicates.
   * 2. Record the offsets of the copies, through the fence.
   * Returns the events whose copies the broker rejects. Throws KafkaUnavailable, StoreError.
   */
  async forward(misrouted: readonly MisroutedEvent[], { name: log, epoch, owner }: Lease): Promise<LogRecord[]> {
    const outcomes = await this.#options.topic.produce(misrouted.map(({ record, projectId, partition }) => recordToForward(record, projectId, partition)))
    const forwarded = new Map<string, { through: number; copies: number }>()
    const refused: LogRecord[] = []
    for (const [index, { record, partition }] of misrouted.entries()) {
      const outcome = outcomes[index]
      if (outcome?.status !== 'appended') {
        refused.push(record)
        continue
      }
      const to = logOf(this.#options.incarnation, partition)
      const { through, copies } = forwarded.get(to) ?? { through: 0, copies: 0 }
      forwarded.set(to, { through: Math.max(through, outcome.offset), copies: copies + 1 })
    }
    if (forwarded.size === 0) return refused
    const rows = [...forwarded].map(([to, { through, copies }]) => row([log, epoch, owner, to, through, copies]))
    await this.#options.lane.insert({ table: 'passed_on_inbox_v1', columns: COLUMNS, text: rows.join(''), tag: leaseTag(log) })
    for (const [to, { through }] of forwarded) this.#copies.set(to, Math.max(through, this.#copies.get(to) ?? 0))
    this.count += misrouted.length - refused.length
    return refused
  }

  /** Whether these copies are settled in their own logs. Those on a shard that does not answer are not known to be. Throws StoreError. */
  async areSettled(copies: Copies): Promise<boolean> {
    const { clickhouse, shard: own, lane } = this.#options
    for (const [shard, ofShard] of groupedBy(copies, ([log]) => shardOfLog(clickhouse, log))) {
      const logs = ofShard.map(([log]) => log)
      const rows = await (shard === own ? lane.query(settledLogs, { logs }) : unlessUnavailable(shard.control.query(settledLogs, { logs })))
      const settled = new Map(rows.map(({ log, settledThrough }) => [log, settledThrough]))
      if (!ofShard.every(([log, through]) => (settled.get(log) ?? -1) >= through)) return false
    }
    return true
  }
}

/** This log goes on while another one's shard is down. */
async function unlessUnavailable<T>(rows: Promise<readonly T[]>): Promise<readonly T[]> {
  try {
    return await rows
  } catch (thrown) {
    if (isUnavailable(thrown)) return []
    throw thrown
  }
}

const COLUMNS = ['log', 'epoch', 'owner', 'to_log', 'copies_through', 'copies']

const copiesOfLog = defineQuery({
  name: 'copies_of_log',
  sql: 'SELECT to_log AS toLog, max(copies_through) AS copiesThrough FROM passed_on_v1 WHERE from_log = {log: String} GROUP BY to_log',
  params: z.object({ log: z.string() }),
  row: z.object({ toLog: z.string(), copiesThrough: z.coerce.number() }),
})

const settledLogs = defineQuery({
  name: 'settled_logs',
  sql: `SELECT log, newest.settled_through AS settledThrough
        FROM (SELECT log, max(newest) AS newest FROM log_watermarks_v2 WHERE log IN {logs: Array(String)} GROUP BY log)`,
  params: z.object({ logs: z.array(z.string()) }),
  row: z.object({ log: z.string(), settledThrough: z.coerce.number() }),
})
