import type { Lane } from './clickhouse.ts'
import type { Move, ShardMap } from './shard-map.ts'
import { row } from './tab-separated.ts'

/** Stores a step of a change: `in force` is its commit. Throws StoreError. */
export async function writeShardMap(lane: Lane, { number, shards, slots }: ShardMap, step: Move['step'] | 'in force', move?: MovedSlot): Promise<void> {
  const text = row([number, step, shards, `[${slots.join(',')}]`, move?.slot ?? null, move?.from ?? 0, move?.to ?? 0])
  await lane.insert({ table: 'shard_maps_v1', columns: ['number', 'step', 'shards', 'slots', 'moved_slot', 'moved_from', 'moved_to'], text })
}

type MovedSlot = Pick<Move, 'slot' | 'from' | 'to'>

/** Stores on a server that it has the data of a move. Throws StoreError. */
export async function writeMoveOfServer(lane: Lane, move: Move): Promise<void> {
  await writeShardMap(lane, move, 'switching', move)
}
