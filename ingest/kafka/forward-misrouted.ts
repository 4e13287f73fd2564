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
  /** Its own partition. */
  readonly partition: number
}

/** The last copy in each log that got copies from this one. */
export type Copies = ReadonlyMap<string, number>

/** The copies of one log, for whoever owns it. */
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

  /** The copies so far. While they are not settled in their own logs, this one is not complete beyond what it was before. */
  get copies(): Copies {
    return new Map(this.#copies)
  }

  /** What the owners before have passed on. Throws StoreError. */
  async load(log: string): Promise<void> {
    const rows = await this.#lane.query(copiesOfLog, { log })
    this.#copies = new Map(rows.map(({ to_log, copies_through }) => [to_log, copies_through]))
  }

  /**
   * Passes events on to their own partitions, before the position moves:
   * 1. The copies, acks=all. A crash after it: they are copied again, and a copy more is a duplicate.
   * 2. What was passed on, through the fence. Throws KafkaUnavailable, StoreError.
   */
  async passOn(strays: readonly MisroutedEvent[], { name: log, epoch, owner }: Lease): Promise<void> {
    const offsets = await this.#topic.produce(strays.map(({ record, projectId, partition }) => recordToForward(record, projectId, partition)))
    const passed = new Map<string, { through: number; copies: number }>()
    strays.forEach(({ partition }, index) => {
      const to = logOf(this.#incarnation, partition)
      const { through, copies } = passed.get(to) ?? { through: 0, copies: 0 }
      passed.set(to, { through: Math.max(through, offsets[index] ?? 0), copies: copies + 1 })
    })
    const rows = [...passed].map(([to, { through, copies }]) => row([log, epoch, owner, to, through, copies]))
    await this.#lane.insert({ table: 'passed_on_inbox_v1', columns: COLUMNS, text: rows.join(''), tag: leaseTag(log) })
    for (const [to, { through }] of passed) this.#copies.set(to, Math.max(through, this.#copies.get(to) ?? 0))
    this.count += strays.length
  }

  /** Whether these copies are settled in their own logs. Throws StoreError. */
  async areSettled(copies: Copies): Promise<boolean> {
    if (copies.size === 0) return true
    const rows = await this.#lane.query(settledLogs, { logs: [...copies.keys()] })
    const settled = new Map(rows.map(({ log, settled_through }) => [log, settled_through]))
    return [...copies].every(([log, through]) => (settled.get(log) ?? -1) >= through)
  }
}

const COLUMNS = ['log', 'epoch', 'owner', 'to_log', 'copies_through', 'copies']

const copiesOfLog = defineQuery({
  name: 'copies_of_log',
  sql: 'SELECT to_log, max(copies_through) AS copies_through FROM passed_on_v1 WHERE from_log = {log: String} GROUP BY to_log',
  params: z.object({ log: z.string() }),
  row: z.object({ to_log: z.string(), copies_through: z.coerce.number() }),
})

const settledLogs = defineQuery({
  name: 'settled_logs',
  sql: `SELECT log, newest.settled_through AS settled_through
        FROM (SELECT log, max(newest) AS newest FROM log_watermarks_v1 WHERE log IN {logs: Array(String)} GROUP BY log)`,
  params: z.object({ logs: z.array(z.string()) }),
  row: z.object({ log: z.string(), settled_through: z.coerce.number() }),
})
