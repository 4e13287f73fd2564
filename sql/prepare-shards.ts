import type { Logger } from '../metering/logger.ts'
import type { ClickHouse } from './clickhouse.ts'
import { type CoordinatingDatabase, makeCoordinatingDatabase } from './coordinating-database.ts'
import { isUnavailable } from './errors.ts'
import { type MigrateOptions, type Migration, migrate } from './migrate.ts'
import { pinPlace, requireInCluster } from './pin-shards.ts'
import type { Place } from './pinned-places.ts'
import { shardsOf } from './shards.ts'
import { readStoreClock } from './store-clock.ts'

export interface PrepareOptions extends MigrateOptions {
  readonly logger: Pick<Logger, 'info' | 'warn'>
  /** Whether a shard that does not answer is an error. Otherwise it is prepared when it is reached for the first time. */
  readonly requireAll: boolean
}

/**
 * Applies the pending migrations to every shard, checks that the servers are those that were pinned, and makes the coordinating database.
 * Returns the migrations of the first shard. Throws StoreError.
 */
export async function prepareShards(clickhouse: ClickHouse, of: CoordinatingDatabase, { requireAll, ...options }: PrepareOptions): Promise<Migration[]> {
  const [first, ...others] = shardsOf(clickhouse)
  if (first === undefined) throw new Error('A store has at least one shard.')
  const shards = others.length + 1
  const applied = await migrate(first, options)
  await pinPlace(first, first, { shard: 1, shards })
  await makeCoordinatingDatabase(first.control, of)
  const unlessDown = async (shard: number, work: () => Promise<unknown>) => {
    try {
      await work()
    } catch (thrown) {
      if (requireAll || !isUnavailable(thrown)) throw thrown
      options.logger.warn({ shard, reason: thrown.message }, 'a shard does not answer: its logs are not counted, and usage that needs it cannot be read')
    }
  }
  // The first statement of each: it is migrated and pinned before it (prepareShard).
  for (const [index, other] of others.entries()) await unlessDown(index + 2, () => readStoreClock(other.control))
  for (let shard = 1; shard <= shards; shard += 1) await unlessDown(shard, () => requireInCluster(clickhouse.control, of.cluster, { shard, shards }))
  return applied
}

/** What a shard needs before its first statement: the migrations, and its place in the list. Throws StoreError. */
export async function prepareShard(first: ClickHouse, shard: ClickHouse, place: Place): Promise<void> {
  await migrate(shard)
  await pinPlace(first, shard, place)
}
