import type { Logger } from '../metering/logger.ts'
import type { ClickHouse, Lane } from './clickhouse.ts'
import { makeCoordinatingDatabase, type ShardCluster } from './coordinating-database.ts'
import { isUnavailable } from './errors.ts'
import { type MigrateOptions, type Migration, migrate } from './migrate.ts'
import { pinPlace, requireInCluster, requireSameList } from './pin-shards.ts'
import type { Place } from './pinned-places.ts'
import { readMove, readShardMap, requireMapInForce, requireMapOfServer, requireNoMove } from './shard-map.ts'
import { firstShardOf, shardsOf } from './shards.ts'
import { readStoreClock } from './store-clock.ts'

export interface PrepareOptions extends MigrateOptions {
  readonly logger: Pick<Logger, 'info' | 'warn'>
  /**
   * `serve`: a shard that does not answer is prepared when it is reached for the first time. `work offline`: it is an error. `add a shard`: the
   * last server of the list is not pinned yet. `move a slot`: a move may be unfinished, and then the coordinating database stays as it is.
   */
  readonly to: 'serve' | 'work offline' | 'add a shard' | 'move a slot'
}

/**
 * Applies the pending migrations to every shard, checks that the servers are those that were pinned, and makes the coordinating database.
 * Returns the migrations of the first shard. Throws StoreError.
 */
export async function prepareShards(clickhouse: ClickHouse, of: ShardCluster, { to, ...options }: PrepareOptions): Promise<Migration[]> {
  const first = firstShardOf(clickhouse)
  const { length: shards } = shardsOf(clickhouse)
  // Before the migrations: the copies of a move have the columns of before.
  if (to !== 'move a slot') await requireNoMove(first.control)
  const applied = await migrate(first, options)
  await requireSameList(first.control, { shards, isAdding: to === 'add a shard' })
  await pinPlace(first, first, { shard: 1, shards })
  if ((await readMove(first.control)) === undefined) await makeTables(first.control, of)
  if (to !== 'move a slot') await requireMapInForce(clickhouse)
  const unlessDown = async (shard: number, work: () => Promise<unknown>) => {
    try {
      await work()
    } catch (thrown) {
      if (to !== 'serve' || !isUnavailable(thrown)) throw thrown
      options.logger.warn({ shard, reason: thrown.message }, 'a shard does not answer: its logs are not counted, and usage that needs it cannot be read')
    }
  }
  const [, ...others] = shardsOf(clickhouse)
  // The first statement of each: it is migrated and pinned before it (prepareShard).
  for (const [index, other] of others.entries()) await unlessDown(index + 2, () => readStoreClock(other.control))
  for (let shard = 1; shard <= shards; shard += 1) await unlessDown(shard, () => requireInCluster(clickhouse.control, of.cluster, { shard, shards }))
  return applied
}

/** With the map in force, also if it changes meanwhile. */
async function makeTables(first: Lane, of: ShardCluster): Promise<void> {
  const map = await readShardMap(first)
  if (map === undefined) throw new Error('The first server was not pinned.')
  await makeCoordinatingDatabase(first, { ...of, slots: map.slots })
  if ((await readShardMap(first))?.number !== map.number) await makeTables(first, of)
}

/** What a shard needs before its first statement: the migrations, and its place in the list. Throws StoreError. */
export async function prepareShard(first: ClickHouse, shard: ClickHouse, place: Place): Promise<void> {
  await migrate(shard)
  await pinPlace(first, shard, place)
  if ((await readMove(first.control)) === undefined) await requireMapOfServer(first.control, shard.control, place.shard)
}
