import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ExportAction } from '../../../contract/schedules.ts'
import type { Credentials, MeterlineClient, TestEvent } from '../../support/clients/client.ts'
import { copyMigratedDirectory } from '../../support/engines/migrated-directory.ts'
import { Random } from '../../support/random.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'
import { untilSo } from '../../support/until-so.ts'
import { DeliveredWorld, IN_MARCH } from '../../support/worlds/delivered-world.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

const SEED = Number(process.env['RANDOM_SEED'] ?? Date.now() % 1_000_000)
const PROJECTS = ['shop', 'quoted', 'gone']

/** Without xlsx: its second sheet says up to when usage was complete at the closing, which differs between two closings. */
const FORMATS: Omit<ExportAction, 'to' | 'period'>[] = [
  ...(['csv', 'json', 'ndjson', 'parquet'] as const).map((format) => ({ what: 'statements' as const, format })),
  ...(['1.2', '1.3'] as const).flatMap((focus) => (['csv', 'ndjson', 'parquet'] as const).map((format) => ({ what: 'focus' as const, focus, format }))),
]

/** The names and bytes of the delivered files, by what was delivered. */
type Delivered = Map<string, (readonly [name: string, bytes: string])[]>

const directory = makeTemporaryDirectory()
const machines: Delivered[] = []
// One after the other, because a process can have one data directory.
beforeAll(async () => {
  const registered = await registerPartner(join(directory.path, 'registered'))
  for (const nth of [1, 2]) {
    const dataDir = join(directory.path, `machine-${nth}`)
    cpSync(join(directory.path, 'registered'), dataDir, { recursive: true, verbatimSymlinks: true })
    const world = await countAndClose(dataDir, registered, new Random(SEED + nth))
    machines.push(await deliverAll(world, nth))
    await world.endTest()
    await world.close()
  }
}, 300_000)
afterAll(() => directory.remove())

interface Registered {
  readonly partner: Credentials
  readonly ingestKey: string
}

/** The ids of partners are random, so both machines begin with the same ones, as after a backup was restored. */
async function registerPartner(dataDir: string): Promise<Registered> {
  copyMigratedDirectory(dataDir)
  const tested = await startAnsweringService(dataDir)
  const { client } = tested
  const partner = await client.createPartner('Acme "1", näme')
  await client.createIngestKey()
  await client.billFrom(partner.partnerId, '2026-01')
  for (const project of PROJECTS) await client.registerProject(project, partner.partnerId, { name: `=The ${project}, 雪` })
  await client.registerProject('gone', partner.partnerId, { name: '@gone', status: 'deleted', deleted_at: '2026-01-12T10:00:00.250Z' })
  await tested.stop()
  return { partner, ingestKey: client.ingestKey }
}

async function startAnsweringService(dataDir: string): Promise<TestService> {
  const tested = await startTestService({ DATA_DIR: dataDir })
  // On a busy machine a service that has just started answers 503 for a moment.
  await untilSo(async () => (await tested.client.admin('GET', '/admin/v1/partners')).status === 200)
  return tested
}

/** The same events in an order and in batches of the machine's own, some of them twice. */
async function countAndClose(dataDir: string, { partner, ingestKey }: Registered, random: Random): Promise<DeliveredWorld> {
  const tested = await startAnsweringService(dataDir)
  const { client } = tested
  client.ingestKey = ingestKey
  await untilSo(async () => (await client.partnershipUsage(partner, '2026-01-01', '2026-01-31')).body.as_of !== null)
  await sendShuffled(client, eventsOf('2026-01', ''), random)
  await requireClosed(client, partner, '2026-01')
  await sendShuffled(client, [...eventsOf('2026-01', 'late '), ...eventsOf('2026-02', '')], random)
  const adjustment = { id: 'credit', for_month: '2026-01', metric: 'ai_tokens', value: '-3.5', reason: '=HYPERLINK("x")' }
  await client.admin('POST', `/admin/v1/statements/${partner.partnerId}/adjustments`, adjustment)
  await requireClosed(client, partner, '2026-02')
  return DeliveredWorld.of(tested, partner)
}

async function sendShuffled(client: MeterlineClient, events: readonly TestEvent[], random: Random): Promise<void> {
  const left = [...events, ...events.filter(() => random.below(4) === 0)]
  const shuffled: TestEvent[] = []
  while (left.length > 0) shuffled.push(...left.splice(random.below(left.length), 1))
  while (shuffled.length > 0) {
    const { status } = await client.send(shuffled.splice(0, 1 + random.below(40)))
    expect(status, `seed ${SEED}`).toBe(200)
  }
}

function eventsOf(month: string, prefix: string): TestEvent[] {
  return PROJECTS.flatMap((project_id, index) =>
    ['01', '09', '28'].flatMap((day) => [
      {
        event_id: `${prefix}${month}-${day} tokens`,
        project_id,
        metric: 'ai_tokens',
        value: `${index + 1}.00000000${day[1]}`,
        timestamp: `${month}-${day}T10:00:00Z`,
      },
      {
        event_id: `${prefix}${month}-${day} size`,
        project_id,
        metric: 'database_size_bytes',
        value: String((prefix.length + 7) * (index + 3) * Number(day)),
        timestamp: `${month}-${day}T11:00:00Z`,
      },
    ]),
  )
}

async function requireClosed(client: MeterlineClient, partner: Credentials, month: string): Promise<void> {
  const { status, text } = await client.closeMonth(partner.partnerId, month)
  if (status !== 200) throw new Error(`${month} was not closed (seed ${SEED}): ${text}`)
}

const keyOf = (action: object, partner: string) => JSON.stringify([action, partner])
const OWNERS = ['all partners', 'one partner']

/** Each machine has schedules, runs and times of its own. */
async function deliverAll(world: DeliveredWorld, nth: number): Promise<Delivered> {
  const delivered: Delivered = new Map()
  const deliveries = world.deliveries({ now: () => Date.now() + nth * 86_400_000 })
  for (const action of FORMATS) {
    for (const owner of OWNERS) {
      const folder = world.newFolder()
      const partner = owner === 'one partner' ? { partner: world.partner.partnerId } : {}
      const exported: ExportAction = { ...action, ...partner, period: 'last-month', to: { folder } }
      const outcome = await world.deliver(exported, { scheduleId: `of-machine-${nth}-${folder}`, dueMs: IN_MARCH + nth * 3_600_000, deliveries })
      expect(outcome, `seed ${SEED}`).toMatchObject({ status: 'succeeded' })
      const files = world.filesIn(folder).map((name) => [name, world.contentOf(folder, name).toString('base64')] as const)
      delivered.set(keyOf(action, owner), files)
    }
  }
  return delivered
}

describe('a closed month on another machine', () => {
  test.each(FORMATS)('$what $focus as $format: the object and its manifest have the same names and bytes', (action) => {
    for (const owner of OWNERS) {
      const [first, second] = machines.map((machine) => machine.get(keyOf(action, owner)))
      expect(first, `seed ${SEED}`).toHaveLength(2)
      expect(second, `seed ${SEED}`).toEqual(first)
    }
  })
})
