import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { addDecimals } from '../../../metering/exact-decimal.ts'
import type { Answer, Credentials } from '../../support/clients/client.ts'
import { queryDuckDb } from '../../support/engines/duckdb.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'
import { makeExportedMonths } from '../../support/worlds/exported-month.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

let tested: TestService
let partner: Credentials
const directory = makeTemporaryDirectory()
beforeAll(async () => {
  tested = await startTestService()
  partner = await makeExportedMonths(tested.client)
})
afterAll(async () => {
  await tested.stop()
  directory.remove()
})

const fileOf = (name: string) => `'${join(directory.path, name)}'`

async function download(query: string, format: string): Promise<string> {
  const response = await fetch(`${tested.client.url}/admin/v1/exports?${query}&format=${format}`, {
    headers: { authorization: `Bearer ${tested.client.adminToken}` },
  })
  expect(response.status).toBe(200)
  const name = `${query.replaceAll(/\W/g, '-')}.${format}`
  writeFileSync(join(directory.path, name), Buffer.from(await response.arrayBuffer()))
  return name
}

/** Every cell as text in the same form, so that values are compared and not the types of the formats. */
async function rowsOf(query: string, format: 'csv' | 'json' | 'ndjson' | 'parquet'): Promise<string[]> {
  const name = await download(query, format)
  if (format === 'json' || format === 'ndjson') quoteNumbers(name)
  const file = fileOf(name)
  const columns = `{${TEXT_COLUMNS.map((name) => `${name}: 'VARCHAR'`).join(', ')}}`
  const source = {
    csv: `read_csv(${file}, all_varchar = true, header = true)`,
    json: `read_json(${file}, format = 'array', columns = ${columns})`,
    ndjson: `read_json(${file}, format = 'newline_delimited', columns = ${columns})`,
    parquet: `(SELECT * REPLACE (strftime(deleted_at AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%gZ') AS deleted_at) FROM read_parquet(${file}))`,
  }[format]
  const rows = await queryDuckDb(`SELECT * REPLACE (CAST(value AS DECIMAL(38, 9)) AS value, CAST(own_max AS DECIMAL(38, 9)) AS own_max) FROM ${source}`)
  return rows.map((row) => JSON.stringify(Object.entries(row).map(([name, cell]) => [name, format === 'csv' ? withoutApostrophe(cell) : cell])))
}

/** DuckDB reads a JSON number as a double, whatever type is requested. As a quoted text it keeps its digits. */
function quoteNumbers(name: string): void {
  const path = join(directory.path, name)
  writeFileSync(path, readFileSync(path, 'utf8').replaceAll(/"(value|own_max)":(-?[\d.]+)/g, '"$1":"$2"'))
}

const withoutApostrophe = (cell: string | null) => (cell !== null && /^'[=+\-@\t\r]/.test(cell) ? cell.slice(1) : cell)
const TEXT_COLUMNS =
  'partner_id month line for_month project_id name status deleted_at metric kind unit value peak_day own_max own_max_day events reason'.split(' ')
const SPANS = () => [
  `month=2026-01&partner=${partner.partnerId}`,
  `month=2026-02&partner=${partner.partnerId}`,
  'month=2026-02',
  'from=2026-01-04&to=2026-03-07',
  'month=2026-05',
]

describe('exports read by DuckDB', () => {
  test('all formats of an export contain the same rows in the same order', async () => {
    for (const span of SPANS()) {
      const json = await rowsOf(span, 'json')
      expect(await rowsOf(span, 'csv'), span).toEqual(json)
      expect(await rowsOf(span, 'ndjson'), span).toEqual(json)
      expect(await rowsOf(span, 'parquet'), span).toEqual(json)
    }
  })

  test('P6: an export preserves values of 38 digits and names with quotes, formulas and any script', async () => {
    const [first, ...rest] = (await rowsOf(SPANS()[0] ?? '', 'parquet')).map((row) => Object.fromEntries(JSON.parse(row)))
    expect(first).toMatchObject({ project_id: '-formula', name: '=SUM(A1:A9)', value: '12345678901234567890123456789.123456790', deleted_at: null })
    expect(rest.map(({ name }) => name)).toContain('say "hi", 雪; \\ done')
    expect(rest.find(({ project_id }) => project_id === 'gone')).toMatchObject({ status: 'deleted', deleted_at: '2026-01-12T10:00:00.250Z' })
  })

  test('no text in a CSV export can run as a formula in a spreadsheet, and numbers stay numbers', async () => {
    const name = await download(`month=2026-02&partner=${partner.partnerId}`, 'csv')
    const cells = await queryDuckDb(`SELECT project_id, name, reason, value FROM read_csv(${fileOf(name)}, all_varchar = true, header = true)`)
    const texts = cells.flatMap(({ project_id, name: named, reason }) => [project_id, named, reason])
    expect(texts.filter((cell) => cell !== null && cell !== undefined && /^[=+\-@\t\r]/.test(cell))).toEqual([])
    expect(texts).toEqual(expect.arrayContaining(["'-formula", "'=SUM(A1:A9)", `'=HYPERLINK("x")`]))
    expect(cells.map(({ value }) => value)).toEqual(expect.arrayContaining(['-9', '-3.5']))
  })

  test('FOCUS charges are the same in CSV and Parquet, and add up to the manifest', async () => {
    for (const span of SPANS()) {
      const totals = `SELECT x_Line AS line, SkuMeter AS metric, count(*) AS rows, sum(CAST(ConsumedQuantity AS DECIMAL(38, 9))) AS value FROM FILE GROUP BY ALL ORDER BY ALL`
      const csv = await queryDuckDb(totals.replace('FILE', `read_csv(${fileOf(await download(span, 'focus-csv'))}, all_varchar = true, header = true)`))
      const parquet = await queryDuckDb(totals.replace('FILE', `read_parquet(${fileOf(await download(span, 'focus-parquet'))})`))
      expect(csv, span).toEqual(parquet)
      const manifest: Answer = await tested.client.admin('GET', `/admin/v1/exports/manifest?${span}&format=csv`)
      expect(csv.map(({ line, metric, value }) => [line, metric, addDecimals(value ?? '', '0')]).sort()).toEqual(
        (manifest.body.totals as Record<string, string>[]).map(({ line, metric, value }) => [line, metric, value]).sort(),
      )
    }
  })
})

describe('FOCUS', () => {
  test('FOCUS charges have one row per month for a peak, one per day for a cumulative metric, and corrections in their own month', async () => {
    const name = await download(`month=2026-02&partner=${partner.partnerId}`, 'focus-parquet')
    const rows = await queryDuckDb(`SELECT coalesce(ChargeClass, '-') || ' ' || SkuMeter || ' ' || coalesce(ResourceId, '-') || ' '
      || strftime(ChargePeriodStart AT TIME ZONE 'UTC', '%Y-%m-%d') || ' ' || strftime(ChargePeriodEnd AT TIME ZONE 'UTC', '%Y-%m-%d') || ' ' || CAST(CAST(ConsumedQuantity AS DOUBLE) AS VARCHAR) AS charge,
      BillingCurrency AS currency, CAST(BilledCost AS VARCHAR) AS cost FROM read_parquet(${fileOf(name)})`)
    expect(rows.map(({ charge }) => charge)).toEqual([
      '- ai_tokens quoted 2026-02-07 2026-02-08 8.0',
      'Correction database_size_bytes -formula 2026-01-01 2026-02-01 -9.0',
      'Correction ai_tokens gone 2026-01-01 2026-02-01 0.5',
      'Correction database_size_bytes gone 2026-01-01 2026-02-01 -6.0',
      'Correction database_size_bytes quoted 2026-01-01 2026-02-01 1000.0',
      'Correction ai_tokens - 2026-01-01 2026-02-01 -3.5',
    ])
    expect(new Set(rows.map(({ currency, cost }) => `${currency} ${cost}`))).toEqual(new Set(['USD 0.000000000']))
  })
})
