import { afterAll, beforeAll, expect, test } from 'vitest'
import { audit } from '../../../aggregator/audits/audit.ts'
import { readProjectUsage } from '../../../aggregator/usage/project-usage.ts'
import type { ClickHouse } from '../../../sql/clickhouse.ts'
import type { TestEvent } from '../../support/clients/client.ts'
import { DaysWorld } from '../../support/worlds/days-world.ts'
import { storeInDoubt } from '../../support/worlds/store-in-doubt.ts'

const JANUARY = { first: '2026-01-01', last: '2026-01-31', end: '2026-02-01' }

let world: DaysWorld
beforeAll(async () => {
  world = await DaysWorld.open()
  await world.define({ metric: 'level', kind: 'last', unit: 'meter' })
  await world.define({ metric: 'users', kind: 'unique', unit: 'user' })
  await world.post(
    ['p', 'level', '2026-01-05', '3'],
    ['p', 'users', '2026-01-05', 'ann'],
    ['p', 'users', '2026-01-06', 'ann'],
    ['p', 'users', '2026-01-06', 'bob'],
  )
})
afterAll(() => world.close())

/** By hand: the last level of the month, and ann and bob. */
const BEFORE = { level: '3', users: '2', days: ['2026-01-05 3 1', '2026-01-06 0 2'] }

test('P2 P3: states that a kill has left out are added by the next owner of the log, and adding them again changes nothing', async () => {
  expect(await usage()).toEqual(BEFORE)
  await world.replaceLogOwner(() => storeEvents(withoutStates(world.clickhouse), ['level', '1.5'], ['users', 'eve'], ['users', 'ann']))
  const after = { level: '1.5', users: '3', days: [...BEFORE.days, '2026-01-07 1.5 2'] }
  expect(await usage()).toEqual(after)
  await world.replaceLogOwner(() => storeEvents(world.clickhouse, ['users', 'eve']))
  await world.replaceLogOwner()
  expect(await usage()).toEqual(after)
  expect(await differences()).toEqual([])
})

test('P3: an audit finds a day whose states lack an event and adds it; a rebuild corrects states that have more than raw', async () => {
  const right = await usage()
  await change("ALTER TABLE usage_states_per_day_v1 DELETE WHERE usage_date = '2026-01-06' SETTINGS mutations_sync = 1")
  expect(await usage()).not.toEqual(right)
  expect(await differences()).toMatchObject([{ usage_date: '2026-01-06', metric: 'users', raw_total: '2', rollup_total: '0' }])
  expect(await usage()).toEqual(right)
  await change(`INSERT INTO usage_states_per_day_v1 SELECT 'p', '2026-01-05', 'users', '', 0, uniqExactState('nobody') SETTINGS async_insert = 0`)
  await change(
    `INSERT INTO usage_states_per_day_v1 SELECT 'p', '2026-01-05', 'level', '', bitShiftLeft(toUInt256(1), 250), uniqExactStateIf('', 0) SETTINGS async_insert = 0`,
  )
  const more = [
    { metric: 'level', raw_total: '3', rollup_total: '0' },
    { metric: 'users', raw_total: '1', rollup_total: '2' },
  ]
  expect(await differences()).toMatchObject(more)
  expect(await differences()).toMatchObject(more)
  await world.rebuild('2026-01')
  expect(await differences()).toEqual([])
  expect(await usage()).toEqual(right)
  await world.rebuild('2025-12')
})

async function usage(): Promise<unknown> {
  const { others, days } = await readProjectUsage(world.clickhouse, 'p', JANUARY)
  const value = (of: typeof others, metric: string) => of.get(metric)?.value ?? '0'
  return {
    ...{ level: value(others, 'level'), users: value(others, 'users') },
    days: days.map((each) => `${each.day} ${value(each.others, 'level')} ${value(each.others, 'users')}`),
  }
}

async function differences() {
  return (await audit(world.clickhouse, { from: JANUARY.first, end: JANUARY.end }, (work) => work())).differences
}

function change(sql: string): Promise<void> {
  return world.clickhouse.control.command(sql)
}

/** A batch of 7 January of which nothing is settled. */
function storeEvents(clickhouse: ClickHouse, ...events: readonly (readonly [metric: 'level' | 'users', value: string])[]): Promise<void> {
  const sent = events.map(([metric, value], index): TestEvent => {
    stored += 1
    return { event_id: `stored-${stored}`, project_id: 'p', metric, value, timestamp: `2026-01-07T0${index}:00:00Z` }
  })
  return storeInDoubt(clickhouse, sent, { kindOf: (metric) => (metric === 'level' ? 'last' : 'unique') })
}

let stored = 0

/** As a kill between raw and the states leaves it. */
function withoutStates(clickhouse: ClickHouse): ClickHouse {
  return { ...clickhouse, ingest: { ...clickhouse.ingest, execute: async () => {} } }
}
