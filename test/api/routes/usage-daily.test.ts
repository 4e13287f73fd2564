import { afterAll, beforeAll, expect, test } from 'vitest'
import { METRIC_NAMES, METRICS } from '../../../metering/metrics.ts'
import type { Credentials } from '../../support/clients/client.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

let tested: TestService
let ours: Credentials
beforeAll(async () => {
  tested = await startTestService()
  const { client } = tested
  await client.createIngestKey()
  ours = await client.createPartner('Ours')
  const theirs = await client.createPartner('Theirs')
  for (const [project, partner] of [
    ['a', ours],
    ['b', ours],
    ['foreign', theirs],
  ] as const)
    await client.registerProject(project, partner.partnerId)
  await client.send([
    // The 10th: 100 + 50 = 150. The 12th: the greatest value of a is 90, and 90 + 60 = 150 again: on a tie the earlier day is the peak day.
    event('a', 'database_size_bytes', '2026-01-10', 100),
    event('b', 'database_size_bytes', '2026-01-10', 50),
    event('a', 'database_size_bytes', '2026-01-12', 40),
    event('a', 'database_size_bytes', '2026-01-12', 90),
    event('b', 'database_size_bytes', '2026-01-12', 60),
    // Tokens: 7 on the 11th, 1.5 on the 12th.
    event('a', 'ai_tokens', '2026-01-11', 3),
    event('b', 'ai_tokens', '2026-01-11', 4),
    event('b', 'ai_tokens', '2026-01-12', '1.500000000'),
    // A day with a single value of 0 has an event, so it is listed.
    event('a', 'mcp_calls', '2026-01-20', 0),
    event('foreign', 'database_size_bytes', '2026-01-11', 1_000),
    event('foreign', 'ai_tokens', '2026-01-15', 1_000),
  ])
  await client.partner(ours, 'DELETE', '/b')
})
afterAll(() => tested.stop())

let events = 0
function event(project_id: string, metric: string, day: string, value: number | string) {
  events += 1
  return { event_id: `e${events}`, project_id, metric, value, timestamp: `${day}T12:00:00Z` }
}

const daily = (query = '') => tested.client.partner(ours, 'GET', `/usage?start_date=2026-01-01&end_date=2026-01-31&include=daily${query}`)

test('include=daily adds the days with events in ascending order, with all nine metrics, and the day of each peak', async () => {
  const { status, body } = await daily()
  expect(status).toBe(200)
  expect(Object.keys(body).sort()).toEqual(['as_of', 'billing_status', 'daily_usage', 'partnership', 'peak_days', 'period', 'summary'])
  const none = Object.fromEntries(METRIC_NAMES.map((metric) => [METRICS[metric].partnershipName, '0']))
  expect(body.daily_usage).toEqual([
    { usage_date: '2026-01-10', ...none, database_bytes: '150' },
    { usage_date: '2026-01-11', ...none, ai_tokens: '7' },
    { usage_date: '2026-01-12', ...none, database_bytes: '150', ai_tokens: '1.5' },
    { usage_date: '2026-01-20', ...none },
  ])
  expect(Object.keys(body.daily_usage[0])).toEqual(['usage_date', ...METRIC_NAMES.map((metric) => METRICS[metric].partnershipName)])
  expect(body.peak_days).toEqual({ database_bytes: '2026-01-10', storage_bytes: null })
  expect(body.summary).toEqual({ ...none, database_bytes: '150', ai_tokens: '8.5' })
})

test('a measured peak of 0 has a peak day', async () => {
  await tested.client.send([event('a', 'file_storage_bytes', '2026-03-05', 0)])
  const { body } = await tested.client.partner(ours, 'GET', '/usage?start_date=2026-03-01&end_date=2026-03-31&include=daily')
  expect(body.peak_days).toEqual({ database_bytes: null, storage_bytes: '2026-03-05' })
})

test('without include the answer has only the documented keys', async () => {
  const { body } = await tested.client.partnershipUsage(ours, '2026-01-01', '2026-01-31')
  expect(Object.keys(body).sort()).toEqual(['as_of', 'billing_status', 'partnership', 'period', 'summary'])
})

test('include=byte_days adds the sum of the days of each peak, with the days that have samples, and GB-months for people', async () => {
  const JANUARY = 'start_date=2026-01-01&end_date=2026-01-31'
  const get = async (path: string) => (await tested.client.partner(ours, 'GET', path)).body
  // 150 on the 10th and 150 on the 12th. Nothing is carried forward to the days without samples.
  const [database, storage] = (await get(`/usage?${JANUARY}&include=byte_days`)).byte_days
  expect(database).toEqual({
    metric: 'database_size_bytes',
    unit: 'byte-day',
    value: '300',
    days_with_samples: '2',
    gb_month: { shown: '0', gb_bytes: '1000000000', days_of_month: '31' },
  })
  expect(storage).toMatchObject({ metric: 'file_storage_bytes', value: '0', days_with_samples: '0' })
  // a: 100 on the 10th and 90, the greatest of two samples, on the 12th.
  expect((await get(`/a/usage?${JANUARY}&include=byte_days`)).byte_days[0]).toMatchObject({ value: '190', days_with_samples: '2' })
  // The deleted project counts: 50 + 60.
  expect((await get(`/b/usage?${JANUARY}&include=byte_days`)).byte_days[0]).toMatchObject({ value: '110', days_with_samples: '2' })
  const both = await get(`/usage?${JANUARY}&include=byte_days,daily`)
  expect([both.byte_days[0].value, both.daily_usage.length]).toEqual(['300', 4])

  // 31 GiB on one day of 31 are 1 GiB-month, and 1.073741824 GB-months; of two months there is none.
  await tested.client.send([event('a', 'database_size_bytes', '2026-05-07', 31 * 2 ** 30)])
  const may = 'start_date=2026-05-07&end_date=2026-05-08&include=byte_days'
  expect((await get(`/usage?${may}`)).byte_days[0].gb_month).toEqual({ shown: '1.073742', gb_bytes: '1000000000', days_of_month: '31' })
  expect((await get(`/usage?${may}&gb_bytes=1073741824`)).byte_days[0].gb_month).toEqual({ shown: '1', gb_bytes: '1073741824', days_of_month: '31' })
  expect((await get('/usage?start_date=2026-04-30&end_date=2026-05-08&include=byte_days')).byte_days[0]).toMatchObject({ gb_month: null })
  expect((await tested.client.partner(ours, 'GET', `/usage?${may}&gb_bytes=1024`)).status).toBe(400)
})

for (const include of ['include=', 'include=hourly', 'include=daily,hourly', 'include=daily&include=daily']) {
  test(`the query "${include}" is rejected with 400 and the allowed value`, async () => {
    const { status, body } = await tested.client.partner(ours, 'GET', `/usage?${include}`)
    expect([status, body.code]).toEqual([400, 'INVALID_REQUEST'])
    expect(body.message).toContain('query.include')
    expect(body.message).toContain('daily, byte_days')
  })
}

test('usage of a project rejects include=daily, because it always has its days', async () => {
  expect((await tested.client.partner(ours, 'GET', '/a/usage?include=daily')).status).toBe(400)
})
