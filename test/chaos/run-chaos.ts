import { type Credentials, MeterlineClient } from '../support/clients/client.ts'
import { Random } from '../support/random.ts'
import { Acknowledged } from './acknowledged.ts'
import { afterMs, waitForAll } from './clock.ts'
import { compareAnswers } from './compare-answers.ts'
import { compareStored } from './compare-stored.ts'
import { emitOverHttp } from './emit-http.ts'
import { emitWithKafkajs } from './emit-kafkajs.ts'
import { emitWithKcat, hasKcat } from './emit-kcat.ts'
import { type Fold, foldTopic, type TopicRecord } from './fold.ts'
import { RecordGenerator, SentEvents } from './generate-records.ts'
import { KafkaEngineBaseline } from './kafka-engine-baseline.ts'
import { type Action, describeAction, isKill, makePlan } from './plan.ts'
import { readEnds, readTopicWithKafkajs, readTopicWithKcat } from './read-topic.ts'
import { runPlan } from './run-plan.ts'
import { findLag, SampledMetrics } from './sampled-metrics.ts'
import { StoreOverHttp, totalsOf } from './stored.ts'
import { APIS, INGESTS, PARTITIONS, type System } from './system.ts'

export interface ChaosOptions {
  readonly kills: number
  readonly seed: number
  readonly withBaseline: boolean
}

export interface ChaosResult {
  readonly differences: readonly string[]
  readonly records: number
  readonly kills: number
}

const PROJECTS = Array.from({ length: 24 }, (_, index) => `prj_${String(index).padStart(2, '0')}`)
const CONSUMED_SECONDS_MAX = 180

/** Emits events while it kills processes, waits until everything is consumed, and compares the results with the topic. */
export async function runChaos(system: System, { kills, seed, withBaseline }: ChaosOptions): Promise<ChaosResult> {
  const plan = makePlan({ kills, seed, ingests: INGESTS, apis: APIS, killable: system.killable })
  console.log(`plan: ${plan.map(describeAction).join(', ')}`)
  const client = () => new MeterlineClient(system.apis.find(({ url }) => url !== undefined)?.url ?? '', system.adminToken)
  const { partner, ingestKey } = await register(client())
  const baseline = withBaseline ? new KafkaEngineBaseline(system.clickhouseUrl) : undefined
  await baseline?.create(system.kafka.brokers, system.topic)
  const metrics = new SampledMetrics()
  const acknowledged = new Acknowledged()
  let ending = false
  const emitting = emit(system, { seed, acknowledged, ingestKey, ending: () => ending })
  const sampling = sampleUntilEnd(system, metrics, () => ending)
  const done = await Promise.race([runPlan(plan, system, () => metrics.status), emitting.then((): never => fail('The emitters stopped early.'))])
  await afterMs(2_000)
  ending = true
  await Promise.all([emitting, sampling])
  const emittedMs = Date.now()
  await system.startAll()
  await untilConsumed(system, { client, partner, emittedMs })
  await metrics.sample(system.ingests)
  const records = await readTopic(system)
  const fold = foldTopic(records, PARTITIONS)
  const store = new StoreOverHttp(system.clickhouseUrl)
  const logs = await readLogs(store)
  const differences = [
    ...(await compareStored({ fold, store, acknowledged, logs })),
    ...(await compareAnswers({ client: client(), partner, projects: PROJECTS, expected: totalsOf(eventsOf(fold)) })),
  ]
  await summarize({ system, store, fold, acknowledged, metrics, done })
  if (baseline !== undefined) {
    console.log(await baseline.report(fold, await readEnds(system.kafkajs, system.topic)))
    // Only cleaning up: a failure here does not change the result.
    await baseline.drop().catch((error: unknown) => console.log(`the database of the comparison was not dropped: ${String(error)}`))
  }
  return { differences, records: records.length, kills: done.filter(isKill).length }
}

function fail(message: string): never {
  throw new Error(message)
}

async function register(client: MeterlineClient): Promise<{ partner: Credentials; ingestKey: string }> {
  const partner = await client.createPartner('Chaos')
  for (const id of PROJECTS) await client.registerProject(id, partner.partnerId)
  return { partner, ingestKey: await client.createIngestKey() }
}

interface EmitOptions {
  readonly seed: number
  readonly acknowledged: Acknowledged
  readonly ingestKey: string
  ending(): boolean
}

async function emit(system: System, { seed, acknowledged, ingestKey, ending }: EmitOptions): Promise<void> {
  const sentEvents = new SentEvents()
  const options = (name: string, index: number) => {
    const random = new Random(seed * 31 + index)
    return { generator: new RecordGenerator({ name, random, projects: PROJECTS, sentEvents }), random, acknowledged, topic: system.topic, ending }
  }
  const kafkajs = { kafka: system.kafkajs, partitions: PARTITIONS }
  const urls = () => system.apis.flatMap(({ url }) => url ?? [])
  await Promise.all([
    emitWithKafkajs({ ...options('k', 1), ...kafkajs, misroutedPercent: 5 }),
    hasKcat()
      ? emitWithKcat({ ...options('c', 2), brokers: system.kafka.brokers })
      : emitWithKafkajs({ ...options('f', 2), ...kafkajs, misroutedPercent: 100 }),
    emitOverHttp({ ...options('h', 3), ingestKey, urls }),
    emitOverHttp({ ...options('i', 4), ingestKey, urls }),
  ])
}

async function sampleUntilEnd(system: System, metrics: SampledMetrics, ending: () => boolean): Promise<void> {
  while (!ending()) {
    await metrics.sample(system.ingests)
    await afterMs(1_000)
  }
}

async function untilConsumed(system: System, query: { client: () => MeterlineClient; partner: Credentials; emittedMs: number }): Promise<void> {
  await waitForAll({
    what: 'the ingest processes to consume everything',
    secondsMax: CONSUMED_SECONDS_MAX,
    findMissing: async () => {
      const lag = await findLag(system.ingests.slice(0, INGESTS), PARTITIONS)
      if (lag !== undefined) return lag
      const { body } = await query.client().partnershipUsage(query.partner, '2026-01-01', '2026-01-01')
      if (Date.parse(body?.as_of) > query.emittedMs) return undefined
      return `as_of is ${body?.as_of}, emitted until ${new Date(query.emittedMs).toISOString()}`
    },
  })
}

async function readTopic(system: System): Promise<TopicRecord[]> {
  const records = await (hasKcat() ? readTopicWithKcat(system.kafka.brokers, system.topic) : readTopicWithKafkajs(system.kafkajs, system.topic))
  const ends = [...(await readEnds(system.kafkajs, system.topic)).values()].reduce((sum, end) => sum + end, 0)
  if (records.length !== ends) throw new Error(`The independent reader found ${records.length} records, but the topic has ${ends}.`)
  return records
}

/** cluster/topic/incarnation. */
async function readLogs(store: StoreOverHttp): Promise<string> {
  const rows = await store.rows('SELECT DISTINCT topic, incarnation FROM topic_incarnations_v1')
  if (rows.length !== 1) throw new Error(`There should be one topic with one incarnation, but ClickHouse has ${rows.length}.`)
  return rows[0]?.join('/') ?? ''
}

function eventsOf({ counted }: Fold) {
  return [...counted.values()].flatMap((events) => [...events.values()])
}

interface SummarizeOptions {
  readonly system: System
  readonly store: StoreOverHttp
  readonly fold: Fold
  readonly acknowledged: Acknowledged
  readonly metrics: SampledMetrics
  readonly done: readonly Action[]
}

async function summarize({ system, store, fold, acknowledged, metrics, done }: SummarizeOptions): Promise<void> {
  const acquisitions = (await store.rows("SELECT sum(acquisitions) FROM leases_v1 WHERE name LIKE '%/chaos-%'"))[0]?.[0]
  const reasons = [...fold.rejected.values()].flatMap((reasonsOfPartition) => [...reasonsOfPartition.values()])
  const times = (names: readonly string[]) => [...new Set(names)].sort().map((name) => `${name} ${names.filter((other) => other === name).length}`)
  const pairs = (counts: ReadonlyMap<string, number>) => [...counts].map(([name, count]) => `${name} ${count}`).join(', ') || 'none'
  console.log(`done: ${times(done.map(({ kind }) => kind.replace('_', ' '))).join(', ')}`)
  console.log(`acknowledged records: ${pairs(acknowledged.records)}; retried requests: ${pairs(acknowledged.retries)}`)
  console.log(
    `counted ${eventsOf(fold).length}, duplicates ${fold.duplicates}, forwarded ${fold.copies}, rejected ${reasons.length} (${times(reasons).join(', ')}); ` +
      `lease acquisitions ${acquisitions}, repaired keys at least ${metrics.sum('meterline_rollup_repaired_keys_total')}, lowest watermark at most ${metrics.watermarkLagSecondsMax.toFixed(0)} s behind`,
  )
  for (const { name, unexpectedEnds } of [...system.ingests, ...system.apis])
    for (const end of unexpectedEnds) console.log(`  ${name} ended unexpectedly: ${end}`)
}
