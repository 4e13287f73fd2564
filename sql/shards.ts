import { partitionOfProject } from '../metering/project-partition.ts'
import type { ClickHouse } from './clickhouse.ts'

/**
 * Where an event log is, in a store of several servers (docs/design/shards.md). A log is whole on one shard: lease, positions, events, rollup,
 * rejected events and the index of identities. Everything that the owner of a log reads or writes of it goes there, so the fence and the
 * look-up of duplicates are those of one server.
 *
 * The slot of a project is its hash modulo the number of slots, and each slot is on one shard (sql/shard-map.ts). The log of a project is the
 * partition of the same hash modulo the number of partitions. So the number of partitions must be a multiple of that of the slots: otherwise
 * a partition would have projects of two shards. A topic with another multiple leaves every project where it is.
 */
export function shardOfPartition(clickhouse: ClickHouse, partition: number): ClickHouse {
  const slots = slotsOf(clickhouse)
  const shard = shardsOf(clickhouse)[(slots[partition % slots.length] ?? 0) - 1]
  if (shard === undefined) throw new Error(`There is no shard for partition ${partition}.`)
  return shard
}

/** The shard of a project. */
export function shardOfProject(clickhouse: ClickHouse, projectId: string): ClickHouse {
  return shardOfPartition(clickhouse, partitionOfProject(projectId, slotsOf(clickhouse).length))
}

/** The shard of a log by its name, which ends with its partition. The log of HTTP without Kafka is on a store of one server. */
export function shardOfLog(clickhouse: ClickHouse, log: string): ClickHouse {
  const partition = /\/(\d+)$/.exec(log)?.[1]
  if (clickhouse.shards !== undefined && partition === undefined) throw new Error(`The log ${log} is on no shard.`)
  return shardOfPartition(clickhouse, Number(partition ?? 0))
}

/** The hash of a project in SQL: the one by which Kafka's Java producer chooses a partition, as metering/project-partition.ts computes it. */
export const PROJECT_HASH_SQL = 'bitAnd(kafkaMurmurHash(project_id), 2147483647)'

/** Whether the name of a lease is that of a topic's log, in SQL. */
export const IS_LOG_OF_TOPIC = "match(name, '/[0-9]+/[0-9]+$')"

/** All servers that have event logs, in their order; the store itself if it is one server. */
export function shardsOf(clickhouse: ClickHouse): readonly ClickHouse[] {
  return clickhouse.shards ?? [clickhouse]
}

/** The shard of each slot, counted from 1. */
export function slotsOf({ slots }: ClickHouse): readonly number[] {
  return slots ?? [1]
}

/** Which part of all slots a server has. */
export function shareOfSlots(clickhouse: ClickHouse, server: ClickHouse): number {
  const slots = slotsOf(clickhouse)
  const shard = shardsOf(clickhouse).indexOf(server) + 1
  return slots.filter((each) => each === shard).length / slots.length
}

/**
 * The server of everything that has one place, with its own tables. Only what concerns the tables themselves, such as their partitions, needs
 * it: with several shards the store's own lanes see the tables of all of them.
 */
export function firstShardOf(clickhouse: ClickHouse): ClickHouse {
  return clickhouse.shards?.[0] ?? clickhouse
}

/** Why a topic with this number of partitions cannot be distributed over the shards; undefined if it can. */
export function whyNotDistributable(clickhouse: ClickHouse, partitions: number): string | undefined {
  const { length: slots } = slotsOf(clickhouse)
  if (partitions % slots === 0) return undefined
  return `The topic has ${partitions} partitions, and the store has ${slots} slots over ${shardsOf(clickhouse).length} shards. The number of partitions must be a multiple of ${slots}, because a project is on the shard of its partition.`
}
