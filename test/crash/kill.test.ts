import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openClickHouse } from '../../sql/clickhouse.ts'
import { type Credentials, MeterlineClient, type TestEvent } from '../support/clients/client.ts'
import { type ServiceProcess, startServiceProcess } from '../support/engines/service-process.ts'
import { defineTestedMetrics } from '../support/oracles/defined-metrics.ts'
import { differencesFromOracle, Oracle } from '../support/oracles/oracle.ts'
import { compareRawWithRollup } from '../support/oracles/stored-sums.ts'
import { Random } from '../support/random.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'
import { SeededEmitter } from '../support/worlds/emitter.ts'

const KILLS = Number(process.env['CRASH_KILLS'] ?? 3)
const SEED = Number(process.env['CRASH_SEED'] ?? Date.now() % 1_000_000)
const PROJECTS = ['ash', 'birch', 'cedar', 'elm', 'fir']
const EMITTERS = 3
const BATCH_EVENTS = 150
const KILL_AFTER_MS_MAX = 500

const directory = makeTemporaryDirectory()
let running: ServiceProcess
let partner: Credentials
let ingestKey = ''
beforeAll(async () => {
  running = await startServiceProcess({ DATA_DIR: directory.path })
  const client = new MeterlineClient(running.url, running.adminToken)
  partner = await client.createPartner('Crash')
  ingestKey = await client.createIngestKey()
  await defineTestedMetrics(client)
  for (const id of PROJECTS) await client.registerProject(id, partner.partnerId)
})
afterAll(async () => {
  await running.stop()
  directory.remove()
})

test(`P1 P2 P3: kill -9 at ${KILLS} random moments under load loses no event and counts none twice`, { timeout: 30_000 + KILLS * 15_000 }, async () => {
  const random = new Random(SEED)
  const emitters = Array.from({ length: EMITTERS }, (_, index) => new SeededEmitter(`e${index}`, new Random(SEED + index + 1), PROJECTS))
  let up = Promise.resolve(running)
  let ending = false
  const emitting = emitters.map((emitter) =>
    emitUntil(
      emitter,
      () => up,
      () => ending,
    ),
  )
  let rawAhead = 0
  for (let kill = 0; kill < KILLS; kill += 1) {
    await afterMs(random.below(KILL_AFTER_MS_MAX))
    await running.kill()
    up = checkAndRestart().then(({ restarted, behind }) => {
      rawAhead += behind > 0 ? 1 : 0
      return restarted
    })
    running = await up
  }
  ending = true
  await Promise.all(emitting)
  console.info(
    `crash: seed ${SEED}, ${KILLS} kills, ${rawAhead} left raw ahead of the rollup, ${emitters.reduce((sum, emitter) => sum + emitter.acknowledged.length, 0)} events acknowledged`,
  )
  expect(await differences(emitters), `seed ${SEED}`).toEqual([])
})

/** A client that repeats each batch until it is acknowledged, which is all that the promise requires of a client. */
async function emitUntil(emitter: SeededEmitter, service: () => Promise<ServiceProcess>, ending: () => boolean): Promise<void> {
  while (!ending()) {
    const batch = emitter.nextBatch(BATCH_EVENTS)
    while (!(await isAcknowledged(await service(), batch)));
    emitter.acknowledged.push(...batch)
  }
}

async function isAcknowledged({ url, adminToken }: ServiceProcess, batch: readonly TestEvent[]): Promise<boolean> {
  const client = new MeterlineClient(url, adminToken)
  client.ingestKey = ingestKey
  try {
    const { status } = await client.send(batch)
    if (status !== 200 && status !== 503) throw new Error(`status ${status}`)
    return status === 200
  } catch (error) {
    if (error instanceof TypeError) return false // the connection broke, so the outcome is unknown
    throw error
  }
}

/** Before a restarted service can repair anything, checks that the kill did not leave the rollup ahead of raw: a peak cannot be lowered afterwards. */
async function checkAndRestart(): Promise<{ restarted: ServiceProcess; behind: number }> {
  const clickhouse = await openClickHouse({ engine: 'embedded', directory: join(directory.path, 'clickhouse') })
  const { ahead, behind } = await compareRawWithRollup(clickhouse)
  await clickhouse.close()
  expect(ahead, `seed ${SEED}`).toBe(0)
  return { restarted: await startServiceProcess({ DATA_DIR: directory.path }), behind }
}

async function differences(emitters: readonly SeededEmitter[]): Promise<string[]> {
  const oracle = new Oracle()
  for (const emitter of emitters) oracle.add(emitter.acknowledged)
  const [from, to] = ['2026-01-01', '2026-05-31']
  const client = new MeterlineClient(running.url, running.adminToken)
  const projects = new Map<string, unknown>()
  for (const id of PROJECTS) projects.set(id, (await client.projectUsage(partner, id, from, to)).body)
  const { summary: partnership, metrics: defined } = (await client.partnershipUsage(partner, from, to)).body
  const audit = (await client.audit()).body
  expect(audit).toMatchObject({ differences: [], events_recounted: String(oracle.counted.size) })
  return differencesFromOracle(oracle, { projects, partnership, defined }, from, to)
}

/** Waits until a random moment, for which there is no condition. */
function afterMs(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
