import { type Credentials, MeterlineClient } from '../support/clients/client.ts'
import { Random } from '../support/random.ts'
import { Acknowledged } from './acknowledged.ts'
import { Beside } from './beside.ts'
import { carryOut } from './carry-out.ts'
import { afterMs, waitForAll } from './clock.ts'
import { compareAnswers } from './compare-answers.ts'
import { compareStored } from './compare-stored.ts'
import { emitOverHttp } from './emit-http.ts'
import { emitWithKafkajs } from './emit-kafkajs.ts'
import { emitWithKcat, hasKcat } from './emit-kcat.ts'
import { type Fold, foldTopic, type TopicRecord } from './fold.ts'
import { Memory, RecordMaker } from './made-records.ts'
import { type Action, describeAction, isKill, makePlan } from './plan.ts'
import { readEnds, readTopicWithKafkajs, readTopicWithKcat } from './read-topic.ts'
import { StoreOverHttp, totalsOf } from './stored.ts'
import { APIS, INGESTS, PARTITIONS, type System } from './system.ts'
import { findLag, Tallies } from './tallies.ts'

export interface ChaosOptions {
  readonly kills: number
  readonly seed: number
  readonly beside: boolean
}

export interface ChaosResult {
  readonly differences: readonly string[]
  readonly records: number
  readonly kills: number
}

const PROJECTS = Array.from({ length: 24 }, (_, index) => `prj_${String(index).padStart(2, '0')}`)
const CONSUMED_SECONDS_MAX = 180

/** Emits, kills, waits until all is consumed, and compares what came out with what the topic holds. */
export async function runChaos(system: System, { kills, seed, beside: withBeside }: ChaosOptions): Promise<ChaosResult> {
  const plan = makePlan({ kills, seed, ingests: INGESTS, apis: APIS, killable: system.killable })
  console.log(`plan: ${plan.map(describeAction).join(', ')}`)
  const client = () => new MeterlineClient(system.apis.find(({ url }) => url !== undefined)?.url ?? '', system.adminToken)
  const { partner, ingestKey } = await register(client())
  const beside = withBeside ? new Beside(system.clickhouseUrl) : undefined
  await beside?.create(system.kafka.brokers, system.topic)
  const tallies = new Tallies()
  const acknowledged = new Acknowledged()
  let ending = false
  const emitting = emit(system, { seed, acknowledged, ingestKey, ending: () => ending })
  const looking = lookOn(system, tallies, () => ending)
  const done = await Promise.race([carryOut(plan, system, () => tallies.standing), emitting.then((): never => fail('The emitters ended early.'))])
  await afterMs(2_000)
  ending = true
  await Promise.all([emitting, looking])
  const emittedMs = Date.now()
  await system.allLive()
  await untilConsumed(system, { client, partner, emittedMs })
  await tallies.look(system.ingests)
  const records = await readTopic(system)
  const fold = foldTopic(records, PARTITIONS)
  const store = new StoreOverHttp(system.clickhouseUrl)
  const logs = await readLogs(store)
  const differences = [
    ...(await compareStored({ fold, store, acknowledged, logs })),
    ...(await compareAnswers({ client: client(), partner, projects: PROJECTS, expected: totalsOf(eventsOf(fold)) })),
  ]
  await summarize({ system, store, fold, acknowledged, tallies, done })
  if (beside !== undefined) {
    console.log(await beside.tell(fold, await readEnds(system.kafkajs, system.topic)))
    // Only tidying up: what was found stands, whatever becomes of the yardstick.
    await beside.drop().catch((error: unknown) => console.log(`the yardstick's database was not dropped: ${String(error)}`))
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
  const memory = new Memory()
  const options = (name: string, index: number) => {
    const random = new Random(seed * 31 + index)
    return { maker: new RecordMaker({ name, random, projects: PROJECTS, memory }), random, acknowledged, topic: system.topic, ending }
  }
  const kafkajs = { kafka: system.kafkajs, partitions: PARTITIONS }
  const urls = () => system.apis.flatMap(({ url }) => url ?? [])
  await Promise.all([
    emitWithKafkajs({ ...options('k', 1), ...kafkajs, foreignPercent: 5 }),
    hasKcat() ? emitWithKcat({ ...options('c', 2), brokers: system.kafka.brokers }) : emitWithKafkajs({ ...options('f', 2), ...kafkajs, foreignPercent: 100 }),
    emitOverHttp({ ...options('h', 3), ingestKey, urls }),
    emitOverHttp({ ...options('i', 4), ingestKey, urls }),
  ])
}

async function lookOn(system: System, tallies: Tallies, ending: () => boolean): Promise<void> {
  while (!ending()) {
    await tallies.look(system.ingests)
    await afterMs(1_000)
  }
}

async function untilConsumed(system: System, asked: { client: () => MeterlineClient; partner: Credentials; emittedMs: number }): Promise<void> {
  await waitForAll({
    what: 'the ingest processes to consume everything',
    secondsMax: CONSUMED_SECONDS_MAX,
    look: async () => {
      const lag = await findLag(system.ingests.slice(0, INGESTS), PARTITIONS)
      if (lag !== undefined) return lag
      const { body } = await asked.client().partnershipUsage(asked.partner, '2026-01-01', '2026-01-01')
      if (Date.parse(body?.as_of) > asked.emittedMs) return undefined
      return `as_of is ${body?.as_of}, emitted until ${new Date(asked.emittedMs).toISOString()}`
    },
  })
}

async function readTopic(system: System): Promise<TopicRecord[]> {
  const records = await (hasKcat() ? readTopicWithKcat(system.kafka.brokers, system.topic) : readTopicWithKafkajs(system.kafkajs, system.topic))
  const ends = [...(await readEnds(system.kafkajs, system.topic)).values()].reduce((sum, end) => sum + end, 0)
  if (records.length !== ends) throw new Error(`The independent reader found ${records.length} records, the topic holds ${ends}.`)
  return records
}

/** cluster/topic/incarnation. */
async function readLogs(store: StoreOverHttp): Promise<string> {
  const rows = await store.rows('SELECT DISTINCT topic, incarnation FROM topic_incarnations_v1')
  if (rows.length !== 1) throw new Error(`There is one topic and one incarnation, and ClickHouse knows ${rows.length}.`)
  return rows[0]?.join('/') ?? ''
}

function eventsOf({ counted }: Fold) {
  return [...counted.values()].flatMap((ofProject) => [...ofProject.values()])
}

interface SummarizeOptions {
  readonly system: System
  readonly store: StoreOverHttp
  readonly fold: Fold
  readonly acknowledged: Acknowledged
  readonly tallies: Tallies
  readonly done: readonly Action[]
}

async function summarize({ system, store, fold, acknowledged, tallies, done }: SummarizeOptions): Promise<void> {
  const takes = (await store.rows("SELECT count() FROM log_owners_v1 WHERE log LIKE '%/chaos-%'"))[0]?.[0]
  const reasons = [...fold.rejected.values()].flatMap((ofPartition) => [...ofPartition.values()])
  const times = (names: readonly string[]) => [...new Set(names)].sort().map((name) => `${name} ${names.filter((each) => each === name).length}`)
  const pairs = (counts: ReadonlyMap<string, number>) => [...counts].map(([name, count]) => `${name} ${count}`).join(', ') || 'none'
  console.log(`done: ${times(done.map(({ kind }) => kind.replace('_', ' '))).join(', ')}`)
  console.log(`acknowledged records: ${pairs(acknowledged.records)}; sent again: ${pairs(acknowledged.again)}`)
  console.log(
    `counted ${eventsOf(fold).length}, duplicates ${fold.duplicates}, passed on ${fold.copies}, rejected ${reasons.length} (${times(reasons).join(', ')}); ` +
      `takes ${takes}, repaired keys at least ${tallies.sum('meterline_rollup_repaired_keys_total')}, the least watermark at most ${tallies.behindSecondsMax.toFixed(0)} s behind`,
  )
  for (const { name, endedByItself } of [...system.ingests, ...system.apis]) for (const end of endedByItself) console.log(`  ${name} ended by itself: ${end}`)
}
