import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { refreshPartnershipDays } from '../../../aggregator/usage/refresh-partnership-days.ts'
import { SERVICE } from '../../../registry/audit-log.ts'
import { deleteProject } from '../../../registry/projects/lifecycle.ts'
import { readMigrations } from '../../../sql/migrate.ts'
import { stepLane } from '../../support/engines/stepped-lane.ts'
import { DaysWorld } from '../../support/worlds/days-world.ts'

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

async function expectRight(partners = [ours, theirs]): Promise<void> {
  for (const partner of partners) expect(await world.read(partner)).toEqual(await world.plain(partner))
}

/** A row that no computation gives, in the place of the right one: an answer that shows it was taken from the kept rows. */
async function falsifyKeptRows(): Promise<void> {
  await run(`INSERT INTO partnership_usage_per_day_v1 SETTINGS async_insert=0
    SELECT partner_id, usage_date, metric, CAST((max(newest).1, toDateTime64('2100-01-01 00:00:00', 3, 'UTC'), toDecimal256(424242, 9), 1),
      'Tuple(changes UInt64, as_of DateTime64(3, \\'UTC\\'), value Decimal(76, 9), events Int64)')
    FROM partnership_usage_per_day_v1 GROUP BY partner_id, usage_date, metric`)
}

const valuesOf = async (partner: string) => (await world.read(partner)).map(({ day, metric, value }) => [day, metric, value])

describe('kept rows', () => {
  test('are what is answered, when nothing was stored since; and only then', async () => {
    await world.register('a', ours)
    await world.post(['a', 'ai_tokens', '2026-01-10', '5'], ['a', 'ai_tokens', '2026-01-11', '6'])
    expect(await refresh()).toBe(2)
    expect(await refresh()).toBe(0)
    await falsifyKeptRows()
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

  test('are not used before a first refresh has ended, nor for the days of a project registered since', async () => {
    await world.register('a', ours)
    await world.post(['a', 'mcp_calls', '2026-01-10', '5'], ['a', 'mcp_calls', '2026-02-10', '5'], ['late', 'mcp_calls', '2026-01-10', '2'])
    await expectRight()
    await refresh()
    await falsifyKeptRows()
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

  test('of a project registered late outrank those from before it, also when the watermark went back since', async () => {
    await world.register('a', ours)
    await world.post(['a', 'mcp_calls', '2026-01-10', '5'], ['late', 'mcp_calls', '2026-01-10', '2'])
    await refresh()
    // The row was kept at some watermark; a topic whose logs have none yet takes it back to no time at all.
    await run(`ALTER TABLE partnership_usage_per_day_v1 UPDATE newest = CAST((newest.1, toDateTime64('2026-06-01 00:00:00', 3, 'UTC'), newest.3, newest.4),
      'Tuple(changes UInt64, as_of DateTime64(3, \\'UTC\\'), value Decimal(76, 9), events Int64)') WHERE 1 SETTINGS mutations_sync = 1`)
    await run(
      `INSERT INTO topic_incarnations_v1 (topic, incarnation, id, partitions, starts, reason) SETTINGS async_insert=0 VALUES ('c/t', 1, 'x', 1, [0], 'test')`,
    )
    await world.register('late', ours)
    await refresh()
    expect(await valuesOf(ours)).toEqual([['2026-01-10', 'mcp_calls', '7']])
  })
})

test(`P3: random worlds: at every step each partner's days are the plain computation (seed ${SEED})`, async () => {
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
        await expectRight([mine, others])
      }
      await refresh()
      await expectRight([mine, others])
    }),
    { seed: SEED, numRuns: 6, endOnFailure: true },
  )
}, 120_000)

describe('a refresh', () => {
  /** Days of two months, one of them changed since it was kept, and a project that came late. */
  async function unfreshWorld(): Promise<void> {
    await world.register('a', ours)
    await world.register('foreign', theirs)
    await world.post(['a', 'ai_tokens', '2026-01-10', '5'], ['a', 'database_size_bytes', '2026-02-11', '6'], ['foreign', 'ai_tokens', '2026-01-10', '70'])
    await refresh()
    await world.post(['a', 'ai_tokens', '2026-01-10', '3'], ['a', 'ai_tokens', '2026-02-12', '1'], ['late', 'database_size_bytes', '2026-02-11', '9'])
    await world.register('late', ours)
  }

  test('killed before or after any of its steps leaves right answers, and the next one mends the rest', async () => {
    await unfreshWorld()
    const { clickhouse } = world
    for (const moment of ['before', 'after'] as const) {
      for (let killed = 0, died = true; died; killed += 1) {
        // Each attempt has something to do, in both months: a day that changed, and a project that came after its day was kept.
        const late = `late-${moment}-${killed}`
        await world.post([late, 'ai_tokens', '2026-02-13', '2'])
        await refresh()
        await world.post(['a', 'ai_tokens', '2026-01-10', '1'])
        await world.register(late, ours)
        died = false
        const die = async (step: number) => {
          if (step !== killed) return
          died = true
          throw new Error('killed')
        }
        const lane = moment === 'before' ? stepLane(clickhouse.reads, die) : stepLane(clickhouse.reads, async () => {}, die)
        await refreshPartnershipDays(clickhouse, lane).catch((error: Error) => expect(error.message).toBe('killed'))
        await expectRight()
        if (!died) expect(killed).toBeGreaterThan(5)
      }
    }
    await refresh()
    await expectRight()
    await falsifyKeptRows()
    expect(new Set((await valuesOf(ours)).map(([, , value]) => value))).toEqual(new Set(['424242']))
  }, 120_000)

  test.each([
    ['another whole refresh', true],
    ['no other refresh', false],
  ])(
    'held up before any of its steps, while events, a project and %s go by, spoils nothing',
    async (_, another) => {
      await unfreshWorld()
      const { clickhouse } = world
      for (let held = 0, met = true; met; held += 1) {
        const late = `late-${held}`
        await world.post(['a', 'database_size_bytes', '2026-01-10', String(held)], [late, 'ai_tokens', '2026-02-13', '2'])
        met = false
        const lane = stepLane(clickhouse.reads, async (step) => {
          if (step !== held) return
          met = true
          await world.post(['a', 'ai_tokens', '2026-01-10', '4'], [late, 'mcp_calls', '2026-01-10', '8'])
          await world.register(late, ours)
          await expectRight()
          if (another) await refresh()
          await expectRight()
          await world.post(['a', 'ai_tokens', '2026-01-10', '4'])
        })
        await refreshPartnershipDays(clickhouse, lane)
        await expectRight()
      }
      await refresh()
      await expectRight()
    },
    120_000,
  )

  test('beside another at the same time, with events on their way, gives right answers', async () => {
    await unfreshWorld()
    const { clickhouse } = world
    const lanes = [await clickhouse.openLane(), await clickhouse.openLane()]
    for (let round = 0; round < 8; round += 1) {
      await Promise.all([
        ...lanes.map((lane) => refreshPartnershipDays(clickhouse, lane)),
        world.post(['a', 'ai_tokens', '2026-01-10', '1'], [`beside-${round}`, 'ai_tokens', '2026-01-10', '1']),
        world.register(`beside-${round}`, ours),
      ])
      await expectRight()
    }
    await Promise.all(lanes.map((lane) => refreshPartnershipDays(clickhouse, lane)))
    await expectRight()
    await falsifyKeptRows()
    expect((await valuesOf(ours))[0]?.[2]).toBe('424242')
  })

  test('between the two looks of a reader takes nothing away from it', async () => {
    await unfreshWorld()
    await refresh()
    const before = await world.plain(ours)
    for (const looks of [1, 2]) {
      const reads = stepLane(world.clickhouse.reads, async (step) => {
        if (step !== looks) return
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

describe('P3: a crash', () => {
  test('between a rollup row and the change it stands for is told when the log is settled', async () => {
    await world.register('a', ours)
    await world.post(['a', 'ai_tokens', '2026-01-10', '5'], ['a', 'ai_tokens', '2026-03-10', '5'])
    await refresh()
    const statement = await changesView()
    await run('DROP VIEW usage_day_changes_mv_v1')
    await world.post(['a', 'ai_tokens', '2026-01-10', '2'], ['a', 'ai_tokens', '2026-03-10', '4'])
    const stale = [
      ['2026-01-10', 'ai_tokens', '5'],
      ['2026-03-10', 'ai_tokens', '5'],
    ]
    expect(await valuesOf(ours)).toEqual(stale)
    // The owner that was killed acknowledged nothing of it; the next one settles the range, and only then is there an answer.
    await world.takeAnew(() => run(statement))
    expect(await valuesOf(ours)).toEqual([
      ['2026-01-10', 'ai_tokens', '7'],
      ['2026-03-10', 'ai_tokens', '9'],
    ])
    await refresh()
    await expectRight()
  })
})

describe('a month that was rebuilt', () => {
  test('and lost a key, or a whole day, loses it in the answer, before a refresh and after', async () => {
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
    await expectRight()
    await refresh()
    await expectRight()
  })
})

/** The view's statement as the migration has it. */
async function changesView(): Promise<string> {
  const statements = (await readMigrations()).flatMap((migration) => migration.statements)
  const found = statements.find((statement) => statement.startsWith('CREATE MATERIALIZED VIEW IF NOT EXISTS usage_day_changes_mv_v1 '))
  if (found === undefined) throw new Error('No migration creates usage_day_changes_mv_v1.')
  return found
}
