import { type Credentials, MeterlineClient } from '../support/clients/client.ts'
import { labelMetrics } from '../support/oracles/defined-metrics.ts'
import { Random } from '../support/random.ts'
import { defineChaosMetrics } from './chaos-metrics.ts'
import { AnswerChecks } from './check-answers.ts'
import { afterMs, waitForAll } from './clock.ts'
import { MonthClosings } from './close-months.ts'
import { compareAnswers } from './compare-answers.ts'
import { compareBatches } from './compare-batches.ts'
import { compareShards } from './compare-shards.ts'
import { compareStatements } from './compare-statements.ts'
import { compareStored } from './compare-stored.ts'
import { hasKcat } from './emit-kcat.ts'
import { effectiveEvents, foldTopic } from './fold.ts'
import { LABELLED_METRICS, WATCHED_PROJECTS } from './generate-records.ts'
import { KafkaEngineBaseline } from './kafka-engine-baseline.ts'
import { Load, PROJECTS } from './load.ts'
import { describeAction, isKill, makePlan, type OtherKind } from './plan.ts'
import { produceLastRecords, readEnds, readTopicWithKafkajs, readTopicWithKcat } from './read-topic.ts'
import { runPlan, type Stage } from './run-plan.ts'
import { findLag, SampledMetrics } from './sampled-metrics.ts'
import { StoredOnServers } from './stored.ts'
import { summarize } from './summarize.ts'
import { INGESTS, PARTITIONS, type System } from './system.ts'
import type { TopicRecord } from './validate-record.ts'

export interface ChaosOptions {
  readonly kills: number
  readonly seed: number
  readonly withBaseline: boolean
  readonly others: readonly OtherKind[]
  /** Events of the years before, which are there before anything is killed. */
  readonly oldEvents: number
}

export interface ChaosResult {
  readonly differences: readonly string[]
  readonly records: number
  readonly kills: number
}

/** What was not consumed during the plan takes this long, and longer for many records: a lower rate fails the run. */
const CONSUMED_SECONDS_MIN = 420
const CONSUMED_PER_SECOND_MIN = 4_000
/** A transaction that hangs is aborted by the broker long before. */
const READABLE_SECONDS_MAX = 90

/** Emits events while it kills processes, waits until everything is consumed, and compares the results with the topic. */
export async function runChaos(system: System, options: ChaosOptions): Promise<ChaosResult> {
  const plan = makePlan({ ...options, killable: system.killable })
  console.log(`plan: ${plan.map(describeAction).join(', ')}`)
  const client = () => new MeterlineClient(system.apis.find(({ url }) => url !== undefined)?.url ?? '', system.adminToken)
  await defineChaosMetrics(client())
  await labelMetrics(client(), LABELLED_METRICS, ['model'])
  const partner = await register(client(), 'Chaos', PROJECTS)
  const watched = await register(client(), 'Watched', WATCHED_PROJECTS)
  const planMs = plan.reduce((sum, action) => sum + action.afterMs, 0)
  const closings = new MonthClosings({ system, partner, random: new Random(options.seed), planMs })
  await closings.billAll(client())
  const metrics = new SampledMetrics()
  const load = new Load({ system, seed: options.seed, ingestKey: await client().createIngestKey(), lagEvents: () => metrics.lagEvents() })
  await load.preload(options.oldEvents)
  const baseline = options.withBaseline ? new KafkaEngineBaseline(system.store.first) : undefined
  await baseline?.create(system.kafka.brokers, system.topic)
  const stage: Stage = { system, load, secondSources: [] }
  const checks = new AnswerChecks({ system, partner: watched, acknowledged: load.acknowledged, random: new Random(options.seed) })
  let ending = false
  const emitting = load.emit()
  const watching = Promise.all([sampleUntilEnd(system, metrics, () => ending), checks.run(() => ending), closings.run(() => ending)])
  const done = await Promise.race([runPlan(plan, stage, () => metrics.status), emitting.then((): never => fail('The emitters stopped early.'))])
  const secondSources = await Promise.all(stage.secondSources)
  await load.end()
  const misjudged = await emitting
  const emittedMs = Date.now()
  await system.startAll()
  await untilReadable(system)
  await untilConsumed(system, { client, partner, emittedMs })
  ending = true
  await watching
  await metrics.sample(system.ingests)
  await closings.end()
  // Forwarded copies have followed the last records of the emitters.
  const ends = await readEnds(system.kafkajs, system.topic)
  const records = await readTopic(system, ends)
  const fold = foldTopic(records, PARTITIONS)
  const store = new StoredOnServers(system.store.urls)
  const expected = effectiveEvents(fold)
  const differences = [
    ...(await compareStored({ fold, store, acknowledged: load.acknowledged, logs: await readLogs(store, system.topic) })),
    ...(await compareShards(store)),
    ...(await compareAnswers({ client: client(), partner, projects: PROJECTS, expected })),
    ...(await compareAnswers({ client: client(), partner: watched, projects: WATCHED_PROJECTS, expected })),
    ...(await compareBatches(client(), fold)),
    ...compareStatements({ closed: closings.closed, projects: PROJECTS, expected }),
    ...closings.violations,
    ...misjudged,
    ...checks.violations,
    ...secondSources.flatMap((outcome) => (outcome === 'accepted' ? ['a second source was accepted beside the first'] : [])),
  ]
  await summarize({ stage, secondSources, store, fold, metrics, checks, closings, done })
  if (baseline !== undefined) {
    console.log(await baseline.report(fold, ends))
    // Only cleaning up: a failure here does not change the result.
    await baseline.drop().catch((error: unknown) => console.log(`the database of the comparison was not dropped: ${String(error)}`))
  }
  return { differences, records: records.length, kills: done.filter(isKill).length }
}

function fail(message: string): never {
  throw new Error(message)
}

async function register(client: MeterlineClient, name: string, projects: readonly string[]): Promise<Credentials> {
  const partner = await client.createPartner(name)
  for (const id of projects) await client.registerProject(id, partner.partnerId)
  return partner
}

async function sampleUntilEnd(system: System, metrics: SampledMetrics, ending: () => boolean): Promise<void> {
  while (!ending()) {
    await metrics.sample(system.ingests)
    await afterMs(1_000)
  }
}

async function untilConsumed(system: System, query: { client: () => MeterlineClient; partner: Credentials; emittedMs: number }): Promise<void> {
  const records = [...(await readEnds(system.kafkajs, system.topic)).values()].reduce((sum, end) => sum + end, 0)
  await waitForAll({
    what: 'the ingest processes to consume everything',
    secondsMax: Math.max(CONSUMED_SECONDS_MIN, Math.ceil(records / CONSUMED_PER_SECOND_MIN)),
    findMissing: async () => {
      const lag = await findLag(system.ingests.slice(0, INGESTS), PARTITIONS)
      if (lag !== undefined) return lag
      const { body } = await query.client().partnershipUsage(query.partner, '2026-01-01', '2026-01-01')
      if (Date.parse(body?.as_of) > query.emittedMs) return undefined
      return `as_of is ${body?.as_of}, emitted until ${new Date(query.emittedMs).toISOString()}`
    },
  })
}

/** Ends each partition with a record that is in no transaction, and waits until it can be read. */
async function untilReadable(system: System): Promise<void> {
  const ends = await produceLastRecords(system.kafkajs, system.topic, PARTITIONS)
  await waitForAll({
    what: 'the transactions to end',
    secondsMax: READABLE_SECONDS_MAX,
    findMissing: async () => {
      const readable = await readEnds(system.kafkajs, system.topic)
      const behind = [...ends].filter(([partition, end]) => (readable.get(partition) ?? 0) < end)
      return behind.length === 0 ? undefined : `partitions ${behind.map(([partition]) => partition).join(', ')}`
    },
  })
}

async function readTopic(system: System, ends: ReadonlyMap<number, number>): Promise<TopicRecord[]> {
  const { kafka, kafkajs, topic } = system
  const records = await (hasKcat() ? readTopicWithKcat(kafka.brokers, topic) : readTopicWithKafkajs(kafkajs, topic, ends))
  const read = new Map<number, number>()
  for (const { partition, offset } of records) read.set(partition, Math.max(read.get(partition) ?? 0, offset + 1))
  for (const [partition, end] of ends)
    if (read.get(partition) !== end) throw new Error(`The independent reader read partition ${partition} up to ${read.get(partition)} instead of ${end}.`)
  return records
}

/** cluster/topic/incarnation. A second source that was rejected may have left an incarnation of its own topic. */
async function readLogs(store: StoredOnServers, topic: string): Promise<string> {
  const rows = await store.rows(`SELECT DISTINCT topic, incarnation FROM topic_incarnations_v1 WHERE endsWith(topic, '/${topic}')`)
  if (rows.length !== 1) throw new Error(`The topic should have one incarnation, but ClickHouse has ${rows.length}.`)
  return rows[0]?.join('/') ?? ''
}
