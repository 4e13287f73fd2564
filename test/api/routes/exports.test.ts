import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EXPORT_COLUMNS } from '../../../contract/export-formats.ts'
import type { Lane } from '../../../sql/clickhouse.ts'
import { row } from '../../../sql/tab-separated.ts'
import type { Credentials } from '../../support/clients/client.ts'
import { countStagedRows } from '../../support/oracles/stored-sums.ts'
import { untilSo } from '../../support/until-so.ts'
import { makeExportedMonths } from '../../support/worlds/exported-month.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

let tested: TestService
let ours: Credentials
let theirs: Credentials
/** What happens to the rows that the store streams to an export: a promise delays them. */
let fate: 'whole' | 'breaks' | 'ends early' | Promise<void> = 'whole'
beforeAll(async () => {
  tested = await startTestService()
  const { clickhouse } = tested.service
  const { openLane } = clickhouse
  Object.assign(clickhouse, { openLane: async () => interruptible(await openLane()) })
  ours = await makeExportedMonths(tested.client)
  theirs = await tested.client.createPartner('Theirs')
  await tested.client.billFrom(theirs.partnerId, '2026-02')
  await tested.client.registerProject('foreign', theirs.partnerId)
  await tested.client.send([
    { event_id: 'f1', project_id: 'foreign', metric: 'ai_tokens', value: 1, timestamp: '2026-01-07T00:00:00Z' },
    { event_id: 'f2', project_id: 'foreign', metric: 'ai_tokens', value: 3, timestamp: '2026-02-07T00:00:00Z' },
  ])
})
afterAll(() => tested.stop())

function interruptible(lane: Lane): Lane {
  return {
    ...lane,
    bytes: async function* (...query) {
      for await (const chunk of lane.bytes(...query)) {
        yield fate === 'ends early' ? chunk.subarray(0, chunk.length / 2) : chunk
        if (fate === 'breaks') throw new Error('the store is gone')
        if (fate === 'ends early') return
        await fate
      }
    },
    lines: async function* (...query) {
      for await (const lines of lane.lines(...query)) {
        yield fate === 'ends early' ? lines.slice(1) : lines
        if (fate === 'breaks') throw new Error('the store is gone')
        await fate
      }
    },
  }
}

const exported = (query: string) => tested.client.admin('GET', `/admin/v1/exports?${query}`)
/** The body of an export as bytes. */
async function bodyOf(query: string): Promise<ArrayBuffer> {
  const { url, adminToken } = tested.client
  return (await fetch(`${url}/admin/v1/exports?${query}`, { headers: { authorization: `Bearer ${adminToken}` } })).arrayBuffer()
}

/** Starts an export and returns its head, so that a test can disconnect. It avoids fetch, which opens another connection after an abort. */
async function begin(query: string): Promise<IncomingMessage> {
  const { url, adminToken } = tested.client
  const [answer] = await once(get(`${url}/admin/v1/exports?${query}`, { agent: false, headers: { authorization: `Bearer ${adminToken}` } }), 'response')
  return answer
}
const linesOf = (text: string) => text.split('\r\n').slice(1, -1)

describe('the statement of a month', () => {
  test('P5: a partner exports its own statement, and another partner’s secret is rejected with 401', async () => {
    const { status, text, headers } = await tested.client.partner(ours, 'GET', '/statements/2026-02/export?format=csv')
    expect([status, text.split('\r\n')[0], linesOf(text).length]).toEqual([200, EXPORT_COLUMNS.join(','), 6])
    expect(text).not.toContain('foreign')
    expect(headers.get('content-type')).toBe('text/csv; charset=utf-8; header=present')
    expect(headers.get('content-disposition')).toBe(`attachment; filename="meterline-${ours.partnerId}-2026-02.csv"`)
    expect((await tested.client.partner({ ...ours, secret: theirs.secret }, 'GET', '/statements/2026-02/export')).status).toBe(401)
  })

  test('P4: the export of a closed statement has the same bytes after late events and a renamed project', async () => {
    const first = await tested.client.partner(ours, 'GET', '/statements/2026-01/export?format=ndjson')
    await tested.client.send([{ event_id: 'late', project_id: 'quoted', metric: 'ai_tokens', value: 500, timestamp: '2026-01-15T00:00:00Z' }])
    await tested.client.registerProject('quoted', ours.partnerId, { name: 'renamed' })
    expect((await tested.client.partner(ours, 'GET', '/statements/2026-01/export?format=ndjson')).text).toBe(first.text)
    await tested.client.registerProject('quoted', ours.partnerId, { name: 'say "hi", 雪; \\ done' })
  })

  test('the export of an open statement has the usage metered so far, and its manifest says that it is open', async () => {
    const { text, headers } = await tested.client.partner(ours, 'GET', '/statements/2026-03/export')
    expect(linesOf(text)).toHaveLength(2)
    expect(JSON.parse(headers.get('x-meterline-manifest') ?? '')).toMatchObject({
      ...{ generator: expect.stringMatching(/^meterline \d/), format: 'csv', partner_id: ours.partnerId, month: '2026-03', status: 'open', rows: 2 },
      statement_sha256: null,
      totals: [
        { line: 'usage', metric: 'ai_tokens', rows: 1, value: '48' },
        { line: 'usage', metric: 'database_size_bytes', rows: 1, value: '5' },
      ],
    })
  })

  test.each([
    ['/statements/2025-12/export', 404, 'STATEMENT_NOT_FOUND'],
    ['/statements/2148-01/export', 404, 'STATEMENT_NOT_FOUND'],
    ['/statements/2026-13/export', 400, 'INVALID_REQUEST'],
    ['/statements/2026-01/export?format=ods', 400, 'INVALID_REQUEST'],
    ['/statements/2026-01/export?form=csv', 400, 'INVALID_REQUEST'],
  ])('GET %s returns %d %s', async (path, status, code) => {
    const answer = await tested.client.partner(ours, 'GET', path)
    expect([answer.status, answer.body.code]).toEqual([status, code])
  })

  test('P6: a number that Parquet cannot hold is rejected, never truncated', async () => {
    const partner = await tested.client.createPartner('Wide')
    for (const id of ['w1', 'w2']) await tested.client.registerProject(id, partner.partnerId)
    const value = '9'.repeat(29)
    const huge = ['1', '2'].map((id) => ({ event_id: id, project_id: 'w1', metric: 'ai_tokens', value, timestamp: '2026-11-01T00:00:00Z' }))
    await tested.client.send(huge)
    const days = `from=2026-11-01&to=2026-11-01&partner=${partner.partnerId}`
    expect((await exported(`${days}&format=csv`)).text).toContain(`,1${'9'.repeat(28)}8,`)
    for (const format of ['parquet', 'focus-parquet']) {
      const { status, body } = await exported(`${days}&format=${format}`)
      expect([status, body.code]).toEqual([409, 'NUMBERS_TOO_WIDE'])
    }
  })
})

describe('finance', () => {
  test('an export of a month contains the partners that are billed for it, whether closed or open', async () => {
    const january = await exported('month=2026-01')
    expect([january.text.includes('foreign'), january.text.includes('quoted')]).toEqual([false, true])
    const february = await exported('month=2026-02')
    expect(linesOf(february.text).map((line) => line.split(',').slice(2, 5).join())).toEqual(
      expect.arrayContaining(['"usage","2026-02","foreign"', '"manual","2026-01",']),
    )
    expect(JSON.parse(february.headers.get('x-meterline-manifest') ?? '')).toMatchObject({ partner_id: null, partners: 2, status: 'open', rows: 7 })
    expect((await exported('month=2026-02&format=focus-billing-period')).text.match(/"(Open|Closed)"/g)?.sort()).toEqual(['"Closed"', '"Open"'])
  })

  test('an export of days contains only their usage, and a peak is on the greatest of these days in each month', async () => {
    const { text } = await exported(`from=2026-01-06&to=2026-03-07&partner=${ours.partnerId}`)
    expect(
      linesOf(text).map((line) =>
        line
          .match(/"(2026-\d\d)","usage".*"(peak|cumulative)","\w+",([\d.]+),("[\d-]+")?/)
          ?.slice(1, 5)
          .join(' '),
      ),
    ).toEqual([
      '2026-01 cumulative 0.000000001 ',
      '2026-01 cumulative 0.5 ',
      '2026-01 cumulative 500 ',
      '2026-01 peak 1 "2026-01-09"',
      '2026-02 cumulative 8 ',
      '2026-03 cumulative 16 ',
      '2026-03 peak 5 "2026-03-07"',
    ])
  })

  test('the values of an export of days add up to the usage of the partnership, with a peak on its peak day', async () => {
    const { headers } = await exported(`from=2026-01-03&to=2026-01-20&partner=${ours.partnerId}`)
    const { body } = await tested.client.partnershipUsage(ours, '2026-01-03', '2026-01-20')
    // 9 + 6 on 5 January, and not the greatest day of each project: 10 + 6 + 1.
    expect(body.summary.database_bytes).toBe('15')
    expect(JSON.parse(headers.get('x-meterline-manifest') ?? '').totals).toEqual([
      { line: 'usage', metric: 'ai_tokens', rows: 2, value: body.summary.ai_tokens },
      { line: 'usage', metric: 'database_size_bytes', rows: 3, value: '15' },
    ])
  })

  test('P4: lines of a closing that has no header are in no file', async () => {
    const columns = ['partner_id', 'closing', 'month', 'line', 'for_month', 'project_id', 'metric', 'kind', 'unit', 'value', 'events']
    const orphan = (month: string) => row([ours.partnerId, 'orphan', month, 'usage', month, 'orphan', 'ai_tokens', 'cumulative', 'token', 9, 1])
    await tested.service.clickhouse.control.insert({ table: 'statement_lines_v1', columns, text: orphan('2026-02') + orphan('2026-03') })
    for (const query of ['month=2026-02', `month=2026-02&partner=${ours.partnerId}`, 'month=2026-03', 'month=2026-02&format=focus-csv'])
      expect((await exported(query)).text).not.toContain('orphan')
  })

  test('the manifest route returns the manifest of the file without the file', async () => {
    const { headers } = await exported('month=2026-02&format=json')
    const { text } = await tested.client.admin('GET', '/admin/v1/exports/manifest?month=2026-02&format=json')
    expect(JSON.parse(text)).toEqual({ ...JSON.parse(headers.get('x-meterline-manifest') ?? ''), as_of: expect.any(String) })
  })

  test.each([
    ['', 400, 'INVALID_REQUEST'],
    ['month=2026-01&from=2026-01-01&to=2026-01-02', 400, 'INVALID_REQUEST'],
    ['from=2026-02-30&to=2026-03-01', 400, 'PERIOD_INVALID'],
    ['from=2026-03-02&to=2026-03-01', 400, 'PERIOD_INVALID'],
    ['from=2024-01-01&to=2026-03-01', 400, 'PERIOD_INVALID'],
    ['month=2026-01&partner=ps_nobody', 404, 'PARTNER_NOT_FOUND'],
  ])('the query "%s" returns %d %s', async (query, status, code) => {
    const answer = await exported(query)
    expect([answer.status, answer.body.code]).toEqual([status, code])
  })
})

describe('while it streams', () => {
  const stagedRowsNow = () => countStagedRows(tested.service.clickhouse)

  test.each(['csv', 'json', 'ndjson', 'parquet', 'xlsx', 'focus-csv', 'focus-parquet', 'focus-ndjson'])(
    'an export as %s that the store delivers incompletely never ends normally, and its staged rows are dropped',
    async (format) => {
      for (const cut of ['breaks', 'ends early'] as const) {
        fate = cut
        await expect(bodyOf(`month=2026-02&format=${format}`)).rejects.toThrow()
      }
      fate = 'whole'
      expect((await exported(`month=2026-02&format=${format}`)).status).toBe(200)
      await untilSo(async () => (await stagedRowsNow()) === 0)
    },
  )

  test('two exports of finance run at a time, a third gets 503, and a client that disconnects frees its place', async () => {
    let release: () => void = () => {}
    fate = new Promise<void>((resolve) => {
      release = resolve
    })
    const running = [await begin('month=2026-03'), await begin('month=2026-03')]
    expect(running.map(({ statusCode }) => statusCode)).toEqual([200, 200])
    const { status, body } = await exported('month=2026-03')
    expect([status, body.code]).toEqual([503, 'EXPORTS_BUSY'])
    for (const answer of running) answer.destroy()
    fate = 'whole'
    release()
    await untilSo(async () => (await exported('month=2026-03')).status === 200)
    await untilSo(async () => (await stagedRowsNow()) === 0)
  })

  test('P5: each partner has one export at a time, so that no partner delays another', async () => {
    const other = await tested.client.createPartner('Other')
    await tested.client.billFrom(other.partnerId, '2026-03')
    const download = (partner: Credentials) => tested.client.partner(partner, 'GET', '/statements/2026-03/export')
    let release: () => void = () => {}
    fate = new Promise<void>((resolve) => {
      release = resolve
    })
    const [{ url }, headers] = [tested.client, { 'x-partnership-secret': ours.secret }]
    const path = `/partnership/v1/${ours.partnerId}/statements/2026-03/export`
    const [running] = (await once(get(`${url}${path}`, { agent: false, headers }), 'response')) as [IncomingMessage]
    expect(running.statusCode).toBe(200)
    const { status, body } = await download(ours)
    expect([status, body.code]).toEqual([503, 'EXPORTS_BUSY'])
    fate = 'whole'
    expect((await download(other)).status).toBe(200)
    expect((await exported('month=2026-03')).status).toBe(200)
    running.destroy()
    release()
    await untilSo(async () => (await download(ours)).status === 200)
  })
})
