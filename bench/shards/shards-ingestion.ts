import type { BenchTopic } from '../bench-topic.ts'
import { COUNTED, CPU_SECONDS, startKafkaService } from '../kafka-service.ts'
import type { Run } from '../report.ts'
import { makeTemporaryDirectory } from '../temporary-directory.ts'
import { SHARDS, type ShardedStore, type ShardServers, type Shards, type TableOnDisk } from './sharded-stores.ts'

/** What one store took to count all events of the topic. */
export interface Ingestion {
  readonly eventsPerSecond: number
  /** Of `meterline ingest`, in its single process. */
  readonly serviceCpuSecondsPerMillion: number
  /** Of the servers, merges included. */
  readonly serversCpuSecondsPerMillion: number
  /** Of `meterline ingest`, the filter of identities included. */
  readonly rssBytesMax: number
  readonly filterBytes: number
}

export interface IngestionOfAll {
  /** Per number of shards, one for each round. */
  readonly rounds: ReadonlyMap<Shards, readonly Ingestion[]>
  /** The stores of the last round. They have all events, and everything is merged. */
  readonly stores: readonly ShardedStore[]
  /** The tables of each of these stores. */
  readonly tables: ReadonlyMap<Shards, ReadonlyMap<string, TableOnDisk>>
}

/** The same topic is counted into stores of one, two and three shards by turns, each into an empty one. */
export async function measureShardsIngestion(
  run: Run,
  servers: ShardServers,
  { topic, events, rounds }: { topic: BenchTopic; events: number; rounds: number },
): Promise<IngestionOfAll> {
  const measured = new Map<Shards, Ingestion[]>(SHARDS.map((shards) => [shards, []]))
  let stores: ShardedStore[] = []
  for (let round = 1; round <= rounds; round += 1) {
    stores = []
    for (const shards of inTurn(SHARDS, round)) {
      run.progress(`events, round ${round} of ${rounds}: ${shards} ${shards === 1 ? 'server' : 'shards'}`)
      const store = await servers.openStore(shards, `bench_${shards}_${round}`)
      const ingestion = await ingest(run, servers, { store, topic, events })
      measured.get(shards)?.push(ingestion)
      stores.push(store)
      const cpu = ingestion.serviceCpuSecondsPerMillion + ingestion.serversCpuSecondsPerMillion
      run.progress(`  ${Math.round(ingestion.eventsPerSecond)} events/s, ${cpu.toFixed(1)} CPU s / million`)
    }
  }
  const tables = new Map<Shards, ReadonlyMap<string, TableOnDisk>>()
  for (const store of stores) tables.set(store.shards, await servers.mergeAll(store))
  return { rounds: measured, stores: stores.toSorted((a, b) => a.shards - b.shards), tables }
}

/** Each round begins with another one, so that no side always runs first. */
export function inTurn<T>(all: readonly T[], round: number): T[] {
  const first = round % all.length
  return [...all.slice(first), ...all.slice(0, first)]
}

async function ingest(
  { closers }: Run,
  servers: ShardServers,
  { store, topic, events }: { store: ShardedStore; topic: BenchTopic; events: number },
): Promise<Ingestion> {
  const service = await startKafkaService({ dataDir: makeTemporaryDirectory(closers), part: 'ingest', environment: store.environment }, topic, closers)
  const readingMs = await service.reading
  const serviceBefore = cpuOf(await service.metrics())
  const serversBefore = await servers.cpuSeconds(store)
  const { atMs, metrics, rssBytesMax } = await service.until(COUNTED, events)
  await service.stop()
  await servers.untilMerged(store)
  const serversAfter = await servers.cpuSeconds(store, serversBefore)
  return {
    eventsPerSecond: (events / (atMs - readingMs)) * 1000,
    serviceCpuSecondsPerMillion: ((cpuOf(metrics) - serviceBefore) / events) * 1e6,
    serversCpuSecondsPerMillion: ((serversAfter.seconds - serversBefore.seconds) / events) * 1e6,
    rssBytesMax,
    filterBytes: metrics.get('meterline_filter_bytes') ?? Number.NaN,
  }
}

function cpuOf(metrics: ReadonlyMap<string, number>): number {
  return metrics.get(CPU_SECONDS) ?? Number.NaN
}
