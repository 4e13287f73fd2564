import { afterAll, beforeAll, expect, test } from 'vitest'
import { METRIC_NAMES, METRICS } from '../../metering/metrics.ts'
import { periodOfMonth } from '../../metering/month.ts'
import { afterMs } from '../chaos/clock.ts'
import { type Credentials, MeterlineClient, type TestEvent } from '../support/clients/client.ts'
import { type ServiceProcess, startServiceProcess } from '../support/engines/service-process.ts'
import { Oracle } from '../support/oracles/oracle.ts'
import { Random } from '../support/random.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'
import { untilSo } from '../support/until-so.ts'

const KILLS = Number(process.env['CRASH_KILLS'] ?? 3)
const SEED = Number(process.env['CRASH_SEED'] ?? Date.now() % 1_000_000)
const PROJECTS = ['ash', 'birch', 'cedar', 'elm', 'fir']
const MONTHS = ['2026-01', '2026-02', '2026-03', '2026-04', '2026-05', '2026-06']
const EVENTS = 3_000
const KILL_AFTER_MS_MAX = 2_000

const directory = makeTemporaryDirectory()
const environment = { DATA_DIR: directory.path, CLOSE_GRACE_HOURS: '1000000' }
const random = new Random(SEED)
const oracle = new Oracle()
let running: ServiceProcess
let partner: Credentials
beforeAll(async () => {
  running = await startServiceProcess(environment)
  const client = clientOf(running)
  partner = await client.createPartner('Crash')
  await client.createIngestKey()
  for (const id of PROJECTS) await client.registerProject(id, partner.partnerId)
  await client.billFrom(partner.partnerId, MONTHS[0] ?? '')
  const events = Array.from({ length: EVENTS }, (_, index) => madeEvent(index))
  expect((await client.send(events)).body.rejected).toEqual([])
  oracle.add(events)
})
afterAll(async () => {
  await running.stop()
  directory.remove()
})

test(`P4: kill -9 at ${KILLS} random moments of a closing leaves the month open or its statement complete`, { timeout: 60_000 + KILLS * 20_000 }, async () => {
  const closed = new Map<string, string>()
  for (let kill = 0; kill < KILLS; kill += 1) {
    const month = MONTHS[closed.size]
    if (month === undefined) break
    await untilComplete()
    // The response is not awaited: the process is killed while it works on the request.
    const closing = clientOf(running)
      .closeMonth(partner.partnerId, month)
      .catch(() => undefined)
    await afterMs(random.below(KILL_AFTER_MS_MAX))
    await running.kill()
    await closing
    running = await startServiceProcess(environment)
    const answer = await clientOf(running).statement(partner, month)
    if (answer.body.statement.status === 'closed') closed.set(month, answer.text)
  }
  const killed = closed.size
  await untilComplete()
  const client = clientOf(running)
  for (const month of MONTHS) expect((await client.closeMonth(partner.partnerId, month)).status).toBe(200)
  for (const month of MONTHS) {
    const statement = await client.statement(partner, month)
    expect(statement.text, `seed ${SEED}, ${month}`).toBe(closed.get(month) ?? statement.text)
    const { first, last } = periodOfMonth(month)
    for (const metric of METRIC_NAMES) {
      const total = statement.body.totals.find((each: { metric: string }) => each.metric === metric)
      expect([month, metric, METRICS[metric].kind, total.value, total.unbilled]).toEqual([
        ...[month, metric, METRICS[metric].kind],
        ...[oracle.partnership(PROJECTS, first, last, metric), '0'],
      ])
    }
    expect(statement.body.adjustments).toEqual([])
  }
  console.info(`crash: seed ${SEED}, ${KILLS} kills within closings, ${killed} of them after the header`)
})

function clientOf({ url, adminToken }: ServiceProcess): MeterlineClient {
  return new MeterlineClient(url, adminToken)
}

async function untilComplete(): Promise<void> {
  await untilSo(async () => (await clientOf(running).partnershipUsage(partner, '2026-01-01', '2026-01-31')).body.as_of !== null)
}

function madeEvent(index: number): TestEvent {
  const month = random.pick(MONTHS)
  const day = String(1 + random.below(28)).padStart(2, '0')
  return {
    event_id: `e${index}`,
    project_id: random.pick(PROJECTS),
    metric: random.pick(METRIC_NAMES),
    value: random.below(1_000),
    timestamp: `${month}-${day}T10:00:00Z`,
  }
}
