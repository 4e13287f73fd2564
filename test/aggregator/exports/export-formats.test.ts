import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readXlsx } from 'hucre'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { guardFormulas } from '../../../aggregator/exports/export-csv.ts'
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

/** The same form for the rows of a workbook, read by a library that did not write them. */
async function rowsOfWorkbook(query: string): Promise<string[]> {
  const { sheets } = await readXlsx(readFileSync(join(directory.path, await download(query, 'xlsx'))))
  const [head = [], ...rows] = sheets[0]?.rows ?? []
  const textOf = (name: unknown, cell: unknown) =>
    cell === null ? null : name === 'value' || name === 'own_max' ? withNineDigits(plainText(cell)) : String(cell)
  return rows.map((cells) => JSON.stringify(head.map((name, index) => [name, textOf(name, cells[index] ?? null)])))
}

/** A number cell has at most 15 significant digits, so this is what its file says. */
const plainText = (cell: unknown) => (typeof cell === 'number' && Math.abs(cell) < 1e-6 ? cell.toFixed(9) : String(cell))

function withNineDigits(decimal: string): string {
  const [integer, fraction = ''] = decimal.split('.')
  return `${integer}.${fraction.padEnd(9, '0')}`
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
      expect(await rowsOfWorkbook(span), span).toEqual(json)
    }
  })

  test('P6: an export preserves values of 38 digits and names with quotes, formulas and any script', async () => {
    const [first, ...rest] = (await rowsOf(SPANS()[0] ?? '', 'parquet')).map((row) => Object.fromEntries(JSON.parse(row)))
    expect(first).toMatchObject({ project_id: '-formula', name: '=SUM(A1:A9)', value: '12345678901234567890123456789.123456790', deleted_at: null })
    expect(rest.map(({ name }) => name)).toContain('say "hi", 雪; \\ done')
    expect(rest.find(({ project_id }) => project_id === 'gone')).toMatchObject({ status: 'deleted', deleted_at: '2026-01-12T10:00:00.250Z' })
  })

  test('P4: a closed month has the same bytes as XLSX each time, with the numbers of 38 digits as texts and the hash of the statement', async () => {
    const [query = ''] = SPANS()
    const response = await fetch(`${tested.client.url}/partnership/v1/${partner.partnerId}/statements/2026-01/export?format=xlsx`, {
      headers: { 'x-partnership-secret': partner.secret },
    })
    expect(response.headers.get('content-type')).toBe('application/vnd.openxmlformats-officedocument.spreadsheetml.sheet')
    expect(response.headers.get('content-disposition')).toBe(`attachment; filename="meterline-${partner.partnerId}-2026-01.xlsx"`)
    const file = Buffer.from(await response.arrayBuffer())
    expect(file.equals(readFileSync(join(directory.path, await download(query, 'xlsx'))))).toBe(true)
    const [rows, verification] = (await readXlsx(file)).sheets
    const [head = [], first = []] = rows?.rows ?? []
    expect([first[head.indexOf('project_id')], first[head.indexOf('value')]]).toEqual(['-formula', '12345678901234567890123456789.12345679'])
    const { body } = await tested.client.statement(partner, '2026-01')
    expect(verification?.rows.find(([label]) => label === 'statement_sha256')?.[1]).toBe(body.statement.sha256)
  })

  test('no text in a CSV export can run as a formula in a spreadsheet; ids and numbers are never changed', async () => {
    const name = await download(`month=2026-02&partner=${partner.partnerId}`, 'csv')
    const cells = await queryDuckDb(`SELECT project_id, name, reason, value FROM read_csv(${fileOf(name)}, all_varchar = true, header = true)`)
    const texts = cells.flatMap(({ name: named, reason }) => [named, reason])
    expect(texts.filter((cell) => cell !== null && cell !== undefined && /^[=+\-@\t\r]/.test(cell))).toEqual([])
    expect(texts).toEqual(expect.arrayContaining(["'=SUM(A1:A9)", `'=HYPERLINK("x")`]))
    expect(cells.map(({ project_id }) => project_id)).toContain('-formula')
    expect(cells.map(({ value }) => value)).toEqual(expect.arrayContaining(['-9', '-3.5']))
  })

  test('the guard of CSV covers semicolons and full-width signs, can be undone, and can be switched off; bom=true adds the mark', async () => {
    const names = ['a;=1+2;b', 'a;"=1', "a;'=1", '＝1', '＠x', '=1', "'=1", "''=1", '-', 'plain; text']
    const guarded = await tested.client.createPartner('Guarded')
    const projects = names.map((name, index) => ({ id: `-guard-${index}`, name, partner_id: guarded.partnerId }))
    await tested.client.admin('POST', '/admin/v1/projects/batch', { projects })
    await tested.client.send(projects.map(({ id }) => ({ event_id: 'e', project_id: id, metric: 'ai_tokens', value: 1, timestamp: '2026-03-07T00:00:00Z' })))
    const days = `from=2026-03-07&to=2026-03-07&partner=${guarded.partnerId}`
    for (const [format, id, column] of [
      ['csv', 'project_id', 'name'],
      ['focus-csv', 'ResourceId', 'ResourceName'],
    ] as const) {
      const cellsOf = async (more: string) =>
        queryDuckDb(
          `SELECT ${id} AS id, ${column} AS name FROM read_csv(${fileOf(await download(`${days}${more}`, format))}, all_varchar = true, header = true) ORDER BY id`,
        )
      expect(await cellsOf('&guard=off')).toEqual(projects.map(({ id: projectId, name }) => ({ id: projectId, name })))
      // The store's guard is the one that test/aggregator/exports/export-csv.test.ts proves.
      expect(await cellsOf('')).toEqual(projects.map(({ id: projectId, name }) => ({ id: projectId, name: guardFormulas(name) })))
      expect(await cellsOf('&bom=true')).toEqual(await cellsOf('&guard=on'))
      const bytes = readFileSync(join(directory.path, await download(`${days}&bom=true`, format)))
      expect([bytes.subarray(0, 3).toString('hex'), bytes.subarray(3)]).toEqual(['efbbbf', readFileSync(join(directory.path, await download(days, format)))])
    }
    const manifestOf = async (query: string) => (await tested.client.admin('GET', `/admin/v1/exports/manifest?${days}&${query}`)).body
    expect(await manifestOf('format=csv')).toMatchObject({ guard: 'on', bom: false })
    expect(await manifestOf('format=focus-csv&guard=off&bom=true')).toMatchObject({ guard: 'off', bom: true })
    expect(await manifestOf('format=ndjson')).toMatchObject({ guard: null, bom: null })
    for (const query of [
      'format=parquet&guard=off',
      'format=xlsx&guard=off',
      'format=xlsx&bom=true',
      'format=ndjson&bom=true',
      'format=csv&guard=maybe',
      'format=csv&timezone=Mars/Olympus',
    ])
      expect([query, (await manifestOf(query)).code]).toEqual([query, 'INVALID_REQUEST'])
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
