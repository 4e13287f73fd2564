import type { ClickHouse, Lane } from './clickhouse.ts'
import { StoreError } from './errors.ts'
import { acquireLease, isLeaseHeld, type Lease, leaseTag } from './lease.ts'
import type { Move, ShardMap } from './shard-map.ts'
import { shardsOf } from './shards.ts'
import { row } from './tab-separated.ts'

/** The lease under which shards are added and slots are moved. */
const LEASE_NAME = 'shards'

/** The mark of every statement of such a change, so that the next command finds and kills those that a killed one has left. */
export const SHARDS_TAG = leaseTag(LEASE_NAME)

/** The right to change the shards, until another command acquires it. */
export interface ShardsLease {
  /** Call it before each step. Throws StoreError if another command has acquired the lease since. */
  requireHeld(): Promise<void>
}

/**
 * Acquires the lease on the store and on each server, where statements of an earlier command may still run: they are killed, and have ended
 * when this resolves. Throws StoreError.
 */
export async function acquireShardsLease(clickhouse: ClickHouse): Promise<ShardsLease> {
  // The store and its first server have one table of leases, so of these acquisitions the last one counts.
  for (const server of shardsOf(clickhouse)) await acquire(server)
  const lease = await acquire(clickhouse)
  return {
    requireHeld: async () => {
      if (!(await isLeaseHeld(clickhouse, lease))) throw overtaken()
    },
  }
}

async function acquire(clickhouse: ClickHouse): Promise<Lease> {
  const outcome = await acquireLease(clickhouse, LEASE_NAME)
  if (outcome.status !== 'acquired') throw overtaken()
  return outcome.lease
}

function overtaken(): StoreError {
  return new StoreError(
    'fault',
    'Another "meterline shard" command has begun since, so this one stops. Wait until the other one has ended, then run this again.',
  )
}

/** Stores a step of a change: `in force` is its commit. Throws StoreError. */
export async function writeShardMap(
  lane: Lane,
  { number, shards, slots }: ShardMap,
  step: Move['step'] | 'in force',
  move?: Pick<Move, 'slot' | 'from' | 'to'>,
): Promise<void> {
  const text = row([number, step, shards, `[${slots.join(',')}]`, move?.slot ?? null, move?.from ?? 0, move?.to ?? 0])
  await lane.insert({ table: 'shard_maps_v1', columns: ['number', 'step', 'shards', 'slots', 'moved_slot', 'moved_from', 'moved_to'], text })
}
