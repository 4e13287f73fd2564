import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { readPartnershipUsage } from '../../../aggregator/usage/partnership-usage.ts'
import { readDaysAndActivity, readLastActivity } from '../../../aggregator/usage/project-usage.ts'
import { RememberedUsage } from '../../../aggregator/usage/remembered-usage.ts'
import { periodOfMonth } from '../../../metering/month.ts'
import type { Period } from '../../../metering/period.ts'
import { MS_PER_DAY } from '../../../metering/timestamp.ts'
import { type Lane, STATEMENT_CHANNEL, type TracedStatement } from '../../../sql/clickhouse.ts'
import { defineQuery } from '../../../sql/query.ts'
import { holdLane } from '../../support/engines/held-lane.ts'
import { stepLane } from '../../support/engines/stepped-lane.ts'
import { DaysWorld } from '../../support/worlds/days-world.ts'

const FEBRUARY = periodOfMonth('2026-02')
const NOW_MS = Date.parse('2026-03-10T12:00:00Z')

let world: DaysWorld
beforeAll(async () => {
  world = await DaysWorld.open()
})
afterAll(() => world.close())

/** Without knowing what this process writes, as with a server: only the state tells what has changed. */
function memoryOfState({ writes: _, ...reads }: Lane = world.clickhouse.reads): RememberedUsage {
  return new RememberedUsage({ reads }, () => NOW_MS)
}

const readDays = async (projectId: string, period: Period) => (await readDaysAndActivity(world.clickhouse, projectId, period)).days

/** A partner with a project that has usage in February, and reads of it that count how often it was computed. */
async function makePartner(name: string, { memory = memoryOfState(), period = FEBRUARY } = {}) {
  const partnerId = await world.partner(name)
  const projectId = `${name}-project`
  await world.register(projectId, partnerId)
  await world.post([projectId, 'ai_tokens', '2026-02-03', '5'])
  let computed = 0
  const ofProject = () => {
    computed += 1
    return readDays(projectId, period)
  }
  const ofPartner = () => {
    computed += 1
    return readPartnershipUsage(world.clickhouse, partnerId, period)
  }
  return {
    partnerId,
    projectId,
    readProject: async (compute = ofProject) => (await memory.of({ partnerId, projectId, period }).readDays(compute)).summary.ai_tokens,
    readPartner: async () => (await memory.of({ partnerId, period }).readDays(ofPartner)).summary.ai_tokens,
    readActivity: () => memory.of({ partnerId, projectId, period }).readLastActivity(() => readLastActivity(world.clickhouse, projectId)),
    async computedBy(read: () => Promise<unknown>): Promise<number> {
      const before = computed
      await read()
      return computed - before
    },
  }
}

/** The first read finds out the state, the second one remembers the usage under it. */
async function readTwice(read: () => Promise<unknown>): Promise<void> {
  await read()
  await read()
}

test('P3: usage of past days is computed again only after something of it has changed', async () => {
  const { projectId, readProject, readPartner, computedBy } = await makePartner('changes')
  for (const read of [readProject, readPartner]) {
    await readTwice(read)
    expect(await computedBy(read)).toBe(0)
    await world.post([projectId, 'ai_tokens', '2026-01-31', '7'])
    await world.post([projectId, 'ai_tokens', '2026-03-01', '7'])
    expect(await read()).toBe(read === readProject ? '5' : '6')
    await world.post([projectId, 'ai_tokens', '2026-02-28', '1'])
    expect(await read()).toBe(read === readProject ? '6' : '7')
    expect(await computedBy(read)).toBe(0)
  }
})

test('P3: an event that is stored while usage is computed is in the next answer', async () => {
  const { projectId, readProject } = await makePartner('meanwhile')
  await readTwice(readProject)
  await world.post([projectId, 'ai_tokens', '2026-02-10', '1'])
  const computedThenStored = async () => {
    const usage = await readDays(projectId, FEBRUARY)
    await world.post([projectId, 'ai_tokens', '2026-02-11', '1'])
    return usage
  }
  expect(await readProject(computedThenStored)).toBe('6')
  expect(await readProject()).toBe('7')
})

test('P3: the same holds for usage that was not remembered before, and for a state that is read late', async () => {
  // The first statement finds out the state; the second one, of the next read, is held until the event is stored.
  const store = holdLane(world.clickhouse.reads)
  const late = stepLane(world.clickhouse.reads, async (step) => (step === 1 ? store.lane.query(anything, {}).then(() => {}) : undefined))
  const memory = memoryOfState(late)
  const { projectId, readProject } = await makePartner('first', { memory })
  expect(await readProject()).toBe('5')
  const computedThenStored = async () => {
    const usage = await readDays(projectId, FEBRUARY)
    await world.post([projectId, 'ai_tokens', '2026-02-11', '1'])
    store.release()
    return usage
  }
  expect(await readProject(computedThenStored)).toBe('5')
  expect(await readProject()).toBe('6')
})

const anything = defineQuery({ name: 'anything', sql: 'SELECT 1 AS one', params: z.object({}), row: z.object({ one: z.number() }) })

test("usage of a project that is registered later is in its partner's next answer", async () => {
  const { partnerId, readPartner } = await makePartner('registered')
  await world.post(['early', 'ai_tokens', '2026-02-04', '10'])
  await readTwice(readPartner)
  expect(await readPartner()).toBe('5')
  await world.register('early', partnerId)
  expect(await readPartner()).toBe('15')
})

test('a rebuild has usage computed again, and nothing is remembered before it has ended', async () => {
  const { readProject, computedBy } = await makePartner('rebuilt')
  await readTwice(readProject)
  await world.rebuild('2026-02')
  expect(await computedBy(readProject)).toBe(1)
  expect(await computedBy(readProject)).toBe(0)
  const note = (ended: number) =>
    world.clickhouse.control.insert({ table: 'rollup_rebuilds_v1', columns: ['month', 'begun', 'ended'], text: `2026-05\t9\t${ended}\n` })
  await note(0)
  expect([await computedBy(readProject), await computedBy(readProject)]).toEqual([1, 1])
  await note(9)
  await readTwice(readProject)
  expect(await computedBy(readProject)).toBe(0)
})

test('a metric that is defined later has usage computed again', async () => {
  const { readProject, computedBy } = await makePartner('defined')
  await readTwice(readProject)
  await world.define({ metric: 'builds', kind: 'cumulative', unit: 'build' })
  expect(await computedBy(readProject)).toBe(1)
})

test('the last activity changes with events of all days', async () => {
  const { projectId, readActivity } = await makePartner('active')
  await readTwice(readActivity)
  expect(await readActivity()).toBe(Date.parse('2026-02-03T12:00:00Z'))
  await world.post([projectId, 'ai_tokens', '2026-03-09', '1'])
  expect(await readActivity()).toBe(Date.parse('2026-03-09T12:00:00Z'))
})

test('usage of the current day, and of metrics that are computed from states, is not remembered', async () => {
  const current = await makePartner('current', { period: { first: '2026-02-01', last: '2026-03-10', end: '2026-03-11' } })
  await readTwice(current.readProject)
  expect(await current.computedBy(current.readProject)).toBe(1)
  const states = await makePartner('states')
  await world.define({ metric: 'seats', kind: 'last', unit: 'seat' })
  await world.post([states.projectId, 'seats', '2026-02-05', '3'])
  await readTwice(states.readProject)
  expect(await states.computedBy(states.readProject)).toBe(1)
})

test('P3: on the embedded engine it is read again without a statement until anything is written, the current day too', async () => {
  const period = { first: '2026-02-01', last: '2026-03-10', end: '2026-03-11' }
  let nowMs = NOW_MS
  const memory = new RememberedUsage(world.clickhouse, () => nowMs)
  const { projectId, readProject, readActivity, computedBy } = await makePartner('unwritten', { memory, period })
  await readProject()
  await readActivity()
  const statements = await statementsOf(async () => {
    expect(await computedBy(readProject)).toBe(0)
    expect(await readActivity()).toBe(Date.parse('2026-02-03T12:00:00Z'))
  })
  expect(statements).toEqual([])
  await world.post([projectId, 'ai_tokens', '2026-03-10', '1'])
  expect([await readProject(), await readActivity()]).toEqual(['6', Date.parse('2026-03-10T12:00:00Z')])
  // On the next day a month may have become a past one, which can be final.
  nowMs += MS_PER_DAY
  expect(await computedBy(readProject)).toBe(1)
})

test('P3: nothing is remembered while something is written, nor what was computed meanwhile', async () => {
  const memory = new RememberedUsage(world.clickhouse, () => NOW_MS)
  const { projectId, readProject, computedBy } = await makePartner('written', {
    memory,
    period: { first: '2026-02-01', last: '2026-03-10', end: '2026-03-11' },
  })
  await readProject()
  let end = () => {}
  const running = world.clickhouse.reads.writes?.during('any_inbox_v1', () => new Promise<void>((resolve) => (end = resolve)))
  expect(await computedBy(readProject)).toBe(1)
  end()
  await running
  const computedThenStored = async () => {
    const usage = await readDays(projectId, FEBRUARY)
    await world.post([projectId, 'ai_tokens', '2026-02-11', '1'])
    return usage
  }
  expect(await readProject(computedThenStored)).toBe('5')
  expect(await readProject()).toBe('6')
})

/** The names of the statements that ran meanwhile, in this process. */
async function statementsOf(work: () => Promise<void>): Promise<(string | undefined)[]> {
  const names: (string | undefined)[] = []
  const note = (statement: unknown) => void names.push((statement as TracedStatement).name)
  const channel = `tracing:${STATEMENT_CHANNEL}:start`
  subscribe(channel, note)
  try {
    await work()
  } finally {
    unsubscribe(channel, note)
  }
  return names
}
