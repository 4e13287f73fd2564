import { z } from 'zod'
import type { ClickHouse, Lane } from './clickhouse.ts'
import { StoreError } from './errors.ts'
import { type Place, readPinned } from './pinned-places.ts'
import { defineQuery } from './query.ts'
import { queryOne } from './query-one.ts'
import { readShardMap } from './shard-map.ts'
import { IS_LOG_OF_TOPIC } from './shards.ts'
import { row } from './tab-separated.ts'

/**
 * Pins the place of a server in the list at the first start, and checks it at every later one (shards_v1). Each server holds its own place, so
 * the list may have other host names later, and a restored server is known by its data. The order is the guarantee:
 * 1. The first server. It names the installation by the identity of its database, which is the same for processes that start at the same time.
 * 2. Another server's own row. Only an empty server gets one: what it already counts would be in no answer, or twice.
 * 3. That row in the first server. From here on an empty server at this place is one that lost its data, and an error.
 * A crash after 2: the row is found, and 3 is done again. Throws StoreError.
 */
export async function pinPlace(first: ClickHouse, server: ClickHouse, place: Place): Promise<void> {
  const pinned = await readPinned(first.control)
  // The first server has the rows of all, and its own is the first of them.
  const [own] = server === first ? pinned : await readPinned(server.control)
  if (own !== undefined) requireSamePlace(own, place)
  const installation = pinned[0]?.installation
  if (server !== first && installation === undefined) throw new StoreError('unavailable', 'The first shard has not been pinned yet.')
  if (own !== undefined && installation !== undefined && own.installation !== installation)
    throw new StoreError('fault', `${nameOf(place)} belongs to another installation than the first shard. ${CHECK_THE_LIST}`)
  if (own === undefined) {
    // A place that is being added may have been pinned on a wrong server, which has nothing.
    const shards = (await readShardMap(first.control))?.shards ?? place.shards
    if (place.shard <= shards && pinned.some(({ shard }) => shard === place.shard))
      throw new StoreError(
        'fault',
        `${nameOf(place)} has no data, but it had some: restore its backup. Its events would be missing in every total. ${CHECK_THE_LIST}`,
      )
    await requireEmpty(server, place)
    await writePlace(server.control, place, installation ?? (await queryOne(first.control, identityOfDatabase, {})).id)
  }
  if (server !== first && installation !== undefined && !pinned.some(({ shard }) => shard === place.shard)) await writePlace(first.control, place, installation)
}

/** Checks that the cluster of the first server has this server at this place too: `lane` is one of the coordinating database. Throws StoreError. */
export async function requireInCluster(lane: Lane, cluster: string, place: Place): Promise<void> {
  const found = await lane.query(placeInCluster, { shard: place.shard })
  if (found.length === 1 && found[0]?.place === place.shard) return
  throw new StoreError(
    'fault',
    `The cluster "${cluster}" in remote_servers of the first ClickHouse server does not have ${nameOf(place)} at place ${place.shard}. It must list the same ${place.shards} servers as CLICKHOUSE_URLS, in the same order, one replica each.`,
  )
}

const CHECK_THE_LIST = 'Check the order and the database names of CLICKHOUSE_URLS.'

function nameOf({ shard, shards }: Place): string {
  return `the server at place ${shard} of ${shards} in CLICKHOUSE_URLS`
}

/**
 * Checks that the list is as long as the pinned one; `isAdding`, that it has one server more. `lane` is one of the first server's own database.
 * Throws StoreError.
 */
export async function requireSameList(lane: Lane, { shards, isAdding }: { readonly shards: number; readonly isAdding: boolean }): Promise<void> {
  const [own] = await readPinned(lane)
  if (own === undefined && isAdding)
    throw new StoreError('fault', 'This store has no shards yet. Start with the whole list instead: it is pinned at the first start.')
  if (own === undefined) return
  requireSamePlace(own, { shard: 1, shards })
  const pinned = (await readShardMap(lane))?.shards ?? own.shards
  if (shards === pinned + (isAdding ? 1 : 0)) return
  throw new StoreError(
    'fault',
    isAdding
      ? `This store is distributed over ${pinned} servers, and CLICKHOUSE_URLS lists ${shards}. To add a server, write it at the end of the list of these ${pinned}.`
      : `This store is distributed over ${pinned} servers, and CLICKHOUSE_URLS lists ${shards}. The list is pinned, because the shard of each project depends on it: list the same servers in the same order. "meterline shard add" adds one at its end.`,
  )
}

function requireSamePlace(own: Place, place: Place): void {
  if (own.shard !== place.shard)
    throw new StoreError('fault', `${nameOf(place)} is shard ${own.shard}. The order was pinned at the first start: list the same servers in the same order.`)
}

async function requireEmpty(server: ClickHouse, place: Place): Promise<void> {
  const { logs, events } = await queryOne(server.control, whatIsStored, {})
  if (logs === 0 && events === 0) return
  throw new StoreError(
    'fault',
    `${nameOf(place)} has events that were counted by a store of one server. A store cannot be distributed over several servers later: use new databases, and send the events again from the topic.`,
  )
}

async function writePlace(lane: Lane, { shard, shards }: Place, installation: string): Promise<void> {
  await lane.insert({ table: 'shards_v1', columns: ['shard', 'shards', 'installation'], text: row([shard, shards, installation]) })
}

const placeInCluster = defineQuery({
  name: 'place_in_cluster',
  sql: 'SELECT DISTINCT _shard_num AS place FROM shards_v1 WHERE shard = {shard: UInt64}',
  params: z.object({ shard: z.number() }),
  row: z.object({ place: z.number() }),
})

const identityOfDatabase = defineQuery({
  name: 'identity_of_database',
  sql: 'SELECT toString(uuid) AS id FROM system.databases WHERE name = currentDatabase()',
  params: z.object({}),
  row: z.object({ id: z.string() }),
})

/** The leases of event logs end with a partition; those of the registry and of closings are no events. */
const whatIsStored = defineQuery({
  name: 'what_is_stored',
  sql: `SELECT (SELECT count() FROM leases_v1 WHERE name = 'http' OR ${IS_LOG_OF_TOPIC}) AS logs, (SELECT count() FROM raw_usage_events_v1) AS events`,
  params: z.object({}),
  row: z.object({ logs: z.coerce.number(), events: z.coerce.number() }),
})
