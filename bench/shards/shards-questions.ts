import { type BenchTopic, variablesOf } from '../bench-topic.ts'
import { untilAudited } from '../measured-service.ts'
import type { Run } from '../report.ts'
import { type ServiceProcess, startServiceProcess } from '../service-process.ts'
import { makeTemporaryDirectory } from '../temporary-directory.ts'
import { sameEverywhere } from './same-everywhere.ts'
import type { PartnerSize } from './seed-partners.ts'
import type { ShardedStore, ShardServers, Shards } from './sharded-stores.ts'
import {
  billFromMonth,
  closeMonth,
  PERIODS,
  partnerOf,
  partnershipUsage,
  partnersOf,
  projectUsage,
  type RunningStore,
  SHARDS_MONTH,
  statementLines,
} from './shards-calls.ts'
import { inTurn } from './shards-ingestion.ts'

export interface Cost {
  readonly ms: number
  /** What the servers sent each other meanwhile, in both directions. */
  readonly bytesBetween: number
}

/** What one store took for each answer. */
export interface Questions {
  readonly projectUsage: readonly Cost[]
  readonly partnershipUsage: Readonly<Record<PartnerSize, readonly Cost[]>>
  readonly closing: Readonly<Record<PartnerSize, readonly Cost[]>>
  /** From the start of the whole service until every day is materialized and audited, and its stop. */
  readonly firstDays: Cost
}

export interface QuestionsOfAll {
  readonly costs: ReadonlyMap<Shards, Questions>
  /** How many answers were compared with those of one server, and were the same. */
  readonly compared: number
  /** What all stores together send while nothing is requested. */
  readonly background: Cost
}

const WARM_UP = 10
const BACKGROUND_MS = 5_000

/**
 * Requests the same from every store, one request after another and the stores by turns, and compares the answers. A request differs from all before
 * it, so that none is answered from what the process remembers. Throws if an answer is not that of one server.
 */
export async function measureShardsQuestions(
  run: Run,
  servers: ShardServers,
  { stores, topic, requests }: { stores: readonly ShardedStore[]; topic: BenchTopic; requests: number },
): Promise<QuestionsOfAll> {
  const running: RunningStore[] = []
  const measured = new Map<Shards, Writable>()
  for (const store of stores) {
    run.progress(`materializing and auditing the days: ${store.shards} of ${stores.length} stores`)
    const firstDays = await costOf(servers, async () => {
      const service = await startService(run, store, { topic, part: 'start' })
      await untilAudited(service)
      await service.stop()
    })
    measured.set(store.shards, { projectUsage: [], partnershipUsage: { small: [], large: [] }, closing: { small: [], large: [] }, firstDays })
  }
  // Only `api` from here on: the background work of three services would be most of what these servers do.
  for (const store of stores) running.push({ ...store, service: await startService(run, store, { topic, part: 'api' }) })
  run.progress('nothing is requested')
  const background = await costOf(servers, () => new Promise((resolve) => setTimeout(resolve, BACKGROUND_MS)))
  let compared = 0
  const askAll = async (round: number, costs: (of: Writable) => Cost[] | undefined, ask: (store: RunningStore) => Promise<string>) => {
    const texts = new Map<Shards, string>()
    for (const store of inTurn(running, round)) {
      const cost = await costOf(servers, async () => texts.set(store.shards, await ask(store)))
      const of = measured.get(store.shards)
      if (of !== undefined) costs(of)?.push(cost)
    }
    sameEverywhere(new Map(running.map((store) => [store, texts.get(store.shards) ?? ''])))
    compared += running.length - 1
  }

  run.progress('usage of projects')
  for (let request = 0; request < WARM_UP + requests; request += 1)
    await askAll(
      request,
      (of) => (request < WARM_UP ? undefined : of.projectUsage),
      (store) => projectUsage(store, request),
    )
  for (const size of ['small', 'large'] as const) {
    run.progress(`usage of ${size} partners`)
    for (const [request, period] of PERIODS.entries())
      await askAll(
        request,
        (of) => of.partnershipUsage[size],
        (store) => partnershipUsage(store, size, { request, period }),
      )
    run.progress(`closing ${SHARDS_MONTH} of ${size} partners`)
    for (const number of partnersOf(running[0], size).keys()) {
      for (const store of running) await billFromMonth(store, partnerOf(store, size, number))
      await askAll(
        number,
        (of) => of.closing[size],
        (store) => closeMonth(store, partnerOf(store, size, number)),
      )
      await askAll(
        number,
        () => undefined,
        (store) => statementLines(store, partnerOf(store, size, number)),
      )
    }
  }
  return { costs: measured, compared, background }
}

interface Writable extends Questions {
  readonly projectUsage: Cost[]
  readonly partnershipUsage: Readonly<Record<PartnerSize, Cost[]>>
  readonly closing: Readonly<Record<PartnerSize, Cost[]>>
}

function startService({ closers }: Run, { environment }: ShardedStore, { topic, part }: { topic: BenchTopic; part: 'start' | 'api' }): Promise<ServiceProcess> {
  const group = `bench-${environment['CLICKHOUSE_CLUSTER'] ?? 'whole'}-${process.pid}`
  return startServiceProcess(makeTemporaryDirectory(closers), closers, { part, environment: { ...environment, ...variablesOf(topic), KAFKA_GROUP: group } })
}

async function costOf(servers: ShardServers, work: () => Promise<unknown>): Promise<Cost> {
  const before = await servers.bytesBetween()
  const started = performance.now()
  await work()
  const ms = performance.now() - started
  return { ms, bytesBetween: (await servers.bytesBetween()) - before }
}
