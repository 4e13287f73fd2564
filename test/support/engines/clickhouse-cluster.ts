import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { makeTemporaryDirectory } from '../temporary-directory.ts'
import { type ClickHouseServer, startClickHouseServer } from './clickhouse-server.ts'
import { freePort } from './free-port.ts'

/**
 * Several ClickHouse servers that can read each other: the shards of one store. Numbers begin at 1. A server that aborts is started again, as
 * a supervisor would.
 */
export interface ClickHouseCluster {
  /** In their order, with a new database. */
  readonly urls: readonly string[]
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

/** The name of the cluster in the servers' remote_servers, by default that of Meterline. There is one with the servers in `reversed` order, too. */
const CLUSTER = 'meterline'

export async function startClickHouseCluster(shards: number): Promise<ClickHouseCluster> {
  const directory = makeTemporaryDirectory()
  const places = await Promise.all(Array.from({ length: shards }, async () => ({ port: await freePort(), native: await freePort() })))
  const listed = places.map(({ native }) => `<shard><replica><host>127.0.0.1</host><port>${native}</port></replica></shard>`)
  const reversed = `<reversed>${[...listed].reverse().join('')}</reversed>`
  const configuration = `<remote_servers><${CLUSTER}>${listed.join('')}</${CLUSTER}>${reversed}</remote_servers>`
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
    const onAborted = () => {
      if (running.has(shard)) start(shard).catch(() => {})
    }
    const dataDir = dataOf(shard)
    const started = startClickHouseServer({ dataDir, port: place.port, native: { port: place.native, configuration, onAborted } })
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
