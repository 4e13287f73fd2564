import { PartitionLog } from '../../../ingest/kafka/partition-log.ts'
import { KnownIdentities } from '../../../ingest/log/known-identities.ts'
import { SOURCE_LEASE, writeSource } from '../../../ingest/source/source-in-force.ts'
import type { ClickHouse, Lane } from '../../../sql/clickhouse.ts'
import { acquireLease } from '../../../sql/lease.ts'
import type { MemoryTopic } from './memory-topic.ts'

const quiet = { info: () => {}, warn: () => {}, error: () => {} }

/** One process's log of a partition. A test acquires its lease and reads on; the process crashes when the test does not use it again. */
export function newOwner(
  clickhouse: ClickHouse,
  topic: MemoryTopic,
  {
    partition = 0,
    lane = clickhouse.ingest,
    identities = new KnownIdentities({ clickhouse, logger: quiet, filterBytesMax: 2 ** 24 }),
  }: { partition?: number; lane?: Lane; identities?: KnownIdentities } = {},
): PartitionLog {
  const partitions = topic.partitions.length
  const incarnation = { topic: topic.name, incarnation: 1, partitions, starts: topic.begins }
  return new PartitionLog({ clickhouse, lane, topic, incarnation, partition, identities, logger: quiet })
}

/** Puts a topic in force as a test's own, without retiring the topics of earlier tests, which have other projects. */
export async function useTopic(clickhouse: ClickHouse, { name: source }: MemoryTopic): Promise<void> {
  const outcome = await acquireLease(clickhouse, SOURCE_LEASE)
  if (outcome.status !== 'acquired') throw new Error(outcome.status)
  await writeSource(clickhouse.control, outcome.lease, { source, isInForce: true })
}

/** Reads one batch of at most `recordsMax` records; false at the end. */
export async function readOn(owner: PartitionLog, topic: MemoryTopic, recordsMax: number): Promise<boolean> {
  const batch = topic.read(owner.owned.name, owner.partition, owner.next, recordsMax)
  if (batch === undefined) return false
  await owner.process(batch.records, batch.through)
  return true
}

/** New owners acquire the lease of every partition and read to the end, until no event is forwarded any more. */
export async function drain(clickhouse: ClickHouse, topic: MemoryTopic, recordsMax = 7): Promise<void> {
  const owners = topic.partitions.map((_, partition) => newOwner(clickhouse, topic, { partition }))
  for (const owner of owners) await owner.acquire()
  for (let read = true; read; ) {
    read = false
    for (const owner of owners) while (await readOn(owner, topic, recordsMax)) read = true
  }
  for (const owner of owners) owner.owned.close()
}
