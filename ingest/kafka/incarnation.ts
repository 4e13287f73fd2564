import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import type { ClickHouse, Lane } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { whyNotDistributable } from '../../sql/shards.ts'
import { row } from '../../sql/tab-separated.ts'
import { type LogTopic, requireExtents } from './topic.ts'

/** Defines the logs of a topic; see sql/migrations/012_create_topic_incarnations_v1.sql. */
export interface Incarnation {
  readonly topic: string
  readonly incarnation: number
  /** The pinned count: an event counts only in partition murmur2(project_id) mod `partitions`. */
  readonly partitions: number
  /** The offset at which each partition is read first. */
  readonly starts: readonly number[]
}

export function logOf({ topic, incarnation }: Pick<Incarnation, 'topic' | 'incarnation'>, partition: number): string {
  return `${topic}/${incarnation}/${partition}`
}

/** The names of its logs, by partition. */
export function logsOf(incarnation: Omit<Incarnation, 'starts'>): string[] {
  return Array.from({ length: incarnation.partitions }, (_, partition) => logOf(incarnation, partition))
}

/** The incarnation in force. The first one pins the partition count that the topic has now. Throws StoreError, KafkaUnavailable. */
export async function pinIncarnation(clickhouse: ClickHouse, topic: LogTopic): Promise<Incarnation> {
  const { control } = clickhouse
  const known = await readIncarnation(control, topic.name)
  if (known !== undefined) return known
  const extents = requireExtents(await topic.extents())
  const reason = whyNotDistributable(clickhouse, extents.length)
  if (reason !== undefined) throw new Error(reason)
  return insertIncarnation(control, {
    topic: topic.name,
    incarnation: 1,
    partitions: extents.length,
    starts: extents.map(({ begin }) => begin),
    reason: 'first read',
  })
}

/** The incarnation in force, undefined before the first. Throws StoreError. */
export async function readIncarnation(lane: Lane, topic: string): Promise<Incarnation | undefined> {
  const [newest] = await lane.query(newestIncarnation, { topic })
  return newest && { topic, ...newest }
}

/** The incarnations in force of all topics. Throws StoreError. */
export function readIncarnations(lane: Lane): Promise<Incarnation[]> {
  return lane.query(newestIncarnations, {})
}

/** All incarnations of all topics, the newest first. Throws StoreError. */
export function readHistory(lane: Lane): Promise<Incarnation[]> {
  return lane.query(allIncarnations, {})
}

/**
 * The logs in force of all topics, sorted. Those of earlier incarnations are retired: no process acquires their leases any
 * more. Throws StoreError.
 */
export async function findLogsInForce(lane: Lane): Promise<string[]> {
  return (await readIncarnations(lane)).flatMap(logsOf).sort()
}

/** Returns the incarnation in force, which may be another one that was created at the same time. Throws StoreError. */
export async function insertIncarnation(lane: Lane, { reason, ...created }: Incarnation & { readonly reason: string }): Promise<Incarnation> {
  const { topic, incarnation, partitions, starts } = created
  await lane.insert({
    table: 'topic_incarnations_v1',
    columns: ['topic', 'incarnation', 'id', 'partitions', 'starts', 'reason'],
    text: row([topic, incarnation, randomBytes(8).toString('hex'), partitions, `[${starts.join(',')}]`, reason]),
  })
  return (await readIncarnation(lane, topic)) ?? created
}

const newestIncarnation = defineQuery({
  name: 'newest_incarnation',
  sql: `SELECT incarnation, partitions, starts FROM topic_incarnations_v1
        WHERE topic = {topic: String} ORDER BY incarnation DESC, id DESC LIMIT 1`,
  params: z.object({ topic: z.string() }),
  row: z.object({ incarnation: z.coerce.number(), partitions: z.number(), starts: z.array(z.coerce.number()) }),
})

const IncarnationRow = z.object({ topic: z.string(), incarnation: z.coerce.number(), partitions: z.number(), starts: z.array(z.coerce.number()) })

const newestIncarnations = defineQuery({
  name: 'newest_incarnations',
  sql: 'SELECT topic, incarnation, partitions, starts FROM topic_incarnations_v1 ORDER BY topic, incarnation DESC, id DESC LIMIT 1 BY topic',
  params: z.object({}),
  row: IncarnationRow,
})

/** Of two with one number, the one that was in force. */
const allIncarnations = defineQuery({
  name: 'all_incarnations',
  sql: 'SELECT topic, incarnation, partitions, starts FROM topic_incarnations_v1 ORDER BY topic, incarnation DESC, id DESC LIMIT 1 BY topic, incarnation',
  params: z.object({}),
  row: IncarnationRow,
})
