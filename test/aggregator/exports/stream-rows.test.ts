import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { Exports } from '../../../aggregator/exports/exports.ts'
import { dropStagedRows } from '../../../aggregator/exports/stage-rows.ts'
import { streamRows } from '../../../aggregator/exports/stream-rows.ts'
import type { Manifest } from '../../../contract/export-manifest.ts'
import { addDecimals } from '../../../metering/exact-decimal.ts'
import { findPartner } from '../../../registry/partners.ts'
import { defineQuery } from '../../../sql/query.ts'
import { queryOne } from '../../../sql/query-one.ts'
import { untilSo } from '../../support/until-so.ts'
import { DaysWorld } from '../../support/worlds/days-world.ts'

const CSV = { isGuarded: true, hasBom: false }
const ROWS = 400_000

let world: DaysWorld
beforeAll(async () => {
  world = await DaysWorld.open()
})
afterAll(() => world.close())

interface ExportedRow {
  readonly project_id: string
  readonly metric: string
  readonly value: string
  readonly peak_day: string | null
}

async function exportDays(partnerId: string): Promise<{ manifest: Manifest; rows: ExportedRow[] }> {
  const { registry } = world
  const exports = new Exports({ registry, generator: 'test', currency: 'USD', now: Date.now })
  const partner = await findPartner(registry, partnerId)
  const request = { format: 'ndjson', csv: CSV, partner, month: undefined, period: { first: '2026-01-01', last: '2026-01-31', end: '2026-02-01' } } as const
  const outcome = await exports.open(request, () => () => {})
  if (outcome.status !== 'opened') throw new Error(outcome.status)
  const { manifest, file, close } = outcome.opened
  const chunks: Uint8Array[] = []
  for await (const chunk of file) chunks.push(chunk)
  await close()
  const lines = Buffer.concat(chunks).toString('utf8').trimEnd()
  // Quoted, so that JSON.parse does not round them.
  const rows = lines === '' ? [] : lines.split('\n').map((line) => JSON.parse(line.replaceAll(/"(value|own_max)":([\d.]+)/g, '"$1":"$2"')) as ExportedRow)
  return { manifest, rows }
}

test('P6: all rows of an export, and its manifest, are of one moment while events are counted', async () => {
  const partner = await world.partner('counted')
  for (const project of ['left', 'right']) await world.register(project, partner)
  let isCounting = true
  const counting = (async () => {
    // Each batch adds the same to both projects, so that they differ only between two moments.
    for (let size = 1; size <= 60; size += 1)
      await world.post(
        ...(['left', 'right'] as const).flatMap((project) => [
          [project, 'ai_tokens', '2026-01-05', '1'] as const,
          [project, 'database_size_bytes', '2026-01-06', `${size}`] as const,
        ]),
      )
    isCounting = false
  })()
  const seen = new Set<string>()
  while (isCounting) {
    const { manifest, rows } = await exportDays(partner)
    const valuesOf = (metric: string) => rows.filter((row) => row.metric === metric).map(({ value }) => value)
    for (const metric of ['ai_tokens', 'database_size_bytes']) {
      const [left = '0', right = '0'] = valuesOf(metric)
      expect([metric, left]).toEqual([metric, right])
      expect(manifest.totals.find((total) => total.metric === metric)?.value ?? '0').toBe(addDecimals(left, right))
    }
    expect(manifest.rows).toBe(rows.length)
    seen.add(valuesOf('ai_tokens').join())
  }
  await counting
  // Otherwise no export ran while events were counted.
  expect(seen.size).toBeGreaterThan(2)
})

test('P6: a peak is the greatest sample of each day in all parts of the rollup, and its day the earliest of those with the greatest sum', async () => {
  const partner = await world.partner('peaks')
  for (const project of ['even', 'odd', 'idle']) await world.register(project, partner)
  await world.clickhouse.control.command('SYSTEM STOP MERGES project_usage_per_day_v1')
  // Several batches, so that a day has several rows, until the engine merges them. Both days add up to 12, and no sum of samples is 12.
  await world.post(['even', 'database_size_bytes', '2026-01-08', '7'], ['odd', 'database_size_bytes', '2026-01-08', '2'])
  await world.post(['even', 'database_size_bytes', '2026-01-08', '3'], ['odd', 'database_size_bytes', '2026-01-08', '5'])
  await world.post(['even', 'database_size_bytes', '2026-01-09', '12'])
  // A metric of which every day is 0 has a peak day as well.
  await world.post(['idle', 'file_storage_bytes', '2026-01-12', '0'], ['idle', 'file_storage_bytes', '2026-01-11', '0'])
  const { rows } = await exportDays(partner)
  await world.clickhouse.control.command('SYSTEM START MERGES project_usage_per_day_v1')
  expect(rows.map(({ project_id, metric, value, peak_day }) => [project_id, metric, value, peak_day])).toEqual([
    ['even', 'database_size_bytes', '7', '2026-01-08'],
    ['idle', 'file_storage_bytes', '0', '2026-01-11'],
    ['odd', 'database_size_bytes', '5', '2026-01-08'],
  ])
})

test('rows arrive before the store has read them all, and a client that stops reading does not make it read on', async () => {
  const { clickhouse } = world
  const exportId = 'many'
  await clickhouse.control.command(
    `INSERT INTO export_rows_v1 (export, partner_id, place, month, line, for_month, project_id, metric, kind, unit, value, events)
     SELECT '${exportId}', 'ps_many', 1, '2026-01', 'usage', '2026-01', leftPad(toString(number), 6, '0'), 'ai_tokens', 'cumulative', 'token', 1, 1
     FROM numbers(${ROWS}) SETTINGS async_insert = 0`,
  )
  const lane = await clickhouse.openLane()
  const chunks = streamRows(lane, { kind: 'staged', exportId, withByteDays: false }, 'csv', CSV)[Symbol.asyncIterator]()
  let bytes = (await chunks.next()).value?.length ?? 0
  // It has stopped when it has read as many rows at fifty checks as at the one before.
  let last = -1
  let unchanged = 0
  await untilSo(async () => {
    const { rows } = await queryOne(clickhouse.reads, rowsOfStream, {})
    unchanged = rows === last ? unchanged + 1 : 0
    last = rows
    return unchanged === 50
  })
  expect(last).toBeGreaterThan(0)
  expect(last).toBeLessThan(ROWS / 4)
  for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) bytes += next.value.length
  expect(bytes).toBeGreaterThan(ROWS * 50)
  await dropStagedRows(lane, exportId)
})

/** Rows that the running stream has read; -1 when none runs. */
const rowsOfStream = defineQuery({
  name: 'test_rows_that_were_read',
  sql: `SELECT if(count() = 0, -1, toInt64(sum(read_rows))) AS rows FROM system.processes WHERE startsWith(query, '/* meterline:staged_export_csv_rows */')`,
  params: z.object({}),
  row: z.object({ rows: z.coerce.number() }),
})
