import { countStored } from '../ingest/log/identity-index.ts'
import { moveSlot } from '../ingest/repair/move-slot.ts'
import { admitRestoredShard } from '../ingest/repair/restored-shard.ts'
import { RegistryChanges } from '../registry/changes.ts'
import { acquireShardsLease, writeShardMap } from '../sql/change-shard-map.ts'
import type { ClickHouse } from '../sql/clickhouse.ts'
import { requireSameList } from '../sql/pin-shards.ts'
import { readMove, readShardMap, requireMapInForce } from '../sql/shard-map.ts'
import { firstShardOf, shardsOf, slotsOf } from '../sql/shards.ts'
import { readConfig } from './config.ts'
import { OFFLINE, openStore, shardClusterOf, workOffline } from './open-store.ts'

/** The shards with the slots and the events that each has. Processes may run. Throws Error with the reason. */
export async function listShards(environment: NodeJS.ProcessEnv) {
  const config = readConfig(environment, 'migrate')
  const urls = config.CLICKHOUSE_URLS
  if (urls === undefined) throw new Error(NO_SHARDS)
  const clickhouse = await openStore(config, { logger: { warn: () => {} } })
  try {
    const { control } = firstShardOf(clickhouse)
    await requireSameList(control, { shards: urls.length, isAdding: false })
    const slots = slotsOf(clickhouse)
    const move = await readMove(control)
    const shards = []
    for (const [index, shard] of shardsOf(clickhouse).entries()) {
      const events = await countStored(shard.reads)
      const ofShard = [...slots.keys()].filter((slot) => slots[slot] === index + 1)
      shards.push({ shard: index + 1, server: new URL(urls[index] ?? '').host, slots: ofShard, events })
    }
    return { slots: slots.length, shards, moving: move === undefined ? null : { partition: move.slot, from: move.from, to: move.to, step: move.step } }
  } finally {
    await clickhouse.close()
  }
}

const NO_SHARDS = 'CLICKHOUSE_URLS lists no shards. A store of one server cannot be distributed later.'

/** Makes a shard that was restored from an older backup a part of the store again, while no process runs. Throws Error with the reason. */
export function admitShard(environment: NodeJS.ProcessEnv, place: number) {
  return workOffline(readConfig(environment, 'migrate'), async (clickhouse) => {
    const outcome = await admitRestoredShard(clickhouse, place, noteOf(clickhouse, 'shard.restored', String(place)))
    if (outcome.status === 'rejected') throw new Error(outcome.reason)
    return { shard: place, logs: outcome.logs, days: outcome.days }
  })
}

/**
 * Adds the last server of the list as a shard, which has no projects yet. Processes with the shorter list go on until they are started again.
 * Throws Error with the reason.
 */
export function addShard(environment: NodeJS.ProcessEnv) {
  const config = readConfig(environment, 'migrate')
  if (config.CLICKHOUSE_URLS === undefined) throw new Error(NO_SHARDS)
  const add = async (clickhouse: ClickHouse) => {
    const { control } = firstShardOf(clickhouse)
    const { length: shards } = shardsOf(clickhouse)
    const lease = await acquireShardsLease(clickhouse)
    await requireMapInForce(clickhouse)
    const inForce = await readShardMap(control)
    if (inForce === undefined) throw new Error('The first server was not pinned.')
    await noteOf(clickhouse, 'shard.added', String(shards))()
    await lease.requireHeld()
    await writeShardMap(control, { number: inForce.number + 1, shards, slots: inForce.slots }, 'in force')
    return { shard: shards }
  }
  return workOffline(config, add, 'add a shard')
}

export interface PartitionToMove {
  readonly partition: number
  /** The shard's place in the list; the first is 1. */
  readonly to: number
}

/** Moves the projects of a partition of the topic in force to another shard, while no process runs. Throws Error with the reason. */
export function movePartition(environment: NodeJS.ProcessEnv, { partition, to }: PartitionToMove, progress: (step: string) => void) {
  const config = readConfig(environment, 'migrate')
  const move = async (clickhouse: ClickHouse) => {
    const note = noteOf(clickhouse, 'shard.moved', String(partition), { to })
    const outcome = await moveSlot(clickhouse, { partition, to }, { of: shardClusterOf(config), note, progress })
    if (outcome.status === 'rejected') throw new Error(outcome.reason)
    return { partition, shard: to, status: outcome.status }
  }
  return workOffline(config, move, 'move a slot')
}

function noteOf(clickhouse: ClickHouse, action: string, subject: string, details = {}) {
  return () => new RegistryChanges(clickhouse).note(OFFLINE, { action, subject, details })
}
