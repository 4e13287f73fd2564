import { afterAll, beforeAll, expect, test } from 'vitest'
import { runHere } from '../support/clients/run-here.ts'
import { falsifyPartnershipDay } from '../support/oracles/rollup-faults.ts'
import { untilServiceRefreshed } from '../support/worlds/refreshed-days.ts'
import { startTestService, type TestService } from '../support/worlds/test-service.ts'

let tested: TestService
let environment: Record<string, string>
beforeAll(async () => {
  tested = await startTestService()
  environment = { METERLINE_URL: tested.service.url, METERLINE_ACCESS_TOKEN: tested.service.adminToken }
  await tested.client.createIngestKey()
  await tested.client.send([{ event_id: 'e', project_id: 'p', metric: 'ai_tokens', value: 5, timestamp: '2026-03-01T00:00:00Z' }])
})
afterAll(() => tested.stop())

test('an audit without differences exits 0 and says so as text and as JSON', async () => {
  expect(await runHere(['audit'], environment)).toMatchObject({
    code: 0,
    stdout: '0 differences (1 event recounted, 1 daily total compared)\n0 differences in partnership days\n',
  })
  const { code, stdout } = await runHere(['--json', 'audit', '--from', '2026-03-01', '--to', '2026-03-31', '--project', 'p'], environment)
  expect([code, JSON.parse(stdout)]).toEqual([0, { events_recounted: 1, keys_compared: 1, truncated: false, differences: [], partnership_differences: [] }])
})

test('an audit exits 2 with a missing or invalid token, and 1 if there is no service', async () => {
  expect(await runHere(['audit'], {})).toMatchObject({ code: 2, stderr: expect.stringContaining('METERLINE_ACCESS_TOKEN') })
  for (const token of ['wrong', 'two\nlines', 'ключ'])
    expect(await runHere(['audit'], { ...environment, METERLINE_ACCESS_TOKEN: token })).toMatchObject({ code: 2 })
  const unreachable = await runHere(['--json', 'audit'], { METERLINE_URL: 'http://127.0.0.1:9', METERLINE_ACCESS_TOKEN: 'x' })
  expect(unreachable.code).toBe(1)
  const message = expect.stringContaining('No Meterline answers at http://127.0.0.1:9')
  expect(JSON.parse(unreachable.stderr)).toEqual({ error: message, code: 'UNREACHABLE', next: null, request_id: null, retryable: true })
})

test('an audit of a project without events exits 4 and says that there are none', async () => {
  expect(await runHere(['audit', '--project', 'nope'], environment)).toEqual({ code: 4, stdout: '', stderr: 'error: no events of project nope\n' })
  const inApril = await runHere(['audit', '--project', 'p', '--from', '2026-04-01', '--to', '2026-04-30'], environment)
  expect(inApril).toEqual({ code: 4, stdout: '', stderr: 'error: no events of project p from 2026-04-01 through 2026-04-30\n' })
  // Without --project an empty span is a result: no event was sent in these days.
  expect((await runHere(['audit', '--from', '2026-04-01'], environment)).code).toBe(0)
})

test('a span that ends before it starts is an error, not an audit without differences', async () => {
  const { code, stdout, stderr } = await runHere(['audit', '--from', '2026-03-02', '--to', '2026-03-01'], environment)
  expect([code, stdout, stderr]).toEqual([1, '', 'error: --from: must not be after "to"\n'])
})

test('a day that does not exist is an error that names the parameter', async () => {
  expect(await runHere(['audit', '--from', '2026-02-30'], environment)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('--from: must be a calendar day'),
  })
})

test('the help lists commands and exit codes; an unknown command is an error', async () => {
  const help = await runHere(['--help'])
  expect(help.stdout).toMatch(/ start .* migrate .* audit /s)
  expect(help.stdout).toContain('2 notAuthenticated')
  expect(await runHere(['bill'])).toMatchObject({ code: 1, stderr: expect.stringContaining("unknown command 'bill'") })
})

test('P3: an audit lists a partnership day that differs from raw and exits 1', async () => {
  const { client, service } = tested
  const { partnerId } = await client.createPartner('Falsified')
  await client.registerProject('p', partnerId)
  await untilServiceRefreshed(service.clickhouse)
  await falsifyPartnershipDay(service.clickhouse, { partnerId, day: '2026-03-01', metric: 'ai_tokens' })
  const { code, stdout, stderr } = await runHere(['audit'], environment)
  expect(code).toBe(1)
  expect(stdout).toContain('0 differences (1 event ')
  expect(stdout).toMatch(new RegExp(`│ ${partnerId} +│ 2026-03-01 +│ ai_tokens +│ 1 +│ 1 +│ 5 +│ 6 +│`))
  expect(stderr).toBe(
    'error: Raw and partnership days differ on 1 (partner, day, metric): they are being computed again. Run the audit again in some seconds.\n',
  )
})

test('P3: an audit lists a difference between raw and rollup and exits 1', async () => {
  await tested.service.clickhouse.control.command(
    `INSERT INTO project_usage_per_day_v1 (project_id, usage_date, metric, log, peak, total, events, last_event_at) SETTINGS async_insert=0 SELECT 'p', toDate('2026-03-01'), 'ai_tokens', 'http', toDecimal128(9, 9), toDecimal256(9, 9), 1, toDateTime64('2026-03-01 00:00:00', 3)`,
  )
  const { code, stdout, stderr } = await runHere(['audit'], environment)
  expect(code).toBe(1)
  expect(stdout).toMatch(/│ p +│ 2026-03-01 +│ ai_tokens +│ +│ 1 +│ 2 +│ 5 +│ 14 +│ 5 +│ 9 +│/)
  // A moment later the partnership day that is computed from it in the background differs too.
  expect(stderr).toMatch(
    /^error: Raw and rollup differ on 1 \(project, day, metric\): the log's owner repairs what it can\. .*Run the audit again in some seconds\.\n$/,
  )
  const { stdout: json } = await runHere(['--json', 'audit'], environment)
  expect(JSON.parse(json).differences).toHaveLength(1)
})
