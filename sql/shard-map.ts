import { z } from 'zod'
import type { ClickHouse, Lane } from './clickhouse.ts'
import { classifyStoreError, StoreError, UNKNOWN_TABLE_CODE } from './errors.ts'
import { readPinned } from './pinned-places.ts'
import { defineQuery } from './query.ts'

/** Which shard has which slot. The shards are counted from 1, the slots from 0. */
export interface ShardMap {
  /** Grows with each change; 0 before the first one. */
  readonly number: number
  /** How many servers the list has. */
  readonly shards: number
  /** The shard of each slot. */
  readonly slots: readonly number[]
}

/** A slot on its way to another shard: the map that is in force when it has ended. */
export interface Move extends ShardMap {
  /** `copying`: nothing was changed yet, and the move can be undone. `switching`: it can only be ended. */
  readonly step: 'copying' | 'switching'
  readonly slot: number
  readonly from: number
  readonly to: number
}

/** The map in force. Before the first change slot k is on shard k + 1. Undefined for a server that is not pinned. Throws StoreError. */
export async function readShardMap(lane: Lane): Promise<ShardMap | undefined> {
  const [map] = await unlessNotMigrated(lane.query(mapInForce, {}))
  if (map !== undefined) return map
  const [own] = await unlessNotMigrated(readPinned(lane))
  return own && firstMap(own.shards)
}

/** The map of a store that was never changed. */
export function firstMap(shards: number): ShardMap {
  return { number: 0, shards, slots: Array.from({ length: shards }, (_, index) => index + 1) }
}

/** No rows of a server that lacks the table. */
async function unlessNotMigrated<R>(rows: Promise<R[]>): Promise<R[]> {
  try {
    return await rows
  } catch (thrown) {
    if (classifyStoreError(thrown).code === UNKNOWN_TABLE_CODE) return []
    throw thrown
  }
}

/** The move that has begun and not ended. `lane` is one of the first server's own database. Throws StoreError. */
export async function readMove(lane: Lane): Promise<Move | undefined> {
  const [newest] = await unlessNotMigrated(lane.query(newestMap, {}))
  if (newest === undefined || newest.step === 'in force') return undefined
  return { ...newest, step: newest.step }
}

/** Checks that no move is unfinished. Throws StoreError. */
export async function requireNoMove(first: Lane): Promise<void> {
  const move = await readMove(first)
  if (move === undefined) return
  throw new StoreError(
    'fault',
    `Moving partition ${move.slot} to shard ${move.to} has begun and not ended. Run "meterline shard move ${move.slot} --to ${move.to}" to end it, then start this process again.`,
  )
}

/**
 * Checks that no move is unfinished, and that the map in force is the one with which this store was opened. A process checks it after it has
 * acquired the lease of a log: with an older map it would count the events of a moved slot on the shard of before. Throws StoreError.
 */
export async function requireMapInForce(clickhouse: ClickHouse): Promise<void> {
  const first = clickhouse.shards?.[0]
  if (first === undefined) return
  await requireNoMove(first.control)
  requireSameMap(clickhouse, await readShardMap(first.control))
}

/** Checks that the store was opened with the map in force. A list that got longer moves nothing. Throws StoreError. */
export function requireSameMap({ slots }: ClickHouse, inForce: ShardMap | undefined): void {
  if (inForce === undefined || inForce.slots.join() === slots?.join()) return
  throw new StoreError('fault', 'Partitions were moved to another shard since this process was started. Start it again.')
}

/** The number of the last move that concerns a shard, as a server knows it; 0 without one. Throws StoreError. */
export async function readMoveOfShard(lane: Lane, shard: number): Promise<number> {
  return (await lane.query(movesOf, { shard }))[0]?.number ?? 0
}

/**
 * Checks that a server has the data of all moves that concern it, and no data of a move that the first server does not know: one of both would
 * have been restored from a backup that is older than the move. Throws StoreError.
 */
export async function requireMapOfServer(first: Lane, server: Lane, shard: number): Promise<void> {
  const [expected, found] = [await readMoveOfShard(first, shard), await readMoveOfShard(server, shard)]
  if (expected === found) return
  const older = found < expected ? `Shard ${shard}` : 'The first shard'
  throw new StoreError(
    'fault',
    `${older} has the data of a backup from before partitions were moved (map ${Math.max(expected, found)}): their events would be missing, or counted twice. Restore a backup of after the move, or backups of all shards from before it.`,
  )
}

const MAP = { number: z.number(), shards: z.number(), slots: z.array(z.number()) }

const mapInForce = defineQuery({
  name: 'shard_map_in_force',
  sql: `SELECT number, shards, slots FROM shard_maps_v1 WHERE step = 'in force' ORDER BY number DESC LIMIT 1`,
  params: z.object({}),
  row: z.object(MAP),
})

const newestMap = defineQuery({
  name: 'newest_shard_map',
  sql: `SELECT number, step, shards, slots, ifNull(moved_slot, 0) AS slot, moved_from AS from, moved_to AS to
        FROM shard_maps_v1 ORDER BY number DESC, step DESC LIMIT 1`,
  params: z.object({}),
  row: z.object({ ...MAP, step: z.enum(['copying', 'switching', 'in force']), slot: z.number(), from: z.number(), to: z.number() }),
})

/** A move that was undone while it copied has changed no data. */
const movesOf = defineQuery({
  name: 'moves_of_shard',
  sql: `SELECT number FROM shard_maps_v1 WHERE step = 'switching' AND (moved_from = {shard: UInt64} OR moved_to = {shard: UInt64})
        ORDER BY number DESC LIMIT 1`,
  params: z.object({ shard: z.number() }),
  row: z.object({ number: z.number() }),
})
