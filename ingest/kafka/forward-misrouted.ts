import { z } from 'zod'
import type { Lane } from '../../sql/clickhouse.ts'
import { type Lease, leaseTag } from '../../sql/lease.ts'
import { defineQuery } from '../../sql/query.ts'
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

/** The misrouted events of one log, forwarded to their own partitions by the log's owner. */
export class ForwardedEvents {
  count = 0
  readonly #lane: Lane
  readonly #topic: LogTopic
  readonly #incarnation: Incarnation
  #copies = new Map<string, number>()

  constructor({ lane, topic, incarnation }: { lane: Lane; topic: LogTopic; incarnation: Incarnation }) {
    this.#lane = lane
    this.#topic = topic
    this.#incarnation = incarnation
  }

  /** The copies so far. Until they are settled in their own logs, the watermark of this log may not move past them. */
  get copies(): Copies {
    return new Map(this.#copies)
  }

  /** Loads the copies that previous owners of the log have forwarded. Throws StoreError. */
  async load(log: string): Promise<void> {
    const rows = await this.#lane.query(copiesOfLog, { log })
    this.#copies = new Map(rows.map(({ toLog, copiesThrough }) => [toLog, copiesThrough]))
  }

  /**
   * Forwards events to their own partitions, before the position of their batch moves:
   * 1. Produce the copies with acks=all. After a crash here they are produced again, and the extra copies are duplicates.
   * 2. Record the offsets of the copies, through the fence.
   * Returns the events whose copies the broker rejects. Throws KafkaUnavailable, StoreError.
   */
  async forward(misrouted: readonly MisroutedEvent[], { name: log, epoch, owner }: Lease): Promise<LogRecord[]> {
    const outcomes = await this.#topic.produce(misrouted.map(({ record, projectId, partition }) => recordToForward(record, projectId, partition)))
    const forwarded = new Map<string, { through: number; copies: number }>()
    const refused: LogRecord[] = []
    for (const [index, { record, partition }] of misrouted.entries()) {
      const outcome = outcomes[index]
      if (outcome?.status !== 'appended') {
        refused.push(record)
        continue
      }
      const to = logOf(this.#incarnation, partition)
      const { through, copies } = forwarded.get(to) ?? { through: 0, copies: 0 }
      forwarded.set(to, { through: Math.max(through, outcome.offset), copies: copies + 1 })
    }
    if (forwarded.size === 0) return refused
    const rows = [...forwarded].map(([to, { through, copies }]) => row([log, epoch, owner, to, through, copies]))
    await this.#lane.insert({ table: 'passed_on_inbox_v1', columns: COLUMNS, text: rows.join(''), tag: leaseTag(log) })
    for (const [to, { through }] of forwarded) this.#copies.set(to, Math.max(through, this.#copies.get(to) ?? 0))
    this.count += misrouted.length - refused.length
    return refused
  }

  /** Whether these copies are settled in their own logs. Throws StoreError. */
  async areSettled(copies: Copies): Promise<boolean> {
    if (copies.size === 0) return true
    const rows = await this.#lane.query(settledLogs, { logs: [...copies.keys()] })
    const settled = new Map(rows.map(({ log, settledThrough }) => [log, settledThrough]))
    return [...copies].every(([log, through]) => (settled.get(log) ?? -1) >= through)
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
