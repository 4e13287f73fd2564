import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readWorkbook } from '../../../cli/read-workbook.ts'
import { EXPORT_COLUMNS, FOCUS_VERSIONS } from '../../../contract/export-formats.ts'
import type { Credentials } from '../../support/clients/client.ts'
import { queryDuckDb } from '../../support/engines/duckdb.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'
import { makeExportedMonths } from '../../support/worlds/exported-month.ts'
import { removeCorrectedRecounts } from '../../support/worlds/remove-corrected-recounts.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

const SIZE = 'database_size_bytes'
let tested: TestService
let partner: Credentials
/** Whose March was corrected by April. */
let corrected: Credentials
/** The files of January and February, as they are without byte-days, before anything else is exported. */
let asBilled: readonly string[]
const directory = makeTemporaryDirectory()
beforeAll(async () => {
  tested = await startTestService()
  const { client } = tested
  partner = await makeExportedMonths(client)
  asBilled = await billedFiles()
  // Late for January, on another day than the peak day: it changes the byte-days of January, and not its peak.
  await client.send([
    { event_id: 'late', project_id: 'gone', metric: SIZE, value: 4, timestamp: '2026-01-20T10:00:00Z' },
    { event_id: 'open', project_id: 'gone', metric: SIZE, value: '0.5', timestamp: '2026-04-20T10:00:00Z' },
  ])
  const manual = { for_month: '2026-01', metric: SIZE, value: '-3', reason: 'a manual correction of a peak' }
  expect((await client.admin('POST', `/admin/v1/statements/${partner.partnerId}/adjustments`, manual)).status).toBe(201)
  expect((await client.statement(partner, '2026-03')).status).toBe(200)
})
afterAll(async () => {
  await tested.stop()
  directory.remove()
})

const BILLED_FILES = ['2026-01', '2026-02'].flatMap((month) =>
  ['csv', 'ndjson', 'json', 'focus-csv', 'focus-ndjson'].map((format) => `month=${month}&format=${format}`),
)

/** One after the other: a process writes two at a time. */
async function billedFiles(): Promise<string[]> {
  const files: string[] = []
  for (const query of BILLED_FILES) files.push((await download(query)).text)
  return files
}

async function download(query: string, { partnerId } = partner) {
  const response = await fetch(`${tested.client.url}/admin/v1/exports?partner=${partnerId}&${query}`, {
    headers: { authorization: `Bearer ${tested.client.adminToken}` },
  })
  const bytes = Buffer.from(await response.arrayBuffer())
  if (response.status !== 200) throw new Error(bytes.toString())
  const manifest = JSON.parse(response.headers.get('x-meterline-manifest') ?? '')
  const path = join(directory.path, query.replaceAll(/\W/g, '-'))
  writeFileSync(path, bytes)
  return { text: bytes.toString('latin1'), manifest, file: `'${path}'`, path, name: response.headers.get('content-disposition') }
}

/** The rows of the metric, each as one text. */
async function rowsOf(query: string): Promise<string[]> {
  const { text } = await download(`${query}&format=ndjson&include=byte_days`)
  const rows = text.split('\n').slice(0, -1)
  return rows.map((row) => JSON.parse(row)).flatMap((row) => (row.metric === SIZE ? [shortRow(row)] : []))
}

const shortRow = (row: Record<string, unknown>) =>
  ['line', 'for_month', 'project_id', 'value', 'byte_days', 'days_with_samples'].map((column) => String(row[column])).join(' ')

/** -formula: 10 + 9 on two days; gone: 3 + 6; quoted: 1. The peak is 9 + 6 on the 5th. */
const JANUARY = ['usage 2026-01 -formula 9 19 2', 'usage 2026-01 gone 6 9 2', 'usage 2026-01 quoted 0 1 1']
/** 1000 arrived late for the 2nd, which became the peak day: two shares are taken back, but no byte-days. */
const OF_FEBRUARY = ['adjustment 2026-01 -formula -9 0 null', 'adjustment 2026-01 gone -6 0 null', 'adjustment 2026-01 quoted 1000 1000 null']
/** 4 arrived late for the 20th: no share changed. */
const OF_MARCH = ['usage 2026-03 quoted 5 5 1', 'adjustment 2026-01 gone 0 4 null', 'manual 2026-01 null -3 null null']

test('P4: a closed month has the byte-days of its recount, and each statement corrects those of earlier months', async () => {
  expect(await rowsOf('month=2026-01')).toEqual(JANUARY)
  expect(await rowsOf('month=2026-02')).toEqual(OF_FEBRUARY)
  const pending = await tested.client.partner(partner, 'GET', '/statements/2026-03?include=byte_days')
  expect(pending.body.adjustments.map(shortAdjustment)).toEqual(['adjustment 2026-01 null 0 4', 'manual 2026-01 null -3 null'])
  expect((await tested.client.closeMonth(partner.partnerId, '2026-03')).status).toBe(200)
  expect(await rowsOf('month=2026-03')).toEqual(OF_MARCH)
  expect(await rowsOf('month=2026-01')).toEqual(JANUARY)
  expect(await rowsOf('month=2026-02')).toEqual(OF_FEBRUARY)
  // Open: as metered by now. The late 1000 and 4 are in the days of January.
  expect(await rowsOf('month=2026-04')).toEqual(['usage 2026-04 gone 0.5 0.5 1'])
  expect(await rowsOf('from=2026-01-05&to=2026-03-31')).toEqual([
    ...['usage 2026-01 -formula 9 9 1', 'usage 2026-01 gone 6 10 2', 'usage 2026-01 quoted 0 1 1', 'usage 2026-03 quoted 5 5 1'],
  ])
})

const shortAdjustment = (line: Record<string, unknown>) =>
  ['kind', 'for_month', 'project_id', 'value', 'byte_days'].map((column) => String(line[column])).join(' ')

test('P4: a statement has them as well, and its lines and corrections are those of the file', async () => {
  const statement = async (month: string) => (await tested.client.partner(partner, 'GET', `/statements/${month}?include=byte_days&gb_bytes=1073741824`)).body
  const january = await statement('2026-01')
  const gb_month = { shown: '0', gb_bytes: '1073741824', days_of_month: '31' }
  expect(january.byte_days[0]).toEqual({ metric: SIZE, unit: 'byte-day', value: '29', days_with_samples: '3', gb_month })
  expect(
    january.projects
      .filter((line: { metric: string }) => line.metric === SIZE)
      .map((line: object) => shortRow({ ...line, line: 'usage', for_month: '2026-01' })),
  ).toEqual(JANUARY)
  expect(january.projects.find((line: { metric: string }) => line.metric === 'ai_tokens')).toMatchObject({ byte_days: null, days_with_samples: null })
  expect((await statement('2026-03')).adjustments.map(shortAdjustment)).toEqual(['adjustment 2026-01 gone 0 4', 'manual 2026-01 null -3 null'])
  const plain = (await tested.client.statement(partner, '2026-01')).text
  expect(plain).not.toContain('byte_days')
})

test('P4: without them every file of a closed month has the same bytes as before', async () => {
  expect(await billedFiles()).toEqual(asBilled)
  const { manifest } = await download('month=2026-01&format=ndjson')
  expect(Object.keys(manifest)).not.toContain('include')
})

test('P4: a row for a correction of byte-days alone has the name and region of the newest statement with the project, whatever they are now', async () => {
  const zeroRow = async () => {
    const { text } = await download('month=2026-03&format=focus-ndjson&quantity=byte_days')
    const row = text.split('\n').find((line) => line.includes('"x_Line":"adjustment"')) ?? ''
    const { ResourceName, RegionId, x_Reason } = JSON.parse(row)
    return { ResourceName, RegionId, x_Reason }
  }
  const before = await zeroRow()
  expect(before).toEqual({ ResourceName: '@gone', RegionId: expect.any(String), x_Reason: 'counted after the month was billed' })
  const renamed = { partner_id: partner.partnerId, name: 'Another name', status: 'deleted', deleted_at: '2026-01-12T10:00:00.250Z' }
  expect((await tested.client.admin('PUT', '/admin/v1/projects/gone', renamed)).status).toBe(200)
  expect(await zeroRow()).toEqual(before)
})

test('byte-days are the last columns of each format, and the rest of the row is as billed', async () => {
  const ndjson = (await download('month=2026-01&format=ndjson')).text.split('\n').slice(0, -1)
  const included = (await download('month=2026-01&format=ndjson&include=byte_days')).text.split('\n').slice(0, -1)
  expect(included.map((line) => line.replace(/,"byte_days":.*\}$/, '}'))).toEqual(ndjson)
  const csv = await download('month=2026-01&format=csv&include=byte_days')
  expect(csv.text.split('\r\n')[0]).toBe([...EXPORT_COLUMNS, 'byte_days', 'days_with_samples'].join(','))
  expect(csv.name).toContain('-2026-01-byte-days.csv')
  const ofCsv = `SELECT byte_days, days_with_samples FROM read_csv(${csv.file}, all_varchar = true) WHERE metric = '${SIZE}'`
  const parquet = await download('month=2026-01&format=parquet&include=byte_days')
  const ofParquet = `SELECT byte_days::VARCHAR AS byte_days, days_with_samples::VARCHAR AS days_with_samples FROM read_parquet(${parquet.file}) WHERE metric = '${SIZE}'`
  expect((await queryDuckDb(ofCsv)).map((row) => Object.values(row).join(' '))).toEqual(['19 2', '9 2', '1 1'])
  expect((await queryDuckDb(ofParquet)).map((row) => Object.values(row).join(' '))).toEqual(['19.000000000 2', '9.000000000 2', '1.000000000 1'])
  const workbook = await download('month=2026-03&format=xlsx&include=byte_days')
  // The row that is no line of the statement is not part of its hash.
  expect((await readWorkbook(workbook.path)).canonicalSha256).toBe(workbook.manifest.statement_sha256)
  expect(
    createHash('sha256')
      .update((await download('month=2026-03&format=ndjson')).text, 'latin1')
      .digest('hex'),
  ).toBe(workbook.manifest.statement_sha256)
})

test('P4: a correction of a peak has the reason of its line, and the workbook the hash of the statement', async () => {
  const { client } = tested
  corrected = await client.createPartner('Corrected')
  await client.billFrom(corrected.partnerId, '2026-03')
  await client.registerProject('box', corrected.partnerId)
  await client.send([boxEvent('wrong', 100, '2026-03-04'), boxEvent('right', 70, '2026-03-05')])
  await close('2026-03')
  await voidEvents('wrong')
  await close('2026-04')
  const reason = 'corrected after the month was billed: measured wrong'
  const line = { for_month: '2026-03', project_id: 'box', metric: SIZE, kind: 'adjustment', value: '-30', reason }
  expect((await client.statement(corrected, '2026-04')).body.adjustments).toEqual([line])
  expect((await client.partner(corrected, 'GET', '/statements/2026-04?include=byte_days')).body.adjustments).toEqual([{ ...line, byte_days: '-100' }])
  const lines = (await download('month=2026-04&format=ndjson', corrected)).text
  expect((await download('month=2026-04&format=ndjson&include=byte_days', corrected)).text.replaceAll(/,"byte_days":.*\}$/gm, '}')).toBe(lines)
  const workbook = await download('month=2026-04&format=xlsx&include=byte_days', corrected)
  expect((await readWorkbook(workbook.path)).canonicalSha256).toBe(workbook.manifest.statement_sha256)
  const charge = JSON.parse((await download('month=2026-04&format=focus-ndjson&quantity=byte_days', corrected)).text)
  expect(charge).toMatchObject({ PricingUnit: 'B-Days', x_Reason: reason })
})

const boxEvent = (event_id: string, value: number, day: string) => ({ event_id, project_id: 'box', metric: SIZE, value, timestamp: `${day}T10:00:00Z` })

test('P6: byte-days that an earlier version did not keep are an error, and only they depend on what it removed', async () => {
  const { client, service } = tested
  const { partnerId } = corrected
  const statement = (month: string) => client.partner(corrected, 'GET', `/statements/${month}?include=byte_days`)
  const unknown = { status: 409, body: { code: 'BYTE_DAYS_UNKNOWN', message: expect.stringContaining(`2026-03 are corrected for the partner ${partnerId}`) } }
  await removeCorrectedRecounts(service.clickhouse, partnerId)
  expect(await statement('2026-04')).toMatchObject(unknown)
  expect(await client.admin('GET', `/admin/v1/statements/${partnerId}/2026-04?include=byte_days`)).toMatchObject(unknown)
  for (const path of ['exports?', 'exports/manifest?', `exports?partner=${partnerId}&`])
    for (const query of ['format=xlsx&include=byte_days', 'format=focus-ndjson&quantity=byte_days'])
      expect(await client.admin('GET', `/admin/v1/${path}month=2026-04&${query}`)).toMatchObject(unknown)
  expect((await client.statement(corrected, '2026-04')).body.adjustments).toHaveLength(1)
  expect((await client.admin('GET', '/admin/v1/exports?month=2026-04')).status).toBe(200)
  // March has its own recount. May corrects nothing of it until something more arrives.
  expect((await statement('2026-03')).body.byte_days[0]).toMatchObject({ metric: SIZE, value: '170' })
  expect((await statement('2026-05')).body.adjustments).toEqual([])
  await client.send([boxEvent('late', 5, '2026-03-06')])
  expect(await statement('2026-05')).toMatchObject(unknown)
  expect((await client.statement(corrected, '2026-05')).status).toBe(200)
  await close('2026-05')
  expect(await statement('2026-05')).toMatchObject(unknown)
  expect((await client.statement(corrected, '2026-05')).body).toMatchObject({ statement: { status: 'closed' }, adjustments: [] })
  // The recount of May is kept, so corrections after it are known: June has 6 more byte-days, and July takes back all 81.
  await client.send([boxEvent('later', 6, '2026-03-07')])
  const corrections = async (month: string) => (await statement(month)).body.adjustments.map(shortAdjustment)
  expect(await corrections('2026-06')).toEqual(['adjustment 2026-03 null 0 6'])
  await close('2026-06')
  expect(await corrections('2026-06')).toEqual(['adjustment 2026-03 box 0 6'])
  await voidEvents('right', 'late', 'later')
  await close('2026-07')
  expect(await corrections('2026-07')).toEqual(['adjustment 2026-03 box -70 -81'])
  // The recount of July found no events. It has no rows, and is whole.
  await client.send([boxEvent('last', 9, '2026-03-08')])
  expect(await corrections('2026-08')).toEqual(['adjustment 2026-03 null 9 9'])
  await close('2026-08')
  expect(await corrections('2026-08')).toEqual(['adjustment 2026-03 box 9 9'])
})

async function close(month: string): Promise<void> {
  expect((await tested.client.closeMonth(corrected.partnerId, month)).status).toBe(200)
}

async function voidEvents(...ids: string[]): Promise<void> {
  const corrections = ids.map((corrects) => ({ project_id: 'box', corrects, action: 'void', reason: 'measured wrong' }))
  expect((await tested.client.admin('POST', '/admin/v1/corrections', { corrections })).body.accepted).toBe(String(ids.length))
}

test.each(FOCUS_VERSIONS)(
  'FOCUS %s charges peaks by their byte-days if chosen: one row for each day, in units of days, all other rows as before',
  async (version) => {
    const byDays = async (span: string) => (await download(`${span}&format=focus-csv&focus=${version}&quantity=byte_days`)).file
    const columns = `x_Line, ResourceId, PricingQuantity, PricingUnit, ConsumedQuantity, ConsumedUnit, SkuId, SkuPriceId, ChargePeriodStart, ChargePeriodEnd`
    const peaks = async (span: string) => {
      const found = await queryDuckDb(`SELECT ${columns} FROM read_csv(${await byDays(span)}, all_varchar = true) WHERE SkuMeter = '${SIZE}'`)
      return found.map((row) => {
        expect([row['ConsumedQuantity'], row['ConsumedUnit'], row['SkuId']]).toEqual([row['PricingQuantity'], row['PricingUnit'], SIZE])
        expect(row['SkuPriceId']).toBe(row['PricingUnit'] === 'B' ? SIZE : `${SIZE}:byte_days`)
        const days = [row['ChargePeriodStart'], row['ChargePeriodEnd']].map((day) => String(day).slice(5, 10)).join('/')
        return `${row['x_Line']} ${row['ResourceId']} ${Number(row['PricingQuantity'])} ${row['PricingUnit']} ${days}`
      })
    }
    expect(await peaks('month=2026-01')).toEqual([
      ...['usage -formula 10 B-Days 01-04/01-05', 'usage -formula 9 B-Days 01-05/01-06', 'usage gone 3 B-Days 01-04/01-05'],
      ...['usage gone 6 B-Days 01-05/01-06', 'usage quoted 1 B-Days 01-09/01-10'],
    ])
    // A manual correction of a peak is in the unit in which it was entered.
    expect(await peaks('month=2026-03')).toEqual([
      ...['usage quoted 5 B-Days 03-07/03-08', 'adjustment gone 4 B-Days 01-01/02-01', 'manual null -3 B 01-01/02-01'],
    ])
    const { manifest } = await download('month=2026-02&format=focus-csv&quantity=byte_days')
    expect(manifest.totals.filter(({ metric }: { metric: string }) => metric === SIZE)).toEqual([{ line: 'adjustment', metric: SIZE, rows: 3, value: '1000' }])
    expect(manifest.quantity).toBe('byte_days')
    const others = async (file: string) => queryDuckDb(`SELECT * FROM read_csv(${file}, all_varchar = true) WHERE SkuMeter != '${SIZE}'`)
    expect(await others(await byDays('month=2026-01'))).toEqual(await others((await download(`month=2026-01&format=focus-csv&focus=${version}`)).file))
  },
)

test('a parameter that does not fit the format is rejected with what fits', async () => {
  for (const [query, hint] of [
    ['format=focus-csv&include=byte_days', 'use quantity=byte_days'],
    ['format=csv&quantity=byte_days', 'use include=byte_days'],
    ['format=focus-billing-period&quantity=byte_days', 'has none'],
  ]) {
    const { status, body } = await tested.client.admin('GET', `/admin/v1/exports?month=2026-01&${query}`)
    expect([status, body.code]).toEqual([400, 'INVALID_REQUEST'])
    expect(body.message).toContain(hint)
  }
})
