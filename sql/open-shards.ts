import { partitionOfProject } from '../metering/project-partition.ts'
import { type ClickHouse, type Lane, openClickHouse } from './clickhouse.ts'
import { COORDINATING_SETTINGS, coordinatingDatabaseOf } from './coordinating-database.ts'
import { StoreError } from './errors.ts'
import { prepareShard } from './prepare-shards.ts'
import { firstMap, readShardMap } from './shard-map.ts'

export interface ShardsToOpen {
  /** The ordered list. All have the same database. */
  readonly urls: readonly string[]
}

/**
 * Opens a store of several servers. Its own lanes are in the coordinating database of the first server (sql/coordinating-database.ts), which
 * must answer. The other servers are connected to when they are first used, so that a process can start while one of them is down: only the
 * logs of that one wait. Throws StoreError.
 */
export async function openShards({ urls }: ShardsToOpen): Promise<ClickHouse> {
  const [firstUrl, ...otherUrls] = urls
  if (firstUrl === undefined) throw new Error('A store has at least one shard.')
  const first = await openClickHouse({ engine: 'server', url: firstUrl })
  try {
    const { slots } = (await readShardMap(first.control)) ?? firstMap(urls.length)
    const coordinating = await openClickHouse({ engine: 'server', url: coordinatingUrl(firstUrl) })
    const others = otherUrls.map((url, index) => openLater(url, (shard) => prepareShard(first, shard, { shard: index + 2, shards: urls.length })))
    const close = async () => {
      for (const each of [...others, coordinating, first]) await each.close()
    }
    const reads: Lane = { ...coordinating.reads, shardOfProject: (projectId) => slots[partitionOfProject(projectId, slots.length)] ?? 0 }
    return { ...coordinating, reads, shards: [first, ...others], slots, close }
  } catch (thrown) {
    await first.close()
    throw thrown
  }
}

/** The client takes settings of all statements from the parameters of its URL. */
function coordinatingUrl(firstUrl: string): string {
  const url = new URL(firstUrl)
  url.pathname = `/${coordinatingDatabaseOf(databaseOf(firstUrl))}`
  for (const [name, value] of Object.entries(COORDINATING_SETTINGS)) url.searchParams.set(`ch_${name}`, String(value))
  return url.href
}

/** The database of a URL: its path, by default `meterline`. */
export function databaseOf(url: string): string {
  return decodeURIComponent(new URL(url).pathname.slice(1)) || 'meterline'
}

/** A server that is connected to by its first statement. While it does not answer, each statement is an error, and the next one tries again. */
function openLater(url: string, prepare: (shard: ClickHouse) => Promise<void>): ClickHouse {
  let closed = false
  const open = async () => {
    if (closed) throw new StoreError('unavailable', 'The store is closed.')
    const shard = await openClickHouse({ engine: 'server', url })
    try {
      await prepare(shard)
    } catch (thrown) {
      await shard.close()
      throw thrown
    }
    return shard
  }
  const opened = onceUnlessFailed(open)
  const lane = (pick: (shard: ClickHouse) => Lane) => laneOpenedLater(async () => pick(await opened()))
  return {
    engine: 'server',
    ingest: lane((shard) => shard.ingest),
    registry: lane((shard) => shard.registry),
    control: lane((shard) => shard.control),
    reads: lane((shard) => shard.reads),
    work: lane((shard) => shard.work),
    openLane: async () => laneOpenedLater(onceUnlessFailed(async () => (await opened()).openLane())),
    close: async () => {
      closed = true
      await opened
        .current()
        ?.then((shard) => shard.close())
        .catch(() => {})
    },
  }
}

/** Opens at the first call, for all calls; after a failure the next call tries again. */
function onceUnlessFailed<T>(open: () => Promise<T>): { (): Promise<T>; current(): Promise<T> | undefined } {
  let opening: Promise<T> | undefined
  const opened = () => {
    opening ??= open().catch((thrown: unknown) => {
      opening = undefined
      throw thrown
    })
    return opening
  }
  return Object.assign(opened, { current: () => opening })
}

function laneOpenedLater(lane: () => Promise<Lane>): Lane {
  return {
    query: async (query, params) => (await lane()).query(query, params),
    lines: async function* (query, params) {
      yield* (await lane()).lines(query, params)
    },
    bytes: async function* (query, params, format) {
      yield* (await lane()).bytes(query, params, format)
    },
    execute: async (statement, params, tag) => (await lane()).execute(statement, params, tag),
    insert: async (insert) => (await lane()).insert(insert),
    command: async (sql, secondsMax) => (await lane()).command(sql, secondsMax),
  }
}
