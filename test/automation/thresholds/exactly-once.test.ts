import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { closeMonth } from '../../../aggregator/statements/close-month.ts'
import { setBillingFrom } from '../../../aggregator/statements/set-billing-from.ts'
import { refreshPartnershipDays } from '../../../aggregator/usage/refresh-partnership-days.ts'
import { createThreshold, updateThreshold } from '../../../automation/thresholds/change-thresholds.ts'
import { ThresholdEvaluator } from '../../../automation/thresholds/evaluate-thresholds.ts'
import { type Level, valueOfLevel } from '../../../automation/thresholds/levels.ts'
import { createEndpoint } from '../../../automation/webhooks/change-endpoints.ts'
import { MessageDelivery } from '../../../automation/webhooks/deliver-messages.ts'
import { MessageQueue } from '../../../automation/webhooks/message-queue.ts'
import { METRICS, type MetricName } from '../../../metering/metrics.ts'
import { parseNetworks } from '../../../outgoing/public-address.ts'
import { SERVICE } from '../../../registry/audit-log.ts'
import type { ClickHouse } from '../../../sql/clickhouse.ts'
import { StoreError } from '../../../sql/errors.ts'
import { defineQuery } from '../../../sql/query.ts'
import { startWebhookReceiver } from '../../support/clients/webhook-receiver.ts'
import { failAt, KILLS, type KilledClickHouse, killAt } from '../../support/engines/killed-clickhouse.ts'
import { addToRollup } from '../../support/oracles/rollup-faults.ts'
import { type OracleThreshold, ThresholdOracle } from '../../support/oracles/threshold-oracle.ts'
import { Random } from '../../support/random.ts'
import { untilSo } from '../../support/until-so.ts'
import { DaysWorld } from '../../support/worlds/days-world.ts'

const SEED = Number(process.env['RANDOM_SEED'] ?? Date.now() % 1_000_000)
const SEEDS = Number(process.env['THRESHOLD_SEEDS'] ?? 1)
const STEPS = 14
const STEPS_WITHOUT_KILLS = 40
const MONTHS = ['2026-01', '2026-02']
/** Those that reach a level exactly, or miss it by the smallest difference, and the longest one. */
const EDGE_VALUES = ['4', '9.000000001', '8.999999999', '0.000000001', '99999999999999999999999999999.999999999']
const DAYS = ['2026-01-03', '2026-01-31', '2026-02-01', '2026-02-14']
const METRICS_USED: readonly MetricName[] = ['ai_tokens', 'database_size_bytes']
const BUDGET = '10'
const NOW_MS = Date.UTC(2026, 1, 15, 12)
/** An evaluation that stores something has about so many statements; a kill at a later one does not happen. */
const STATEMENTS_MAX = 34
const MS_MAX = 300_000

let world: DaysWorld
beforeAll(async () => {
  world = await DaysWorld.open()
})
afterAll(() => world.close())

interface Scene {
  readonly seed: number
  readonly random: Random
  readonly oracle: ThresholdOracle
  readonly partnerId: string
  readonly projects: readonly string[]
  readonly thresholds: OracleThreshold[]
}

test.each(Array.from({ length: SEEDS }, (_, index) => SEED + index))(
  'P2: each crossing is notified exactly once and none is missing, with late usage, repairs and killed evaluators (seed %i)',
  async (seed) => {
    const scene = await openScene(seed)
    const receiver = await receiverThatFails(new Random(seed + 1))
    const registry = { ...world.registry, now: () => NOW_MS }
    const events = ['usage.threshold_reached', 'usage.threshold_resolved']
    await createEndpoint(registry, SERVICE, { setBy: '', partnerId: scene.partnerId, url: receiver.url, events })
    const deliveries = [1, 2].map(() => startDelivery())
    let killed = 0
    for (let step = 0; step < STEPS; step += 1) {
      await changeAt(step, scene)
      await refreshPartnershipDays(world.clickhouse)
      killed += await evaluateUntilDone(scene.random)
      scene.oracle.step(scene.thresholds, MONTHS)
      expect((await transitionsOf(scene)).sort(), `step ${step} of seed ${seed}`).toEqual([...scene.oracle.expected].sort())
    }
    const { length } = scene.oracle.expected
    await untilSo(async () => receiver.acknowledged().size >= length)
    await Promise.all(deliveries.map((each) => each.stop()))
    const notified = [...receiver.acknowledged().values()].map((bodies) => {
      // A repetition has the same bytes.
      expect(new Set(bodies).size).toBe(1)
      const { data } = JSON.parse(bodies[0] ?? '')
      return `${data.threshold_id} ${data.level.name} ${data.month} ${data.number} ${data.state}`
    })
    expect(notified.sort()).toEqual([...scene.oracle.expected].sort())
    expect([length > 0, killed > 0]).toEqual([true, true])
    for (const month of MONTHS) if (scene.oracle.hasPhantoms(month)) await world.rebuild(month)
    await receiver.stop()
  },
  MS_MAX,
)

test(
  `P2: the same without kills, for longer (seed ${SEED})`,
  async () => {
    const scene = await openScene(-SEED)
    const evaluator = evaluatorOn(world.clickhouse)
    for (let step = 0; step < STEPS_WITHOUT_KILLS; step += 1) {
      await changeAt(step, scene)
      await refreshPartnershipDays(world.clickhouse)
      await evaluator.run()
      scene.oracle.step(scene.thresholds, MONTHS)
      expect((await transitionsOf(scene)).sort(), `step ${step} of seed ${SEED}`).toEqual([...scene.oracle.expected].sort())
    }
    for (const month of MONTHS) if (scene.oracle.hasPhantoms(month)) await world.rebuild(month)
  },
  MS_MAX,
)

async function openScene(seed: number): Promise<Scene> {
  const random = new Random(seed)
  const partnerId = await world.partner(`seed ${seed}`)
  await setBillingFrom({ clickhouse: world.clickhouse, note: async () => {} }, partnerId, '2026-01')
  const projects = [1, 2, 3].map((nth) => `s${seed}-${nth}`)
  for (const project of projects) await world.register(project, partnerId)
  const registry = { ...world.registry, now: () => Date.UTC(2026, 0, 5) }
  const thresholds: OracleThreshold[] = []
  for (const metric of METRICS_USED) {
    for (const projectId of ['', projects[0] ?? '']) {
      const levels = levelsWith(4)
      const { kind, unit } = METRICS[metric]
      const about = { setBy: '', partnerId, projectId, metric, kind, unit }
      const created = await createThreshold(registry, SERVICE, { ...about, levels, budget: BUDGET, isActive: true })
      if (created.status !== 'created') throw new Error(created.status)
      const own = projectId === '' ? projects : [projectId]
      thresholds.push({ id: created.threshold.id, projects: own, metric, levels: valuesOf(levels) })
    }
  }
  return { seed, random, oracle: new ThresholdOracle(), partnerId, projects, thresholds }
}

/** A percentage of the budget, with the value that is given, and one with all fraction digits. */
function levelsWith(low: number): Level[] {
  return [
    { name: 'low', percent_of_budget: 10 * low },
    { name: 'high', value: '9.000000001' },
  ]
}

function valuesOf(levels: readonly Level[]): Map<string, string> {
  return new Map(levels.map((level) => [level.name, valueOfLevel(level, BUDGET)]))
}

/** The first two changes reach both levels of a peak exactly, so that every scene has crossings. */
async function changeAt(step: number, scene: Scene): Promise<void> {
  const edge = step < 2 ? EDGE_VALUES[step] : undefined
  if (edge === undefined) await change(scene)
  else await use(scene, [scene.projects[0] ?? '', 'database_size_bytes', '2026-01-03', edge])
}

async function use({ oracle }: Scene, sample: readonly [project: string, metric: MetricName, day: string, value: string]): Promise<void> {
  await world.post(sample)
  oracle.add(sample)
}

/** One step of the world: usage on any day, late or not; a wrong rollup and its repair; another value of a level; a closed month. */
async function change(scene: Scene): Promise<void> {
  const { random, oracle, projects, partnerId, thresholds } = scene
  const which = random.below(10)
  const sample = [
    random.pick(projects),
    random.pick(METRICS_USED),
    random.pick(DAYS),
    random.below(5) === 0 ? random.pick(EDGE_VALUES) : `${random.below(3)}.${random.below(10)}`,
  ] as const
  if (which < 5) {
    await use(scene, sample)
  } else if (which === 5 || which === 6) {
    const [project, metric, day] = sample
    const value = 3 + random.below(8)
    await addToRollup(world.clickhouse, { project, day, metric }, value)
    oracle.add([project, metric, day, String(value)], true)
  } else if (which === 7) {
    const month = random.pick(MONTHS)
    await world.rebuild(month)
    oracle.rebuilt(month)
  } else if (which === 8) {
    const threshold = random.pick(thresholds)
    const levels = levelsWith(1 + random.below(6))
    await updateThreshold({ ...world.registry, now: () => NOW_MS }, SERVICE, { setBy: '', thresholdId: threshold.id }, { levels })
    threshold.levels = valuesOf(levels)
  } else if (random.below(3) === 0 && !oracle.hasPhantoms('2026-01')) {
    const { clickhouse } = world
    const options = { clickhouse, runBetweenBatches: <T>(work: () => Promise<T>) => work(), now: () => NOW_MS, note: async () => {}, logger: quiet }
    const { status } = await closeMonth(options, { partnerId, month: '2026-01', closedBy: 'operator' })
    if (status !== 'closed') throw new Error(status)
    oracle.close('2026-01')
  }
}

/** Two evaluators at the same time, each killed at a random statement, until both have finished without. Returns the number of kills. */
async function evaluateUntilDone(random: Random): Promise<number> {
  // All of it is chosen first, so that a seed chooses the same however the two are interleaved.
  // In some steps both go on after a failure instead, as processes do that are not killed: what they remember must be right, too.
  const survive = random.below(3) === 0
  const lives = [1, 2].map(() => {
    if (survive) return [failAt(world.clickhouse, 1 + random.below(STATEMENTS_MAX), random.below(2) === 0)]
    const kills = Array.from({ length: random.below(3) }, () => ({ at: 1 + random.below(STATEMENTS_MAX), kill: random.pick(KILLS) }))
    return kills.map(({ at, kill }) => killAt(world.clickhouse, at, kill))
  })
  await Promise.all(lives.map(live))
  const stores = lives.flat()
  // What was in flight arrives when the others have finished.
  for (const store of stores) await store.sendLate()
  return stores.filter((store) => store.isDead()).length
}

/** One life after another, each ended by its kill, and the last one ended by having nothing left to do. */
async function live(stores: readonly KilledClickHouse[]): Promise<void> {
  let last = evaluatorOn(world.clickhouse)
  for (const store of stores) {
    const evaluator = evaluatorOn(store.clickhouse)
    await evaluator.run().catch((thrown: unknown) => {
      if (!store.isDead() && !(thrown instanceof StoreError)) throw thrown
    })
    if (store.survives) last = evaluator
  }
  // The other one may acquire the lease from it while it works: then it tries again, as a background job does.
  await untilSo(async () => {
    const outcome = await last.run().catch((thrown: unknown) => {
      if (thrown instanceof StoreError) return { status: 'elsewhere' as const }
      throw thrown
    })
    return outcome.status !== 'elsewhere'
  })
}

function evaluatorOn(clickhouse: ClickHouse): ThresholdEvaluator {
  return new ThresholdEvaluator({ clickhouse, queue: new MessageQueue(clickhouse), publicUrl: 'http://localhost', now: () => NOW_MS })
}

function startDelivery(): MessageDelivery {
  const allowed = parseNetworks('127.0.0.0/8')
  if (allowed === undefined) throw new Error('The network is not valid.')
  return new MessageDelivery({
    registry: { ...world.registry, now: () => NOW_MS },
    allowed,
    logger: quiet,
    webhook: { timeoutMs: 150, responseBytesMax: 1_000 },
    limits: { retryMsFirst: 5, retryMsMax: 20, sweepEveryMs: 25 },
    lease: { beatEveryMs: 200, takeOverAfterMs: 400 },
  })
}

/** Answers with 500, hangs up, does not answer, or acknowledges. */
async function receiverThatFails(random: Random) {
  const acknowledged = new Map<string, string[]>()
  const receiver = await startWebhookReceiver((_, response) => {
    const which = random.below(6)
    if (which === 0) response.writeHead(500).end()
    else if (which === 1) response.destroy()
    else if (which > 2 || random.below(3) > 0) {
      const { headers, body } = receiver.requests.at(-1) ?? { headers: {}, body: Buffer.alloc(0) }
      const id = String((headers as Record<string, string>)['webhook-id'])
      acknowledged.set(id, [...(acknowledged.get(id) ?? []), body.toString('utf8')])
      response.end('ok')
    }
  })
  return { ...receiver, acknowledged: () => acknowledged }
}

/** Every stored transition of a scene: a second row with the same id would be listed twice. */
async function transitionsOf({ thresholds }: Scene): Promise<string[]> {
  const rows = await world.clickhouse.control.query(storedTransitions, { ids: thresholds.map(({ id }) => id) })
  return rows.map(({ line }) => line)
}

const storedTransitions = defineQuery({
  name: 'test_stored_transitions',
  sql: "SELECT concat(subject, ' ', part, ' ', month, ' ', toString(number), ' ', state) AS line FROM webhook_messages_v1 WHERE subject IN {ids: Array(String)}",
  params: z.object({ ids: z.array(z.string()) }),
  row: z.object({ line: z.string() }),
})

const quiet = { info: () => {}, warn: () => {}, error: () => {} }
