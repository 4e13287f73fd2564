import { afterAll, beforeAll, expect, test } from 'vitest'
import { refreshPartnershipDays } from '../../aggregator/usage/refresh-partnership-days.ts'
import { runMeterline } from '../support/engines/service-process.ts'
import { falsifyPartnershipDay } from '../support/oracles/rollup-faults.ts'
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

test('0 differences, exit code 0, as text and as JSON', async () => {
  expect(await runMeterline(['audit'], environment)).toMatchObject({
    code: 0,
    stdout: '0 differences (1 events recounted, 1 daily totals compared)\n0 differences in partnership days\n',
  })
  const { code, stdout } = await runMeterline(['--json', 'audit', '--from', '2026-03-01', '--to', '2026-03-31', '--project', 'p'], environment)
  expect([code, JSON.parse(stdout)]).toEqual([0, { events_recounted: 1, keys_compared: 1, truncated: false, differences: [], partnership_differences: [] }])
})

test('without a token, or with a wrong one, exit code 2; without a service, 1', async () => {
  expect(await runMeterline(['audit'], {})).toMatchObject({ code: 2, stderr: expect.stringContaining('METERLINE_ACCESS_TOKEN') })
  for (const token of ['wrong', 'two\nlines', 'ключ'])
    expect(await runMeterline(['audit'], { ...environment, METERLINE_ACCESS_TOKEN: token })).toMatchObject({ code: 2 })
  const nobody = await runMeterline(['--json', 'audit'], { METERLINE_URL: 'http://127.0.0.1:9', METERLINE_ACCESS_TOKEN: 'x' })
  expect(nobody.code).toBe(1)
  expect(JSON.parse(nobody.stderr)).toEqual({ error: { message: expect.stringContaining('No Meterline answers at http://127.0.0.1:9') } })
})

test('of a project that has no events there is nothing to compare: that is said, and is exit code 4', async () => {
  expect(await runMeterline(['audit', '--project', 'nope'], environment)).toEqual({ code: 4, stdout: '', stderr: 'error: no events of project nope\n' })
  const inApril = await runMeterline(['audit', '--project', 'p', '--from', '2026-04-01', '--to', '2026-04-30'], environment)
  expect(inApril).toEqual({ code: 4, stdout: '', stderr: 'error: no events of project p from 2026-04-01 through 2026-04-30\n' })
  // Of all projects nothing is an answer: nothing was sent in these days.
  expect((await runMeterline(['audit', '--from', '2026-04-01'], environment)).code).toBe(0)
})

test('a span that ends before it starts is no audit that found nothing', async () => {
  const { code, stdout, stderr } = await runMeterline(['audit', '--from', '2026-03-02', '--to', '2026-03-01'], environment)
  expect([code, stdout, stderr]).toEqual([1, '', 'error: body.from: must not be after "to"\n'])
})

test('a day that does not exist is refused by name', async () => {
  expect(await runMeterline(['audit', '--from', '2026-02-30'], environment)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('body.from: must be a calendar day'),
  })
})

test('help lists the verbs and exit codes; an unknown verb is an error', async () => {
  const help = await runMeterline(['--help'])
  expect(help.stdout).toMatch(/ start .* migrate .* audit /s)
  expect(help.stdout).toContain('2 notAuthenticated')
  expect(await runMeterline(['bill'])).toMatchObject({ code: 1, stderr: expect.stringContaining("unknown command 'bill'") })
})

test('P3: a partnership day that is not what raw adds up to is listed, exit code 1', async () => {
  const { client, service } = tested
  const { partnerId } = await client.createPartner('Falsified')
  await client.registerProject('p', partnerId)
  await refreshPartnershipDays(service.clickhouse)
  await falsifyPartnershipDay(service.clickhouse, { partnerId, day: '2026-03-01', metric: 'ai_tokens' })
  const { code, stdout, stderr } = await runMeterline(['audit'], environment)
  expect(code).toBe(1)
  expect(stdout).toContain('0 differences (1 events')
  expect(stdout).toMatch(new RegExp(`│ ${partnerId} +│ 2026-03-01 +│ ai_tokens +│ 1 +│ 1 +│ 5 +│ 6 +│`))
  expect(stderr).toBe('error: Raw and partnership days differ on 1 (partner, day, metric): they are computed anew. Ask again in some seconds.\n')
})

test('P3: a difference between raw and rollup is listed, exit code 1', async () => {
  await tested.service.clickhouse.control.command(
    `INSERT INTO project_usage_per_day_v1 SETTINGS async_insert=0 SELECT 'p', toDate('2026-03-01'), 'ai_tokens', 'http', toDecimal128(9, 9), toDecimal256(9, 9), 1, toDateTime64('2026-03-01 00:00:00', 3)`,
  )
  const { code, stdout, stderr } = await runMeterline(['audit'], environment)
  expect(code).toBe(1)
  expect(stdout).toMatch(/│ p +│ 2026-03-01 +│ ai_tokens +│ 1 +│ 2 +│ 5 +│ 14 +│ 5 +│ 9 +│/)
  // The partnership day that is computed from it in the background differs as well, a moment later.
  expect(stderr).toMatch(/^error: Raw and rollup differ on 1 \(project, day, metric\): the log's owner repairs what it can\. .*Ask again in some seconds\.\n$/)
  const { stdout: json } = await runMeterline(['--json', 'audit'], environment)
  expect(JSON.parse(json).differences).toHaveLength(1)
})
