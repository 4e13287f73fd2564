import { afterEach, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { announceSpikes } from '../../../automation/spikes/announce-spikes.ts'
import { type AnnouncedSpike, listSpikes } from '../../../automation/spikes/list-spikes.ts'
import { createEndpoint } from '../../../automation/webhooks/change-endpoints.ts'
import { MessageQueue } from '../../../automation/webhooks/message-queue.ts'
import { dayOf, MS_PER_DAY } from '../../../metering/timestamp.ts'
import { SERVICE } from '../../../registry/audit-log.ts'
import type { ClickHouse } from '../../../sql/clickhouse.ts'
import { StoreError } from '../../../sql/errors.ts'
import { defineQuery } from '../../../sql/query.ts'
import { failAt, KILLS, killAt } from '../../support/engines/killed-clickhouse.ts'
import { Random } from '../../support/random.ts'
import { untilSo } from '../../support/until-so.ts'
import { DaysWorld } from '../../support/worlds/days-world.ts'

const SEED = Number(process.env['RANDOM_SEED'] ?? Date.now() % 1_000_000)
const ROUNDS = 5
/** A run has at least so many statements, so that each kill happens. */
const STATEMENTS_MAX = 12
const DAY = '2026-03-18'
const WEEKS = [1, 2, 3, 4, 5, 6, 7, 8]
const daysFrom = (day: string, days: number) => dayOf(Date.parse(`${day}T00:00:00Z`) + days * MS_PER_DAY)
/** Noon of a day. */
const noonOf = (day: string) => Date.parse(`${day}T12:00:00Z`)

let world: DaysWorld
let partnerId: string
beforeEach(async () => {
  world = await DaysWorld.open()
  partnerId = await world.partner('Acme')
})
afterEach(() => world.close())

/** A project that uses 200,001 to 200,008 tokens on the weekday of DAY. */
async function usualProject(project: string, day = DAY): Promise<void> {
  await world.register(project, partnerId)
  await world.post(...WEEKS.map((week) => [project, 'ai_tokens', daysFrom(day, -7 * week), String(200_000 + week)] as const))
}

/** One run of the background job at a time, as a process of its own would make it. */
function announceAt(nowMs: number, clickhouse: ClickHouse = world.clickhouse): Promise<void> {
  return announceSpikes({ clickhouse, queue: new MessageQueue(clickhouse), now: () => nowMs })
}

function spikes(): Promise<AnnouncedSpike[]> {
  return listSpikes(world.clickhouse, {}, { after: undefined, limit: 1_000 })
}

async function shortSpikes(): Promise<string[]> {
  return (await spikes()).map(({ data: { day, project_id, direction, value } }) => `${day} ${project_id} ${direction} ${value}`)
}

interface StoredMessage {
  readonly id: string
  readonly endpoints: readonly string[]
}

/** Every row, so that a message that is stored twice is seen. */
function storedMessages(): Promise<StoredMessage[]> {
  return world.clickhouse.reads.query(allMessages, {})
}
const allMessages = defineQuery({
  name: 'all_webhook_messages',
  sql: 'SELECT message_id AS id, endpoint_ids AS endpoints FROM webhook_messages_v1 ORDER BY message_id',
  params: z.object({}),
  row: z.object({ id: z.string(), endpoints: z.array(z.string()) }),
})

test('a spike in each direction is stored with the numbers by which it was judged, although there is no recipient', async () => {
  await usualProject('up')
  await usualProject('down')
  await world.post(['up', 'ai_tokens', DAY, '300004.500000001'])
  await announceAt(noonOf(daysFrom(DAY, 1)))
  const judgedBy = { partner_id: partnerId, metric: 'ai_tokens', unit: 'token', day: DAY, median: '200004.5', median_absolute_deviation: '2' }
  const weekdays = WEEKS.map((week) => String(200_000 + week))
  const alike = { ...judgedBy, deviations_min: 5, floor: '100000', same_weekdays: weekdays, as_of: expect.stringMatching(/^\d{4}-.*Z$/) }
  expect((await spikes()).map(({ data }) => data)).toEqual([
    { ...alike, project_id: 'down', direction: 'down', value: '0' },
    { ...alike, project_id: 'up', direction: 'up', value: '300004.500000001' },
  ])
  expect((await storedMessages()).map(({ endpoints }) => endpoints)).toEqual([[], []])
})

test('a spike of a defined metric is stored and listed under its name, with its own unit', async () => {
  await world.define({ metric: 'images', kind: 'cumulative', unit: 'image' })
  await world.register('drawn', partnerId)
  await world.post(...WEEKS.map((week) => ['drawn', 'images', daysFrom(DAY, -7 * week), '20'] as const), ['drawn', 'images', DAY, '30.5'])
  await announceAt(noonOf(daysFrom(DAY, 1)))
  const stored = { metric: 'images', unit: 'image', value: '30.5', median: '20', floor: '10', direction: 'up' }
  expect((await spikes()).map(({ data }) => data)).toMatchObject([stored])
  const listed = (metric: string) => listSpikes(world.clickhouse, { metric }, { after: undefined, limit: 10 })
  expect([(await listed('images')).length, (await listed('ai_tokens')).length]).toEqual([1, 0])
})

test('P2: a spike is stored exactly once, whichever of two processes is killed at any of its statements', async () => {
  const random = new Random(SEED)
  const expected: string[] = []
  let killed = 0
  for (let round = 0; round < ROUNDS; round += 1) {
    const day = daysFrom(DAY, round)
    await usualProject(`p${round}`, day)
    await world.post([`p${round}`, 'ai_tokens', day, '500000'])
    const nowMs = noonOf(daysFrom(day, 1))
    const lives = [1, 2].map(() => {
      const at = 1 + random.below(STATEMENTS_MAX)
      return random.below(3) === 0 ? failAt(world.clickhouse, at, random.below(2) === 0) : killAt(world.clickhouse, at, random.pick(KILLS))
    })
    await Promise.all(
      lives.map(({ clickhouse, isDead }) =>
        announceAt(nowMs, clickhouse).catch((thrown: unknown) => {
          if (!isDead() && !(thrown instanceof StoreError)) throw thrown
        }),
      ),
    )
    for (const life of lives) await life.sendLate()
    killed += lives.filter(({ isDead }) => isDead()).length
    // Whatever was left undone is done by a later run, and by one after it nothing more.
    expected.unshift(`${day} p${round} up 500000`)
    await untilSo(async () => {
      await announceAt(nowMs).catch((thrown: unknown) => {
        if (!(thrown instanceof StoreError)) throw thrown
      })
      return (await shortSpikes()).length >= expected.length
    })
    await Promise.all([announceAt(nowMs), announceAt(nowMs)])
    expect(await shortSpikes(), `round ${round} of seed ${SEED}`).toEqual(expected)
  }
  const ids = (await storedMessages()).map(({ id }) => id)
  expect(new Set(ids).size).toBe(ids.length)
  expect([ids.length, killed > 0]).toEqual([ROUNDS, true])
})

test('after three days without the service the spikes of all three days are stored, and none of a day that is not over', async () => {
  const days = [-4, -3, -2, -1, 0].map((offset) => daysFrom(DAY, offset))
  for (const [index, day] of days.entries()) {
    await usualProject(`p${index}`, day)
    await world.post([`p${index}`, 'ai_tokens', day, '500000'])
  }
  await announceAt(noonOf(DAY))
  const found = [`${days[3]} p3 up 500000`, `${days[2]} p2 up 500000`, `${days[1]} p1 up 500000`]
  expect(await shortSpikes()).toEqual(found)
  await announceAt(noonOf(daysFrom(DAY, 1)))
  expect(await shortSpikes()).toEqual([`${days[4]} p4 up 500000`, ...found])
})

test('late usage makes a day a spike, and changes none that was announced', async () => {
  await usualProject('late')
  await usualProject('gone')
  await world.post(['late', 'ai_tokens', DAY, '200004'])
  const nowMs = noonOf(daysFrom(DAY, 1))
  await announceAt(nowMs)
  expect(await shortSpikes()).toEqual([`${DAY} gone down 0`])
  await world.post(['late', 'ai_tokens', DAY, '300000'], ['gone', 'ai_tokens', DAY, '200004'])
  await announceAt(nowMs)
  expect(await shortSpikes()).toEqual([`${DAY} gone down 0`, `${DAY} late up 500004`])
  await world.post(['late', 'ai_tokens', DAY, '1'])
  await announceAt(nowMs)
  expect(await shortSpikes()).toEqual([`${DAY} gone down 0`, `${DAY} late up 500004`])
})

test('it is sent to the webhooks of operators and of its partner, not to those of another partner or for other messages', async () => {
  const registry = { ...world.registry, now: () => noonOf(DAY) }
  const other = await world.partner('Other')
  const endpoint = async (setBy: string, event: 'usage.spike' | 'statement.closed') => {
    const outcome = await createEndpoint(registry, SERVICE, { setBy, partnerId: setBy, url: 'https://hooks.example.com/', events: [event] })
    if (outcome.status !== 'created') throw new Error(outcome.status)
    return outcome.endpoint.id
  }
  const notified = [await endpoint('', 'usage.spike'), await endpoint(partnerId, 'usage.spike')]
  await endpoint(other, 'usage.spike')
  await endpoint(partnerId, 'statement.closed')
  await usualProject('up')
  await world.post(['up', 'ai_tokens', DAY, '500000'])
  await announceAt(noonOf(daysFrom(DAY, 1)))
  expect((await storedMessages()).map(({ endpoints }) => [...endpoints].sort())).toEqual([notified.sort()])
})
