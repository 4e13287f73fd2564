import { randomBytes } from 'node:crypto'
import type { Closers } from '../../service/closers.ts'
import { type ClickHouseCluster, startClickHouseCluster } from '../../test/support/engines/clickhouse-cluster.ts'
import { processCpuSeconds } from '../process-cpu.ts'
import { readRows, runStatement } from '../server-rows.ts'
import { type SeededPartners, seedPartners } from './seed-partners.ts'

/** The numbers of shards that are compared. */
export const SHARDS = [1, 2, 3] as const
export type Shards = (typeof SHARDS)[number]
/** Two for each shard of three, so a multiple of every number of shards. */
export const SHARDS_PARTITIONS = 6

/** A store on the first servers: one server as it is without shards, or several as shards. */
export interface ShardedStore {
  readonly shards: Shards
  readonly environment: Readonly<Record<string, string>>
  /** Of its database at each of its servers. */
  readonly urls: readonly string[]
  readonly partners: SeededPartners
}

export interface TableOnDisk {
  readonly rows: number
  readonly bytes: number
}

/** Three ClickHouse servers, which every store of the measurement shares; only one of the stores is busy at a time. */
export class ShardServers {
  readonly #cluster: ClickHouseCluster
  readonly #secrets = { ADMIN_TOKEN: randomBytes(24).toString('hex'), MASTER_KEY: randomBytes(32).toString('base64') }

  private constructor(cluster: ClickHouseCluster) {
    this.#cluster = cluster
  }

  static async start(closers: Closers): Promise<ShardServers> {
    const cluster = await startClickHouseCluster(SHARDS.length)
    closers.add(() => cluster.stop())
    return new ShardServers(cluster)
  }

  /** Creates an empty store with the partners and their projects. Its database has this name on each server. */
  async openStore(shards: Shards, database: string): Promise<ShardedStore> {
    const urls = this.#cluster.urls.slice(0, shards).map((url) => url.replace(/\/meterline$/, `/${database}`))
    const where: Record<string, string> =
      shards === 1 ? { CLICKHOUSE_URL: urls[0] ?? '' } : { CLICKHOUSE_URLS: urls.join(','), CLICKHOUSE_CLUSTER: `first_${shards}` }
    const environment = { ...this.#secrets, ...where, CLOSE_GRACE_HOURS: '1000000' }
    return { shards, environment, urls, partners: await seedPartners(environment) }
  }

  /** The CPU time of the servers of a store so far. Throws if one of them was started again, because its earlier time is lost. */
  async cpuSeconds({ shards }: ShardedStore, since?: ServersCpu): Promise<ServersCpu> {
    const pids = (await this.#cluster.pids()).slice(0, shards)
    if (since !== undefined && since.pids.join() !== pids.join()) throw new Error('A ClickHouse server ended and was started again: run the measurement again.')
    return { pids, seconds: pids.reduce((sum, pid) => sum + processCpuSeconds(pid), 0) }
  }

  /** The bytes that servers have sent each other, in both directions: of all servers, on their native interfaces, which nothing else uses. */
  async bytesBetween(): Promise<number> {
    const counted = await Promise.all(this.#cluster.urls.map((url) => readRows(new URL('/default', url).href, NATIVE_BYTES)))
    return counted.reduce((sum, [row]) => {
      const [bytes, counters] = row ?? []
      if (Number(counters) !== 2) throw new Error('This version of ClickHouse does not count the bytes of its native interface.')
      return sum + Number(bytes)
    }, 0)
  }

  /** Waits until no part is being merged any more: what an insert costs includes the merges of its parts. */
  async untilMerged({ urls }: ShardedStore): Promise<void> {
    for (let quiet = 0; quiet < QUIET_CHECKS; ) {
      const merging = await Promise.all(urls.map((url) => readRows(url, 'SELECT count() FROM system.merges WHERE database = currentDatabase()')))
      quiet = merging.every(([row]) => Number(row?.[0] ?? 0) === 0) ? quiet + 1 : 0
      await new Promise((resolve) => setTimeout(resolve, CHECK_EVERY_MS))
    }
  }

  /** Merges everything, so that neither sizes nor answers depend on how far background merges are. Returns what each table has on all servers. */
  async mergeAll({ urls }: ShardedStore): Promise<ReadonlyMap<string, TableOnDisk>> {
    const tables = new Map<string, TableOnDisk>()
    for (const url of urls) {
      for (const table of MERGED) await runStatement(url, `OPTIMIZE TABLE ${table} FINAL SETTINGS max_execution_time = 0`)
      for (const [table = '', rows, bytes] of await readRows(url, PARTS)) {
        const before = tables.get(table) ?? { rows: 0, bytes: 0 }
        tables.set(table, { rows: before.rows + Number(rows), bytes: before.bytes + Number(bytes) })
      }
    }
    return tables
  }
}

export interface ServersCpu {
  readonly pids: readonly number[]
  readonly seconds: number
}

const CHECK_EVERY_MS = 200
const QUIET_CHECKS = 5
const MERGED = ['raw_usage_events_v1', 'identity_hashes_v1', 'project_usage_per_day_v1']
const PARTS = 'SELECT table, sum(rows), sum(bytes_on_disk) FROM system.parts WHERE active AND database = currentDatabase() GROUP BY table'
const NATIVE_BYTES = `SELECT sum(value), count() FROM system.events WHERE event IN ('InterfaceNativeSendBytes', 'InterfaceNativeReceiveBytes')
  SETTINGS system_events_show_zero_values = 1`
