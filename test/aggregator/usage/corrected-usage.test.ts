import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { readLargestDays, readLargestEvents, readLargestProjects } from '../../../aggregator/explain/explain-evidence.ts'
import { dropStagedRows, stageLiveUsage } from '../../../aggregator/exports/stage-rows.ts'
import { readLinesAsJson } from '../../../aggregator/statements/lines-as-json.ts'
import { readPartnershipUsage } from '../../../aggregator/usage/partnership-usage.ts'
import { orderOfProjects } from '../../../aggregator/usage/project-orders.ts'
import { readProjectUsage } from '../../../aggregator/usage/project-usage.ts'
import { readUsageOfProjects } from '../../../aggregator/usage/projects-usage.ts'
import { refreshPartnershipDays } from '../../../aggregator/usage/refresh-partnership-days.ts'
import { listCorrections } from '../../../aggregator/usage/stored-corrections.ts'
import { readUsageOnPeakDays } from '../../../aggregator/usage/usage-on-peak-days.ts'
import { findCandidates } from '../../../automation/thresholds/candidates.ts'
import { readLargestProjects as readLargestOfThreshold } from '../../../automation/thresholds/largest-projects.ts'
import { readMonthUsage } from '../../../automation/thresholds/month-usage.ts'
import { defineQuery } from '../../../sql/query.ts'
import { DEFINED_METRICS, isAmendable, kindOfTested } from '../../support/oracles/defined-metrics.ts'
import { Oracle } from '../../support/oracles/oracle.ts'
import { Random } from '../../support/random.ts'
import { DaysWorld } from '../../support/worlds/days-world.ts'
import { storeCorrections, type TestCorrection } from '../../support/worlds/store-corrections.ts'
import { storeRawEvents } from '../../support/worlds/store-raw-events.ts'

const SEED = Number(process.env['RANDOM_SEED'] ?? Date.now() % 1_000_000)
const MONTH = { first: '2026-01-01', last: '2026-01-31', end: '2026-02-01' }
const METRICS = ['database_size_bytes', 'ai_tokens', 'level', 'users'] as const

let world: DaysWorld
beforeAll(async () => {
  world = await DaysWorld.open()
  for (const metric of DEFINED_METRICS) await world.define(metric)
})
afterAll(() => world.close())

test(`P3 P6: every reader gets corrected events as if they had been sent right, before and after a refresh (seed ${SEED})`, async () => {
  const random = new Random(SEED)
  const events = Array.from({ length: 40 }, (_, index) => ({
    ...{ project: `${random.below(2)}`, id: `e${index}`, ...sample(random) },
    timestamp: `2026-01-0${1 + random.below(4)}T12:00:00Z`,
  }))
  const oracle = new Oracle()
  oracle.add(events.map(({ project, id, ...event }) => ({ ...event, project_id: `corrected-${project}`, event_id: id })))
  // The last day of each project is voided as a whole.
  const lastDays = events
    .filter(({ timestamp }) => timestamp.startsWith('2026-01-04'))
    .map(({ project, id }) => ({ project_id: `corrected-${project}`, corrects: id }))
  const corrections: TestCorrection[] = Array.from({ length: 20 }, () => {
    const { project, id, metric } = random.pick(events)
    return { project_id: `corrected-${project}`, corrects: id, ...(random.below(2) === 0 || !isAmendable(metric) ? {} : { value: `${random.below(1000)}` }) }
  })
  for (const each of [...corrections, ...lastDays]) oracle.correct(each)
  const partners = { corrected: await world.partner('corrected'), right: await world.partner('right') }
  for (const project of ['0', '1']) for (const [name, partner] of Object.entries(partners)) await world.register(`${name}-${project}`, partner)
  const received = '2026-02-02T00:00:00Z'
  await storeRawEvents(
    world.clickhouse,
    events.map(({ project, id, metric, timestamp, value }) => [`corrected-${project}`, id, metric, timestamp, value, received]),
  )
  await refreshPartnershipDays(world.clickhouse)
  await storeCorrections(world.clickhouse, [...corrections, ...lastDays])
  await storeRawEvents(
    world.clickhouse,
    [...oracle.effective()].map(
      ({ project_id, event_id, metric, timestamp, value }) =>
        [...[project_id.replace('corrected', 'right'), event_id, metric, timestamp, String(value)], received] as const,
    ),
  )
  for (const isRefreshed of [false, true]) {
    if (isRefreshed) await refreshPartnershipDays(world.clickhouse)
    expect(await readAll('corrected', partners.corrected, isRefreshed), `refreshed: ${isRefreshed}`).toEqual(
      await readAll('right', partners.right, isRefreshed),
    )
  }
  expect(JSON.stringify(await readAll('corrected', partners.corrected, true))).not.toContain('2026-01-04')
})

test('a void of the greatest value takes thresholds of the project and of its partner back below their level', async () => {
  const partner = await world.partner('over')
  await world.register('over', partner)
  const event = (id: string, value: string) => ['over', id, 'file_storage_bytes', '2026-01-07T12:00:00Z', value, '2026-01-07T12:00:00Z'] as const
  await storeRawEvents(world.clickhouse, [event('greatest', '100'), event('other', '40')])
  for (const [id, ...of] of [
    ['of-partner', partner, ''],
    ['of-project', partner, 'over'],
  ])
    await world.clickhouse.control.command(
      `INSERT INTO thresholds_v1 (threshold_id, revision, set_by, partner_id, project_id, metric, levels, budget, is_active, created_at, updated_at, removed_at)
       SELECT '${id}', 1, '', '${of[0]}', '${of[1]}', 'file_storage_bytes', '[{"name":"high","value":"90"}]', '', 1, toDateTime64('2026-01-01 00:00:00', 3, 'UTC'), now64(3), NULL`,
    )
  const candidates = async () => (await findCandidates(world.clickhouse, '2026-01')).map(({ id }) => id).sort()
  await refreshPartnershipDays(world.clickhouse)
  expect(await candidates()).toEqual(['of-partner', 'of-project'])
  await storeCorrections(world.clickhouse, [{ project_id: 'over', corrects: 'greatest' }])
  await refreshPartnershipDays(world.clickhouse)
  expect(await candidates()).toEqual([])
})

test('a correction is listed with the value before and after it, the last received first, page by page', async () => {
  await storeRawEvents(world.clickhouse, [['listed', 'e', 'ai_tokens', '2026-01-05T12:00:00Z', '10.5', '2026-01-05T12:00:00Z']])
  for (const [value, reason] of [['4'], [undefined, 'sent twice'], [undefined], ['7']] as const)
    await storeCorrections(world.clickhouse, [
      { project_id: 'listed', corrects: 'e', ...(value === undefined ? {} : { value }), ...(reason === undefined ? {} : { reason }) },
    ])
  const page = { projectId: 'listed', from: MONTH.first, end: MONTH.end, limit: 3 }
  const first = await listCorrections(world.clickhouse, { ...page, after: undefined })
  const last = first.at(-1)
  const rest = await listCorrections(world.clickhouse, { ...page, after: last })
  expect([...first, ...rest].map(({ action, before, after, reason }) => [action, before, after, reason])).toEqual([
    ['amend', null, '7', 'a test'],
    ['void', null, null, 'a test'],
    ['void', '4', null, 'sent twice'],
    ['amend', '10.5', '4', 'a test'],
  ])
})

/** Events of all kinds; of the texts there are few. */
function sample(random: Random): { metric: string; value: string } {
  const metric = random.pick(METRICS)
  return { metric, value: metric === 'users' ? random.pick(['ann', 'bob', 'eve']) : `${random.below(1000)}.5` }
}

/** What each reader of usage answers for a partner with the projects `<name>-0` and `<name>-1`. */
async function readAll(name: string, partnerId: string, isRefreshed: boolean): Promise<unknown> {
  const { clickhouse } = world
  const { reads, work } = clickhouse
  const ids = [`${name}-0`, `${name}-1`]
  const span = { from: MONTH.first, end: MONTH.end }
  const partnership = await readPartnershipUsage(clickhouse, partnerId, MONTH)
  const onPeakDays = await readUsageOnPeakDays(clickhouse, ids, partnership.peakDays)
  const page = await readUsageOfProjects(clickhouse, ids, MONTH)
  const keys = METRICS.flatMap((metric) => [{ partnerId, projectId: '', metric }, ...ids.map((projectId) => ({ partnerId: '', projectId, metric }))])
  const ofThreshold = await readMonthUsage(clickhouse, '2026-01', keys)
  const catalogue = METRICS.map((metric) => `${metric}\t${kindOfTested(metric)}\t${partnership.peakDays.get(metric) ?? '\\N'}\n`).join('')
  const totals = METRICS.map((metric) => ({
    metric,
    kind: kindOfTested(metric),
    unit: '',
    value: '0',
    unbilled: '0',
    peakDay: partnership.peakDays.get(metric) ?? null,
  }))
  const open = await readLinesAsJson(
    clickhouse,
    partnerId,
    { month: '2026-01', header: undefined, asOfMs: null, totals, meteredByteDays: [], isNext: false },
    { nowMs: 0, withByteDays: false },
  )
  if (open.status !== 'read') throw new Error('Lines without byte-days need no recount.')
  await stageLiveUsage(work, { exportId: name, partnerIds: [partnerId], ...span, days: 'of all' })
  const staged = await work.query(stagedRows, { exportId: name })
  await dropStagedRows(work, name)
  const explained = METRICS.map((metric) => ({ of: { partnerId }, metric, period: MONTH }))
  const all = {
    projects: await Promise.all(ids.map(async (id) => ({ ...(await readProjectUsage(clickhouse, id, MONTH)), asOfMs: 0, lastActivityMs: 0 }))),
    page: ids.map((id) => ({ ...page.get(id), lastActivityMs: 0 })),
    partnership: { ...partnership, asOfMs: 0 },
    onPeakDays: ids.map((id) => onPeakDays(id)),
    orders: await Promise.all(
      METRICS.map((metric) => ({ metric, kind: kindOfTested(metric), unit: '' })).map((key) =>
        orderOfProjects({ key, isDescending: true, period: MONTH }).firstPage(clickhouse, { partnerId, status: '', region: '', search: '' }, 10),
      ),
    ),
    // Thresholds read a partner's materialized days, after their refresh.
    ofThreshold: keys.map((key) => (key.projectId === '' && !isRefreshed ? [] : ofThreshold(key))),
    largest: await Promise.all(METRICS.map((metric) => readLargestOfThreshold(clickhouse, { partnerId, metric, month: '2026-01', peakDay: undefined }))),
    lines: `${catalogue}${await textOf(open.lines.projects)}`,
    staged,
    explained: await Promise.all(
      explained.map(async (number) => [
        await readLargestProjects(reads, number, null),
        await readLargestDays(reads, number),
        (await readLargestEvents(reads, number)).map(({ eventId, value, day }) => [eventId, value, day]),
      ]),
    ),
  }
  return JSON.parse(JSON.stringify(all, (_, value) => (value instanceof Map ? [...value] : value)).replaceAll(`${name}-`, 'project-'))
}

async function textOf(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}

const stagedRows = defineQuery({
  name: 'test_staged_rows_of_usage',
  sql: `SELECT project_id AS projectId, metric, value, ifNull(toString(peak_day), '') AS peakDay, toString(days) AS days, toString(values) AS values, events AS events
        FROM export_rows_v1 WHERE export = {exportId: String} AND place > 0 ORDER BY project_id, metric`,
  params: z.object({ exportId: z.string() }),
  row: z.object({
    projectId: z.string(),
    metric: z.string(),
    value: z.string(),
    peakDay: z.string(),
    days: z.string(),
    values: z.string(),
    events: z.coerce.number(),
  }),
})
