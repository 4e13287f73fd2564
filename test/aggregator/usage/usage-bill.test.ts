import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

let tested: TestService
beforeAll(async () => {
  tested = await startTestService()
})
afterAll(() => tested.stop())

test('P3 P6: the usage of a month equals a bill computed by hand, in all digits', async () => {
  const { client } = tested
  const partner = await client.createPartner('Hand & Co')
  await client.createIngestKey()
  for (const id of ['red', 'blue']) await client.registerProject(id, partner.partnerId)
  const at = (project_id: string, event_id: string, metric: string, value: string | number, timestamp: string) => ({
    event_id,
    project_id,
    metric,
    value,
    timestamp,
  })
  const answer = await client.send([
    // 3 March, red: two samples of 500 and 700 bytes: the day's peak is 700.
    at('red', 'r1', 'database_size_bytes', 500, '2026-03-03T08:00:00Z'),
    at('red', 'r2', 'database_size_bytes', '700', '2026-03-03T23:59:59.999Z'),
    // 3 March, blue: 100 bytes. The partnership's 3 March: 700 + 100 = 800.
    at('blue', 'b1', 'database_size_bytes', 100, '2026-03-03T10:00:00Z'),
    // 4 March: red 600, blue 350: 950. It is the partnership's peak day, although red's own peak is on the 3rd.
    at('red', 'r3', 'database_size_bytes', 600, '2026-03-04T00:00:00Z'),
    at('blue', 'b2', 'database_size_bytes', 350, '2026-03-04T12:00:00+02:00'),
    // 5 March in UTC: 23:30 at -02:00 is 01:30 of the next day. Tokens 10 + 5 = 15.
    at('red', 'r4', 'ai_tokens', 10, '2026-03-04T23:30:00-02:00'),
    at('red', 'r5', 'ai_tokens', 5, '2026-03-05T23:59:59Z'),
    // Credits are decimals: 0.1 + 0.2 is exactly 0.3, unlike in floating-point numbers.
    at('red', 'r6', 'ai_credits', 0.1, '2026-03-05T01:00:00Z'),
    at('blue', 'b3', 'ai_credits', '0.2', '2026-03-05T01:00:00Z'),
    // A copy of r4, a conflict with r4, and a copy of r4 with a timestamp in another month: none of them counts.
    at('red', 'r4', 'ai_tokens', '10.0', '2026-03-04T23:30:00-02:00'),
    at('red', 'r4', 'ai_tokens', 11, '2026-03-04T23:30:00-02:00'),
    at('red', 'r4', 'ai_tokens', 10, '2026-02-01T00:00:00Z'),
    // The same id in the other project is another event.
    at('blue', 'r4', 'ai_tokens', 1000, '2026-03-05T00:00:00Z'),
  ])
  expect(answer.body).toMatchObject({ accepted: '10', duplicates: '2', rejected: [{ index: '10', event_id: 'r4', reason: 'conflict' }] })

  const red = await client.projectUsage(partner, 'red', '2026-03-01', '2026-03-31')
  expect(red.body.project).toEqual({ id: 'red', name: 'red', status: 'active', last_activity_at: '2026-03-05T23:59:59Z' })
  expect(red.body.period).toEqual({ start: '2026-03-01T00:00:00Z', end: '2026-03-31T23:59:59Z' })
  expect(red.body.summary).toMatchObject({ max_database_size_bytes: '700', total_ai_tokens: '15', total_ai_credits: '0.1', total_mcp_calls: '0' })
  expect(
    red.body.daily_usage.map((day: Record<string, string>) => [day['usage_date'], day['database_size_bytes'], day['ai_tokens'], day['ai_credits']]),
  ).toEqual([
    ['2026-03-03', '700', '0', '0'],
    ['2026-03-04', '600', '0', '0'],
    ['2026-03-05', '0', '15', '0.1'],
  ])

  // Peak: max(800, 950) = 950, and not 700 + 350. Tokens 15 + 1000. Credits 0.1 + 0.2.
  const expected = {
    database_bytes: '950',
    storage_bytes: '0',
    ai_tokens: '1015',
    mcp_calls: '0',
    egress_bytes: '0',
    ai_credits: '0.3',
    email_requests: '0',
    function_calls: '0',
    ec2_compute: '0',
  }
  const all = await client.partnershipUsage(partner, '2026-03-01', '2026-03-31')
  expect(all.body.summary).toEqual(expected)
  expect(all.body).toMatchObject({ partnership: { id: partner.partnerId, name: 'Hand & Co' }, billing_status: 'provisional' })

  // A deleted project is still billed.
  expect((await client.partner(partner, 'DELETE', '/blue')).status).toBe(200)
  expect((await client.partnershipUsage(partner, '2026-03-01', '2026-03-31')).body.summary).toEqual(expected)
  expect((await client.projectUsage(partner, 'blue', '2026-03-01', '2026-03-31')).body.project.status).toBe('deleted')
  expect((await client.audit()).body).toMatchObject({ differences: [], events_recounted: '10' })
})
