import { afterAll, beforeAll, expect, test } from 'vitest'
import { findSpikes } from '../../../automation/spikes/find-spikes.ts'
import { dayOf, MS_PER_DAY } from '../../../metering/timestamp.ts'
import { DaysWorld } from '../../support/worlds/days-world.ts'

const DAY = '2026-03-18'
const weeksBefore = (weeks: number) => dayOf(Date.parse(`${DAY}T00:00:00Z`) - weeks * 7 * MS_PER_DAY)

let world: DaysWorld
beforeAll(async () => {
  world = await DaysWorld.open()
  const partner = await world.partner('Acme')
  for (const project of ['up', 'down', 'steady', 'small', 'new', 'noisy', 'gap', 'peak', 'defined']) await world.register(project, partner)
  for (const [metric, kind, unit] of DEFINED) await world.define({ metric, kind, unit })
  const weeks = [1, 2, 3, 4, 5, 6, 7, 8]
  const usual = (project: string, value: (week: number) => string, of = weeks, metric = 'ai_tokens') =>
    of.map((week) => [project, metric, weeksBefore(week), value(week)] as const)
  await world.post(
    ...usual('up', (week) => String(200_000 + week)),
    ...usual('down', (week) => String(200_000 + week)),
    ...usual('steady', (week) => String(200_000 + week)),
    ...usual('small', () => '10'),
    ...usual('new', () => '200000', [1, 2, 3]),
    ...usual('noisy', (week) => String(week * 200_000)),
    ...usual('gap', () => '400000', [1, 3, 5, 6, 7, 8]),
    ...usual('peak', () => '5000000000', weeks, 'database_size_bytes'),
    ...usual('stray', () => '200000'),
    ...usual('defined', () => '12', weeks, 'seats'),
    ...usual('defined', () => '80', weeks, 'images'),
    ...usual('defined', () => '80', weeks, 'scans'),
    ...usual('defined', () => '4000000000', weeks, 'cached_bytes'),
    ...usual('defined', () => '4000000000', weeks, 'sent_bytes'),
    ...usual('defined', () => '1', weeks, 'visits'),
  )
  const today = [
    ['up', '300004.5'],
    ['steady', '200005'],
    ['small', '99999'],
    ['new', '900000'],
    ['noisy', '2000000'],
    ['stray', '900000'],
    ['gap', '400000'],
  ] as const
  await world.post(...today.map(([project, value]) => [project, 'ai_tokens', DAY, value] as const), ['peak', 'database_size_bytes', DAY, '6000000000'])
  await world.post(
    ...['12', '22', '3'].map((value) => ['defined', 'seats', DAY, value] as const),
    ['defined', 'images', DAY, '100'],
    ['defined', 'images', DAY, '20.5'],
    // Neither half of the median nor, in a unit that has a floor, that floor.
    ['defined', 'scans', DAY, '119.999999999'],
    ['defined', 'cached_bytes', DAY, '4999999999'],
    ['defined', 'sent_bytes', DAY, '2999999999.5'],
    ...Array.from({ length: 11 }, () => ['defined', 'visits', DAY, '1'] as const),
  )
})
afterAll(() => world.close())

const DEFINED = [
  ['seats', 'peak', 'seat'],
  ['images', 'cumulative', 'image'],
  ['scans', 'cumulative', 'scan'],
  ['cached_bytes', 'peak', 'byte'],
  ['sent_bytes', 'cumulative', 'byte'],
  ['visits', 'count', 'visit'],
] as const
const found = async () => {
  const spikes = await findSpikes(world.clickhouse, DAY)
  return { documented: spikes.filter(({ projectId }) => projectId !== 'defined'), defined: spikes.filter(({ projectId }) => projectId === 'defined') }
}

test('a defined metric of each kind has spikes: in a unit without a floor of its own by 10 and half of the median, otherwise by that floor', async () => {
  expect((await found()).defined.map(({ metric, unit, value, median, floor }) => [metric, unit, value, median, floor])).toEqual([
    ['images', 'image', '120.5', '80', '40'],
    ['sent_bytes', 'byte', '2999999999.5', '4000000000', '1000000000'],
    ['seats', 'seat', '22', '12', '10'],
    ['visits', 'visit', '11', '1', '10'],
  ])
})

test('a day is a spike when it differs from its weekday by deviations and by the floor of its unit, in both directions, with the numbers used', async () => {
  const { documented: spikes } = await found()
  expect(spikes.map(({ projectId, value, median, deviation, floor }) => [projectId, value, median, deviation, floor])).toEqual([
    ['down', '0', '200004.5', '2', '100000'],
    ['peak', '6000000000', '5000000000', '0', '1000000000'],
    ['up', '300004.5', '200004.5', '2', '100000'],
  ])
  expect(spikes[0]?.weeks).toEqual([1, 2, 3, 4, 5, 6, 7, 8].map((week) => String(200_000 + week)))
  // Other weekdays are compared with other weekdays: nothing was ever used on them.
  expect(await findSpikes(world.clickhouse, dayOf(Date.parse(`${DAY}T00:00:00Z`) - MS_PER_DAY))).toEqual([])
})
