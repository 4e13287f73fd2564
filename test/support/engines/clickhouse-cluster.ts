import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { makeTemporaryDirectory } from '../temporary-directory.ts'
import { type ClickHouseServer, startClickHouseServer } from './clickhouse-server.ts'
import { freePort } from './free-port.ts'

/** Several ClickHouse servers that can read each other: the shards of one store. Numbers begin at 1. */
export interface ClickHouseCluster {
  /** In their order, with a new database. */
  readonly urls: readonly string[]
  /** The processes of the servers, in their order. A server that was started again is another one. */
  pids(): Promise<number[]>
  /** Sends SIGKILL to a server and waits for its exit. */
  kill(shard: number): Promise<void>
  /** Starts a server that was killed, with its data. */
  restart(shard: number): Promise<void>
  /** Copies the data of a server while it is off. */
  backUp(shard: number): Promise<void>
  /** Replaces the data of a server by the copy while it is off. */
  restore(shard: number): Promise<void>
  stop(): Promise<void>
}

/**
 * The names of the clusters in the servers' remote_servers: `meterline`, which is Meterline's default, has all servers, `first_1`, `first_2` …
 * so many of them, and `reversed` has them in the other order.
 */
function clustersOf(natives: readonly number[]): string {
  const listed = natives.map((port) => `<shard><replica><host>127.0.0.1</host><port>${port}</port></replica></shard>`)
  const cluster = (name: string, servers: readonly string[]) => `<${name}>${servers.join('')}</${name}>`
  const first = listed.map((_, index) => cluster(`first_${index + 1}`, listed.slice(0, index + 1)))
  return [cluster('meterline', listed), cluster('reversed', listed.toReversed()), ...first].join('')
}

export interface ClusterOptions {
  /** Is kept when the servers stop; by default their data is temporary. */
  readonly dataDir?: string
  /** The configuration of each server, by names of files, instead of these clusters; it gets the native ports in their order. */
  readonly filesOf?: (natives: readonly number[]) => Readonly<Record<string, string>>
}

/** A server that is alone has no native interface. */
export async function startClickHouseCluster(shards: number, { dataDir, filesOf }: ClusterOptions = {}): Promise<ClickHouseCluster> {
  const directory = dataDir === undefined ? makeTemporaryDirectory() : { path: dataDir, remove: () => {} }
  const places = await Promise.all(Array.from({ length: shards }, async () => ({ port: await freePort(), native: await freePort() })))
  const natives = places.map(({ native }) => native)
  const configured =
    filesOf === undefined ? { configuration: `<remote_servers>${clustersOf(natives)}</remote_servers>` } : { configuration: '', files: filesOf(natives) }
  const running = new Map<number, Promise<ClickHouseServer>>()
  const dataOf = (shard: number) => join(directory.path, `shard-${shard}`)
  const backupOf = (shard: number) => join(directory.path, `backup-${shard}`)
  const copy = (from: string, to: string) => {
    rmSync(to, { recursive: true, force: true })
    cpSync(from, to, { recursive: true, verbatimSymlinks: true })
  }
  const start = async (shard: number): Promise<void> => {
    const place = places[shard - 1]
    if (place === undefined) throw new Error(`There is no shard ${shard}.`)
    const native = { port: place.native, ...configured }
    const started = startClickHouseServer({ dataDir: dataOf(shard), port: place.port, ...(shards > 1 && { native }) })
    running.set(shard, started)
    await started
  }
  await Promise.all(places.map((_, index) => start(index + 1)))
  const kill = async (shard: number) => {
    const server = running.get(shard)
    running.delete(shard)
    await (await server)?.kill()
  }
  return {
    urls: places.map(({ port }) => `http://127.0.0.1:${port}/meterline`),
    pids: () => Promise.all(places.map(async (_, index) => (await running.get(index + 1))?.pid ?? 0)),
    kill,
    restart: start,
    backUp: async (shard) => {
      await kill(shard)
      copy(dataOf(shard), backupOf(shard))
      await start(shard)
    },
    restore: async (shard) => {
      await kill(shard)
      copy(backupOf(shard), dataOf(shard))
      await start(shard)
    },
    stop: async () => {
      for (const shard of [...running.keys()]) await kill(shard)
      directory.remove()
    },
  }
}
