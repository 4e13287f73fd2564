import { afterAll, beforeAll, expect, test } from 'vitest'
import { runHere } from '../support/clients/run-here.ts'
import { startTestService, type TestService } from '../support/worlds/test-service.ts'

let tested: TestService
let environment: Record<string, string>
beforeAll(async () => {
  tested = await startTestService()
  environment = { METERLINE_URL: tested.service.url, METERLINE_ACCESS_TOKEN: tested.service.adminToken }
  await tested.client.createIngestKey()
  await tested.client.send(['1', '2'].map((id) => ({ event_id: id, project_id: 'p', metric: 'ai_tokens', value: 5, timestamp: '2026-03-01T00:00:00Z' })))
})
afterAll(() => tested.stop())

/** Puts the rollup ahead of raw. Reconciling can only add, and adding cannot lower a peak. */
const AHEAD = `INSERT INTO project_usage_per_day_v1 (project_id, usage_date, metric, log, peak, total, events, last_event_at) SETTINGS async_insert=0
  SELECT 'p', toDate('2026-03-01'), 'ai_tokens', 'http', toDecimal128(9, 9), toDecimal256(9, 9), 1, toDateTime64('2026-03-01 00:00:00', 3)`

const rebuild = (body: unknown) => tested.client.admin('POST', '/admin/v1/rebuilds', body)

test('P3: after a rebuild of a falsified month, usage, partnership usage and the audit are correct again', async () => {
  const partner = await tested.client.createPartner('Rebuilt')
  await tested.client.registerProject('p', partner.partnerId)
  await tested.service.clickhouse.control.command(AHEAD)
  expect((await tested.client.audit()).body.differences).toHaveLength(1)
  const { code, stdout } = await runHere(['rebuild', '--month', '2026-03'], environment)
  expect([code, stdout]).toEqual([0, 'The rollup of 2026-03 is rebuilt: 2 events, 1 daily total.\n1 daily total differed before.\n'])
  expect((await tested.client.projectUsage(partner, 'p', '2026-03-01', '2026-03-31')).body.summary.total_ai_tokens).toBe('10')
  expect((await tested.client.partnershipUsage(partner, '2026-03-01', '2026-03-31')).body.summary.ai_tokens).toBe('10')
  expect((await tested.client.audit()).body.differences).toEqual([])
  const again = await runHere(['--json', 'rebuild', '--month', '2026-03'], environment)
  expect(JSON.parse(again.stdout)).toEqual({ month: '2026-03', keys: 1, events: 2, differences_before: 0 })
})

test('a rebuild of a month without events says that its rollup is empty', async () => {
  expect((await rebuild({ month: '2001-02' })).body).toEqual({ month: '2001-02', keys: '0', events: '0', differences_before: '0' })
  expect((await runHere(['rebuild', '--month', '2001-02'], environment)).stdout).toBe(
    'Raw has no events of 2001-02; its rollup is empty.\n0 daily totals differed before.\n',
  )
})

test('a rebuild rejects an invalid month, naming the parameter, and a caller without credentials', async () => {
  for (const month of ['2026-13', '2026-1', 'March', '1969-12', '2149-01', "2026-01' OR 1=1", ''])
    expect(await rebuild({ month })).toMatchObject({ status: 400, body: { code: 'INVALID_REQUEST', message: expect.stringContaining('YYYY-MM') } })
  for (const body of [{}, { month: '2026-01', force: true }]) expect((await rebuild(body)).status).toBe(400)
  expect((await tested.client.call('POST', '/admin/v1/rebuilds')).status).toBe(401)
  const { code, stdout, stderr } = await runHere(['rebuild', '--month', '2026-13'], environment)
  expect([code, stdout, stderr]).toEqual([1, '', 'error: --month: must be a calendar month as YYYY-MM\n'])
  expect((await runHere(['rebuild'], environment)).stderr).toContain("required option '--month <month>' not specified")
})

test('a second rebuild is rejected while one is running, and the answer names the month of the running one', async () => {
  const answers = await Promise.all([rebuild({ month: '2026-03' }), rebuild({ month: '2026-03' }), rebuild({ month: '2026-04' })])
  const rejected = answers.filter(({ status }) => status === 409)
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
  expect(rejected).toHaveLength(2)
  for (const { body } of rejected)
    expect(body).toMatchObject({ code: 'REBUILD_RUNNING', message: expect.stringMatching(/The rollup of 2026-0[34] is being rebuilt/) })
  expect((await rebuild({ month: '2026-04' })).status).toBe(200)
})
