import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { METRIC_NAMES } from '../../../metering/metrics.ts'
import { queryDuckDb } from '../../support/engines/duckdb.ts'
import { COLUMNS_OF_FOCUS_1_3, type RequiredColumn } from '../../support/oracles/focus-1-3-columns.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'
import { makeExportedMonths } from '../../support/worlds/exported-month.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

let tested: TestService
const directory = makeTemporaryDirectory()
beforeAll(async () => {
  tested = await startTestService()
  const { client } = tested
  const { partnerId } = await makeExportedMonths(client)
  const timestamp = '2026-03-09T00:00:00Z'
  await client.send(METRIC_NAMES.map((metric) => ({ event_id: metric, project_id: 'quoted', metric, value: 1, timestamp })))
  // A correction within its own billing period, which is no correction in the sense of FOCUS, and one of an earlier period.
  for (const for_month of ['2026-03', '2026-01'])
    await client.admin('POST', `/admin/v1/statements/${partnerId}/adjustments`, { for_month, metric: 'ai_tokens', value: '-1', reason: 'an outage' })
  expect((await client.closeMonth(partnerId, '2026-03')).status).toBe(200)
})
afterAll(async () => {
  await tested.stop()
  directory.remove()
})

const SPANS = ['month=2026-01', 'month=2026-02', 'month=2026-03', 'from=2026-01-04&to=2026-03-07']
/** The types of DuckDB for those of FOCUS. JSON is "serialized as a String where necessary". */
const STORED_TYPES = { String: 'VARCHAR', JSON: 'VARCHAR', Decimal: 'DECIMAL(38,9)', 'Date/Time': 'TIMESTAMP WITH TIME ZONE' }

async function download(query: string, format: string): Promise<string> {
  const headers = { authorization: `Bearer ${tested.client.adminToken}` }
  const response = await fetch(`${tested.client.url}/admin/v1/exports?${query}&format=${format}&focus=1.3`, { headers })
  expect(response.status).toBe(200)
  const path = join(directory.path, `${query.replaceAll(/\W/g, '-')}.${format}`)
  writeFileSync(path, Buffer.from(await response.arrayBuffer()))
  return `'${path}'`
}

/** The rules that a row of any span breaks. */
async function brokenRules(rules: readonly string[]): Promise<unknown[]> {
  const reported = rules.map((rule) => `CASE WHEN coalesce(${rule}, false) THEN NULL ELSE '${rule.replaceAll("'", "''")}' END`)
  const broken: unknown[] = []
  for (const span of SPANS) {
    const file = `read_csv(${await download(span, 'focus-csv')}, all_varchar = true, header = true, allow_quoted_nulls = false)`
    const rows = `SELECT *, unnest([${reported.join(', ')}]) AS broken FROM ${file}`
    broken.push(...(await queryDuckDb(`SELECT DISTINCT broken, x_Line FROM (${rows}) WHERE broken IS NOT NULL`)))
  }
  return broken
}

function rulesOf(name: string, { type, set, unset, values }: RequiredColumn): string[] {
  return [
    ...(set === undefined ? [] : [`(NOT coalesce(${set}, false) OR ${name} IS NOT NULL)`]),
    ...(unset === undefined ? [] : [`(NOT coalesce(${unset}, false) OR ${name} IS NULL)`]),
    ...(values === undefined ? [] : [`(${name} IS NULL OR ${name} IN (${values.map((value) => `'${value}'`).join(', ')}))`]),
    ...(type === 'JSON' ? [`(${name} IS NULL OR json_type(${name}) = 'OBJECT')`] : []),
  ]
}

describe('FOCUS 1.3, column by column', () => {
  test('FOCUS: a file has exactly the columns of the specification, with the types of their sections', async () => {
    const described = await queryDuckDb(`DESCRIBE SELECT * FROM read_parquet(${await download('month=2026-03', 'focus-parquet')})`)
    const columns = described.map(({ column_name, column_type }) => [column_name, column_type]).filter(([name]) => !String(name).startsWith('x_'))
    expect(columns).toEqual(Object.entries(COLUMNS_OF_FOCUS_1_3).map(([name, { type }]) => [name, STORED_TYPES[type]]))
  })

  test('FOCUS: each value is null or not, and one of the allowed values, as the section of its column says', async () => {
    const rules = Object.entries(COLUMNS_OF_FOCUS_1_3).flatMap(([name, column]) => rulesOf(name, column))
    expect(rules.length).toBeGreaterThan(80)
    expect(await brokenRules(rules)).toEqual([])
  })

  test('FOCUS: a correction within its own billing period has no class; one of an earlier period has', async () => {
    const file = await download('month=2026-03', 'focus-parquet')
    const rows = await queryDuckDb(`SELECT x_ForMonth AS month, ChargeClass AS class FROM read_parquet(${file}) WHERE x_Line = 'manual' ORDER BY month`)
    expect(rows).toEqual([
      { month: '2026-01', class: 'Correction' },
      { month: '2026-03', class: null },
    ])
  })

  test('FOCUS: the host is the service provider where the host is not exposed', async () => {
    expect(await brokenRules(['HostProviderName = ServiceProviderName'])).toEqual([])
  })
})
