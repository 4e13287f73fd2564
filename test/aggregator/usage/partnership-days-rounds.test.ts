import { afterEach, beforeEach, expect, test } from 'vitest'
import { PartnershipDaysRefresh, refreshPartnershipDays } from '../../../aggregator/usage/refresh-partnership-days.ts'
import type { Lane } from '../../../sql/clickhouse.ts'
import { DaysWorld } from '../../support/worlds/days-world.ts'

let world: DaysWorld
let ours: string
beforeEach(async () => {
  world = await DaysWorld.open()
  ours = await world.partner('Ours')
  await world.register('a', ours)
  await world.post(...MONTHS.map((month) => ['a', 'ai_tokens', `${month}-15`, '1'] as const))
})
afterEach(() => world.close())

const MONTHS = Array.from({ length: 60 }, (_, index) => new Date(Date.UTC(2020, index, 1)).toISOString().slice(0, 7))

/** The same lane, with the months for which partnership days are computed, in order. */
function watchComputed(lane: Lane): { lane: Lane; months: string[] } {
  const months: string[] = []
  const execute: Lane['execute'] = async (statement, params, tag) => {
    const { days } = params as { days?: string[] }
    if (statement.name === 'compute_partnership_days') months.push(days?.[0]?.slice(0, 7) ?? '')
    await lane.execute(statement, params, tag)
  }
  return { lane: { ...lane, execute }, months }
}

test('P3: a round of the refresh computes at most 24 months, the newest first, and days that changed meanwhile come before older ones', async () => {
  const { lane, months } = watchComputed(world.clickhouse.reads)
  const refresh = new PartnershipDaysRefresh(world.clickhouse, lane)
  const newestFirst = MONTHS.toReversed()
  expect(await refresh.runRound()).toEqual({ days: 24, complete: false })
  expect(months.splice(0)).toEqual(newestFirst.slice(0, 24))
  await world.post(['a', 'ai_tokens', `${newestFirst[0]}-15`, '1'])
  expect(await refresh.runRound()).toEqual({ days: 24, complete: false })
  expect(months.splice(0)).toEqual([newestFirst[0], ...newestFirst.slice(24, 47)])
  expect(await refresh.runRound()).toEqual({ days: 13, complete: true })
  expect(months.splice(0)).toEqual(newestFirst.slice(47))
  expect(await world.read(ours)).toEqual(await world.plain(ours))
})

const ROUNDS_MS_MAX = 360_000
const LAST_MONTHS = MONTHS.slice(-25).map((month) => `${month}-15`)
const LAST_DAYS = Array.from({ length: 400 }, (_, index) => new Date(Date.UTC(2024, 11, 31 - index)).toISOString().slice(0, 10))

test.each([
  ['25 months', LAST_MONTHS],
  ['400 days', LAST_DAYS],
])(
  'P3: events for each of the last %s between any two rounds do not keep older days from being recomputed, nor the newest',
  { timeout: ROUNDS_MS_MAX },
  async (_, days) => {
    const { lane, months } = watchComputed(world.clickhouse.reads)
    const refresh = new PartnershipDaysRefresh(world.clickhouse, lane)
    const computed = new Set<string>()
    for (let round = 0; round < 10 && computed.size < MONTHS.length; round += 1) {
      await world.post(...days.map((day) => ['a', 'ai_tokens', day, '1'] as const))
      expect((await refresh.runRound()).complete).toBe(false)
      expect([months[0], months.length <= 24]).toEqual([MONTHS.at(-1), true])
      for (const month of months.splice(0)) computed.add(month)
    }
    expect([...computed].toSorted()).toEqual(MONTHS)
    expect(await world.read(ours)).toEqual(await world.plain(ours))
  },
)

test('P3: between the rounds every answer is exact, and a project registered meanwhile is counted once', async () => {
  const refresh = new PartnershipDaysRefresh(world.clickhouse, world.clickhouse.reads)
  for (let complete = false, round = 0; !complete; round += 1) {
    complete = (await refresh.runRound()).complete
    expect(await world.read(ours)).toEqual(await world.plain(ours))
    if (round === 1) {
      await world.post(['late', 'ai_tokens', '2020-03-15', '4'])
      await world.register('late', ours)
    }
    expect(round).toBeLessThan(10)
  }
  expect(await world.read(ours)).toEqual(await world.plain(ours))
  expect(await refreshPartnershipDays(world.clickhouse)).toBe(0)
})
