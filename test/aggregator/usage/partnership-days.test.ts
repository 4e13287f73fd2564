import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { refreshPartnershipDays } from '../../../aggregator/usage/refresh-partnership-days.ts'
import { SERVICE } from '../../../registry/audit-log.ts'
import { deleteProject } from '../../../registry/projects/lifecycle.ts'
import { readMigrations } from '../../../sql/migrate.ts'
import { stepLane } from '../../support/engines/stepped-lane.ts'
import { DaysWorld } from '../../support/worlds/days-world.ts'
import { storeInDoubt } from '../../support/worlds/store-in-doubt.ts'

const SEED = Number(process.env['RANDOM_SEED'] ?? Date.now() % 1_000_000)

let world: DaysWorld
let ours: string
let theirs: string
beforeEach(async () => {
  world = await DaysWorld.open()
  ours = await world.partner('Ours')
  theirs = await world.partner('Theirs')
})
afterEach(() => world.close())

const refresh = () => refreshPartnershipDays(world.clickhouse)
const run = (sql: string) => world.clickhouse.control.command(sql)

async function expectPlainDays(partners = [ours, theirs]): Promise<void> {
  for (const partner of partners) expect(await world.read(partner)).toEqual(await world.plain(partner))
}

/** Replaces the materialized rows by a value that no computation returns, so that a result shows whether it was read from them. */
async function falsifyMaterializedRows(): Promise<void> {
  await run(`INSERT INTO partnership_usage_per_day_v1 SETTINGS async_insert=0
    SELECT partner_id, usage_date, metric, CAST((max(newest).1, toDateTime64('2100-01-01 00:00:00', 3, 'UTC'), toDecimal256(424242, 9), 1),
      'Tuple(changes UInt64, as_of DateTime64(3, \\'UTC\\'), value Decimal(76, 9), events Int64)')
    FROM partnership_usage_per_day_v1 GROUP BY partner_id, usage_date, metric`)
}

const valuesOf = async (partner: string) => (await world.read(partner)).map(({ day, metric, value }) => [day, metric, value])

describe('materialized partnership days', () => {
  test('readers use a materialized day only while nothing of it was stored since', async () => {
    await world.register('a', ours)
    await world.post(['a', 'ai_tokens', '2026-01-10', '5'], ['a', 'ai_tokens', '2026-01-11', '6'])
    expect(await refresh()).toBe(2)
    expect(await refresh()).toBe(0)
    await falsifyMaterializedRows()
    expect(await valuesOf(ours)).toEqual([
      ['2026-01-10', 'ai_tokens', '424242'],
      ['2026-01-11', 'ai_tokens', '424242'],
    ])
    await world.post(['a', 'ai_tokens', '2026-01-11', '1'])
    expect(await valuesOf(ours)).toEqual([
      ['2026-01-10', 'ai_tokens', '424242'],
      ['2026-01-11', 'ai_tokens', '7'],
    ])
    expect(await refresh()).toBe(1)
    expect(await valuesOf(ours)).toEqual([
      ['2026-01-10', 'ai_tokens', '424242'],
      ['2026-01-11', 'ai_tokens', '7'],
    ])
  })

  test('readers use no materialized day before the first refresh has ended, or if a project registered since has usage on it', async () => {
    await world.register('a', ours)
    await world.post(['a', 'mcp_calls', '2026-01-10', '5'], ['a', 'mcp_calls', '2026-02-10', '5'], ['late', 'mcp_calls', '2026-01-10', '2'])
    await expectPlainDays()
    await refresh()
    await falsifyMaterializedRows()
    await world.register('late', ours)
    expect(await valuesOf(ours)).toEqual([
      ['2026-01-10', 'mcp_calls', '7'],
      ['2026-02-10', 'mcp_calls', '424242'],
    ])
    expect(await refresh()).toBe(1)
    expect(await valuesOf(ours)).toEqual([
      ['2026-01-10', 'mcp_calls', '7'],
      ['2026-02-10', 'mcp_calls', '424242'],
    ])
  })

  test('materialized days with a project registered late outrank those without it, even if the watermark went back since', async () => {
    await world.register('a', ours)
    await world.post(['a', 'mcp_calls', '2026-01-10', '5'], ['late', 'mcp_calls', '2026-01-10', '2'])
    await refresh()
    // The row was computed at some watermark. A switch of the source that has begun takes it back to none.
    await run(`ALTER TABLE partnership_usage_per_day_v1 UPDATE newest = CAST((newest.1, toDateTime64('2026-06-01 00:00:00', 3, 'UTC'), newest.3, newest.4),
      'Tuple(changes UInt64, as_of DateTime64(3, \\'UTC\\'), value Decimal(76, 9), events Int64)') WHERE 1 SETTINGS mutations_sync = 1`)
    await run(
      `INSERT INTO sources_v1 (epoch, owner, in_force, source, changed_at) SETTINGS async_insert=0 VALUES (18446744073709551615, '', 0, 'c/t', now64(3))`,
    )
    await world.register('late', ours)
    await refresh()
    expect(await valuesOf(ours)).toEqual([['2026-01-10', 'mcp_calls', '7']])
  })
})

test(`P3: in random worlds each partner's days equal the plain computation at every step (seed ${SEED})`, async () => {
  let number = 0
  const project = fc.integer({ min: 0, max: 4 })
  const event = fc.tuple(
    project,
    fc.constantFrom('ai_tokens', 'database_size_bytes', 'ai_credits'),
    fc.constantFrom('2000-01-01', '2025-12-31', '2026-01-01', '2026-01-02', '2026-02-28', '2026-03-01'),
    fc.oneof(fc.integer({ min: 0, max: 999 }).map(String), fc.constantFrom('90000000000000000000000000000', '0.000000001')),
  )
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ post: fc.array(event, { minLength: 1, maxLength: 5 }) }) },
    { weight: 2, arbitrary: fc.record({ register: project, ours: fc.boolean() }) },
    { weight: 1, arbitrary: fc.record({ delete: project }) },
    { weight: 3, arbitrary: fc.constant('refresh' as const) },
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 16 }), async (steps) => {
      number += 1
      const [mine, others] = [await world.partner(`mine ${number}`), await world.partner(`others ${number}`)]
      const owners = new Map<string, string>()
      const idOf = (index: number) => `w${number}-${index}`
      for (const each of steps) {
        if (each === 'refresh') await refresh()
        else if ('post' in each) await world.post(...each.post.map(([index, ...rest]) => [idOf(index), ...rest] as const))
        else if ('register' in each) {
          const id = idOf(each.register)
          if (!owners.has(id)) await world.register(id, each.ours ? mine : others)
          owners.set(id, owners.get(id) ?? (each.ours ? mine : others))
        } else await deleteProject(world.registry, SERVICE, { partnerId: owners.get(idOf(each.delete)) ?? mine, projectId: idOf(each.delete) })
        await expectPlainDays([mine, others])
      }
      await refresh()
      await expectPlainDays([mine, others])
    }),
    { seed: SEED, numRuns: 4, endOnFailure: true },
  )
})

describe('a refresh of partnership days', () => {
  /** Days of two months, one of them changed since it was materialized, and a project that was registered late. */
  async function staleWorld(): Promise<void> {
    await world.register('a', ours)
    await world.register('foreign', theirs)
    await world.post(['a', 'ai_tokens', '2026-01-10', '5'], ['a', 'database_size_bytes', '2026-02-11', '6'], ['foreign', 'ai_tokens', '2026-01-10', '70'])
    await refresh()
    await world.post(['a', 'ai_tokens', '2026-01-10', '3'], ['a', 'ai_tokens', '2026-02-12', '1'], ['late', 'database_size_bytes', '2026-02-11', '9'])
    await world.register('late', ours)
  }

  test('a refresh that is killed after any of its steps leaves correct usage, and the next refresh completes its work', async () => {
    await staleWorld()
    const { clickhouse } = world
    // A kill before a step leaves what a kill after the step before it leaves; the first step is a query.
    for (let killed = 0, died = true; died; killed += 1) {
      // Each attempt has work in both months: a day that changed, and a project that was registered after its day was materialized.
      const late = `late-${killed}`
      await world.post([late, 'ai_tokens', '2026-02-13', '2'])
      await refresh()
      await world.post(['a', 'ai_tokens', '2026-01-10', '1'])
      await world.register(late, ours)
      died = false
      const lane = stepLane(
        clickhouse.reads,
        async () => {},
        async (step) => {
          if (step !== killed) return
          died = true
          throw new Error('killed')
        },
      )
      await refreshPartnershipDays(clickhouse, lane).catch((error: Error) => expect(error.message).toBe('killed'))
      await expectPlainDays()
      if (!died) expect(killed).toBeGreaterThan(5)
    }
    await refresh()
    await expectPlainDays()
    await falsifyMaterializedRows()
    expect(new Set((await valuesOf(ours)).map(([, , value]) => value))).toEqual(new Set(['424242']))
  })

  test.each([
    ['with another complete refresh meanwhile', true],
    ['without another refresh', false],
  ])(
    'a refresh that is delayed before any of its steps, while events and a project arrive, leaves correct usage (%s)',
    async (_, another) => {
      await staleWorld()
      const { clickhouse } = world
      for (let delayed = 0, reached = true; reached; delayed += 1) {
        const late = `late-${delayed}`
        await world.post(['a', 'database_size_bytes', '2026-01-10', String(delayed)], [late, 'ai_tokens', '2026-02-13', '2'])
        reached = false
        const lane = stepLane(clickhouse.reads, async (step) => {
          if (step !== delayed) return
          reached = true
          await world.post(['a', 'ai_tokens', '2026-01-10', '4'], [late, 'mcp_calls', '2026-01-10', '8'])
          await world.register(late, ours)
          await expectPlainDays()
          if (another) await refresh()
          await expectPlainDays()
          await world.post(['a', 'ai_tokens', '2026-01-10', '4'])
        })
        await refreshPartnershipDays(clickhouse, lane)
        await expectPlainDays()
      }
      await refresh()
      await expectPlainDays()
    },
    120_000,
  )

  test('two refreshes that run at the same time, while events arrive, leave correct usage', async () => {
    await staleWorld()
    const { clickhouse } = world
    const lanes = [await clickhouse.openLane(), await clickhouse.openLane()]
    for (let round = 0; round < 8; round += 1) {
      await Promise.all([
        ...lanes.map((lane) => refreshPartnershipDays(clickhouse, lane)),
        world.post(['a', 'ai_tokens', '2026-01-10', '1'], [`beside-${round}`, 'ai_tokens', '2026-01-10', '1']),
        world.register(`beside-${round}`, ours),
      ])
      await expectPlainDays()
    }
    await Promise.all(lanes.map((lane) => refreshPartnershipDays(clickhouse, lane)))
    await expectPlainDays()
    await falsifyMaterializedRows()
    expect((await valuesOf(ours))[0]?.[2]).toBe('424242')
  })

  test('a refresh between the two queries of a reader removes no usage from its result', async () => {
    await staleWorld()
    await refresh()
    const before = await world.plain(ours)
    for (const queries of [1, 2]) {
      const reads = stepLane(world.clickhouse.reads, async (step) => {
        if (step !== queries) return
        await world.post(['a', 'ai_tokens', '2026-01-10', '1'])
        await refresh()
      })
      const answer = await world.read(ours, { ...world.clickhouse, reads })
      const after = await world.plain(ours)
      expect(answer.map(({ day, metric }) => [day, metric])).toEqual(before.map(({ day, metric }) => [day, metric]))
      for (const [index, row] of answer.entries()) expect([before[index], after[index]]).toContainEqual(row)
    }
  })
})

describe('a crash between the rollup and the change of its day', () => {
  test('P3: a crash after a rollup row and before its recorded change is repaired when the next owner reconciles the log', async () => {
    await world.register('a', ours)
    await world.post(['a', 'ai_tokens', '2026-01-10', '5'], ['a', 'ai_tokens', '2026-03-10', '5'])
    await refresh()
    const statement = await changesView()
    const event = (event_id: string, value: string, day: string) => ({ event_id, project_id: 'a', metric: 'ai_tokens', value, timestamp: `${day}T12:00:00Z` })
    const stale = ['2026-01-10', '2026-03-10'].map((day) => [day, 'ai_tokens', '5'])
    // The killed owner acknowledged none of these events. Only when the next owner has reconciled the range must they be counted.
    await world.replaceLogOwner(async () => {
      await run('DROP VIEW usage_day_changes_mv_v1')
      await storeInDoubt(world.clickhouse, [event('x', '2', '2026-01-10'), event('y', '4', '2026-03-10')])
      expect(await valuesOf(ours)).toEqual(stale)
      await run(statement)
    })
    expect(await valuesOf(ours)).toEqual([
      ['2026-01-10', 'ai_tokens', '7'],
      ['2026-03-10', 'ai_tokens', '9'],
    ])
    await refresh()
    await expectPlainDays()
  })
})

describe('a month that was rebuilt', () => {
  test('a metric or a whole day that a rebuild removed from the rollup disappears from usage, before and after a refresh', async () => {
    await world.register('a', ours)
    await world.post(
      ['a', 'ai_tokens', '2026-01-10', '5'],
      ['a', 'mcp_calls', '2026-01-10', '6'],
      ['a', 'mcp_calls', '2026-01-11', '7'],
      ['a', 'mcp_calls', '2026-02-11', '8'],
    )
    await refresh()
    await run(`ALTER TABLE project_usage_per_day_v1 DELETE WHERE metric = 'mcp_calls' AND usage_date < '2026-02-01' SETTINGS mutations_sync = 1`)
    await run(`INSERT INTO usage_day_changes_v1 (usage_date, changes) SETTINGS async_insert=0 VALUES ('2026-01-10', 1), ('2026-01-11', 1)`)
    const right = [
      ['2026-01-10', 'ai_tokens', '5'],
      ['2026-02-11', 'mcp_calls', '8'],
    ]
    expect(await valuesOf(ours)).toEqual(right)
    expect(await refresh()).toBe(2)
    expect(await valuesOf(ours)).toEqual(right)
    await world.post(['a', 'mcp_calls', '2026-01-11', '1'])
    await expectPlainDays()
    await refresh()
    await expectPlainDays()
  })
})

/** The statement of the view, from its migration. */
async function changesView(): Promise<string> {
  const statements = (await readMigrations()).flatMap((migration) => migration.statements)
  const found = statements.find((statement) => statement.startsWith('CREATE MATERIALIZED VIEW IF NOT EXISTS usage_day_changes_mv_v1 '))
  if (found === undefined) throw new Error('No migration creates usage_day_changes_mv_v1.')
  return found
}
