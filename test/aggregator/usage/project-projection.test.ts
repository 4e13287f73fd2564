import { afterAll, beforeAll, expect, test } from 'vitest'
import { readPartnershipUsage } from '../../../aggregator/usage/partnership-usage.ts'
import { type Projection, projectMonth } from '../../../aggregator/usage/project-month.ts'
import { readProjectUsage } from '../../../aggregator/usage/project-usage.ts'
import { METRIC_NAMES } from '../../../metering/metrics.ts'
import { type Month, periodOfMonth } from '../../../metering/month.ts'
import { parseQuantity } from '../../../metering/quantity.ts'
import { DEFINED_METRICS, kindOfTested } from '../../support/oracles/defined-metrics.ts'
import { Random } from '../../support/random.ts'
import { DaysWorld } from '../../support/worlds/days-world.ts'

const SEED = Number(process.env['RANDOM_SEED'] ?? Date.now() % 1_000_000)
const MONTH = '2026-02' as Month
const DAYS_OF_MONTH = 28
const EVENTS = 80
const NAMES = [...METRIC_NAMES, ...DEFINED_METRICS.map(({ metric }) => metric)]

type Used = readonly [project: string, metric: string, day: string, value: string]

let world: DaysWorld
beforeAll(async () => {
  world = await DaysWorld.open()
  for (const metric of DEFINED_METRICS) await world.define(metric)
})
afterAll(() => world.close())

test(`the projection of a project is that of its own events, on every day of the month (seed ${SEED})`, async () => {
  const random = new Random(SEED)
  const partner = await world.partner('Acme')
  const alone = await world.partner('With one project')
  for (const project of ['a', 'b']) await world.register(project, partner)
  await world.register('c', alone)
  const events = Array.from({ length: EVENTS }, (): Used => {
    const day = `2026-02-${String(1 + random.below(DAYS_OF_MONTH)).padStart(2, '0')}`
    const metric = random.pick(NAMES)
    return [random.pick(['a', 'b', 'c']), metric, day, kindOfTested(metric) === 'count' ? '1.0' : `${random.below(1_000)}.${1 + random.below(9)}`]
  })
  // Neither the month before nor the one after is part of it.
  await world.post(...events, ...['ai_tokens', 'images'].flatMap((metric) => ['2026-01-31', '2026-03-01'].map((day): Used => ['a', metric, day, '999999'])))
  const period = periodOfMonth(MONTH)
  const usages = await Promise.all(['a', 'b', 'c'].map(async (id) => ({ id, usage: await readProjectUsage(world.clickhouse, id, period) })))
  for (let day = 1; day <= DAYS_OF_MONTH + 1; day += 1) {
    const asOfMs = Date.UTC(2026, 1, day, 9)
    for (const { id, usage } of usages)
      expect([id, day, Object.fromEntries(projectMonth(usage, MONTH, asOfMs))]).toEqual([
        id,
        day,
        oracle(
          events.filter(([project]) => project === id),
          day,
        ),
      ])
  }
  const ofPartner = await readPartnershipUsage(world.clickhouse, alone, period)
  const [, , c] = usages
  const asOfMs = Date.UTC(2026, 1, 14)
  expect(projectMonth(ofPartner, MONTH, asOfMs)).toEqual(c === undefined ? undefined : projectMonth(c.usage, MONTH, asOfMs))
})

/**
 * With whole tenths, of which there is one in each value: the greatest day, the latest value, or the mean of the complete days times the days of the month. A
 * defined metric without events is left out.
 */
function oracle(events: readonly Used[], incompleteDay: number): Record<string, Projection | null> {
  const complete = incompleteDay - 1
  const projectionOf = (metric: string): Projection | null => {
    if (complete === 0 || kindOfTested(metric) === 'unique') return null
    const own = events.filter(([, used]) => used === metric).map(([, , day, value]) => ({ day: Number(day.slice(-2)), tenths: BigInt(value.replace('.', '')) }))
    if (kindOfTested(metric) === 'peak') {
      const [greatest = 0n] = own.map(({ tenths }) => tenths).sort((left, right) => Number(right - left))
      return { value: decimal(greatest, 10n), method: 'greatest_day', fromDays: complete }
    }
    if (kindOfTested(metric) === 'last') {
      const latest = own.reduce((all, each) => (each.day >= all.day ? each : all), { day: 0, tenths: 0n })
      return { value: decimal(latest.tenths, 10n), method: 'last_value', fromDays: complete }
    }
    const sumOf = (some: typeof own) => some.reduce((sum, { tenths }) => sum + tenths, 0n)
    const mean = [sumOf(own.filter(({ day }) => day <= complete)) * BigInt(DAYS_OF_MONTH), 10n * BigInt(complete)] as const
    const used = [sumOf(own), 10n] as const
    const isLess = mean[0] * used[1] < used[0] * mean[1]
    return { value: decimal(...(isLess ? used : mean)), method: 'mean_of_complete_days', fromDays: complete }
  }
  const shown = [...METRIC_NAMES, ...NAMES.slice(METRIC_NAMES.length).filter((metric) => events.some(([, used]) => used === metric))]
  return Object.fromEntries(shown.map((metric) => [metric, projectionOf(metric)]))
}

/** A fraction as a decimal, cut after nine digits. */
function decimal(numerator: bigint, denominator: bigint): string {
  const digits = String((numerator * 1_000_000_000n) / denominator).padStart(10, '0')
  return parseQuantity(`${digits.slice(0, -9)}.${digits.slice(-9)}`) ?? 'not a decimal'
}
