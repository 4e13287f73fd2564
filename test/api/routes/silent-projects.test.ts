import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Credentials, TestEvent } from '../../support/clients/client.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

const TODAY_MS = Date.parse(`${new Date().toISOString().slice(0, 10)}T00:00:00Z`)

let tested: TestService
let ours: Credentials
beforeAll(async () => {
  tested = await startTestService()
  const { client } = tested
  await client.createIngestKey()
  ours = await client.createPartner('Ours')
  for (const id of ['stopped', 'short', 'gap', 'gone', 'alive', 'yesterday', 'edge', 'left']) await client.registerProject(id, ours.partnerId)
  await client.send([
    // Seven days, the last of them the day before yesterday: yesterday was the one silent day.
    ...reported('stopped', 2, 8),
    // Another of its metrics continues on every day.
    ...reported('stopped', 0, 8, 'mcp_calls'),
    // Six days are not seven.
    ...reported('short', 2, 7),
    // Eight days with a gap of one day in the middle.
    ...reported('gap', 2, 5),
    ...reported('gap', 7, 10),
    // Deleted below.
    ...reported('gone', 2, 8),
    // Reports until today; until yesterday: today is not over.
    ...reported('alive', 0, 8),
    ...reported('yesterday', 1, 8),
    // Not registered; silent for nine days.
    ...reported('orphan', 10, 30),
    // Sixty silent days, and sixty-one.
    ...reported('edge', 61, 67),
    ...reported('left', 62, 70),
  ])
  await client.partner(ours, 'DELETE', '/gone')
})
afterAll(() => tested.stop())

/** One event per day at noon, from `most` days ago to `fewest` days ago. Today's is at midnight, which is never in the future. */
function reported(project_id: string, fewest: number, most: number, metric = 'ai_tokens'): TestEvent[] {
  return Array.from({ length: most - fewest + 1 }, (_, index) => {
    const ago = fewest + index
    return { event_id: `${metric}-${ago}`, project_id, metric, value: 1, timestamp: `${dayAgo(ago)}T${ago === 0 ? '00' : '12'}:00:00Z` }
  })
}

function dayAgo(days: number): string {
  return new Date(TODAY_MS - days * 86_400_000).toISOString().slice(0, 10)
}

const silent = (query = '') => tested.client.admin('GET', `/admin/v1/silent-projects${query}`)
const row = (project_id: string, lastAgo: number, partner_id: string | null = ours.partnerId) => ({
  project_id,
  partner_id,
  metric: 'ai_tokens',
  last_day: dayAgo(lastAgo),
  silent_days: String(lastAgo - 1),
  last_event_at: `${dayAgo(lastAgo)}T12:00:00Z`,
})

test('a project is listed when it sent a metric on each of seven days and then stopped, shortest silence first', async () => {
  const { status, body } = await silent()
  expect(status).toBe(200)
  expect(body).toEqual({ silent: [row('stopped', 2), row('orphan', 10, null), row('edge', 61)], truncated: false })
})

test('fewer required days list more projects, and more days list fewer', async () => {
  const idsOf = async (days: number) => (await silent(`?days=${days}`)).body.silent.map(({ project_id }: { project_id: string }) => project_id)
  expect(await idsOf(6)).toEqual(['short', 'stopped', 'orphan', 'edge'])
  expect(await idsOf(4)).toEqual(['gap', 'short', 'stopped', 'orphan', 'edge'])
  expect(await idsOf(1)).toEqual(['gap', 'short', 'stopped', 'orphan', 'edge'])
  expect(await idsOf(8)).toEqual(['orphan'])
  expect(await idsOf(21)).toEqual(['orphan'])
  expect(await idsOf(22)).toEqual([])
})

test('a project that sends the metric again is no longer listed', async () => {
  await tested.client.send(reported('orphan', 0, 0))
  expect((await silent()).body.silent.map(({ project_id }: { project_id: string }) => project_id)).toEqual(['stopped', 'edge'])
})

test('bad input is rejected with 400 and named, and a request without credentials with 401', async () => {
  for (const [query, named] of [
    ['?days=0', 'query.days'],
    ['?days=61', 'query.days'],
    ['?days=week', 'query.days'],
    ['?day=7', '"day"'],
  ] as const) {
    const { status, body } = await silent(query)
    expect([status, body.code]).toEqual([400, 'INVALID_REQUEST'])
    expect(body.message).toContain(named)
  }
  expect((await tested.client.call('GET', '/admin/v1/silent-projects')).status).toBe(401)
})

test('P6: a store that cannot be read is an error, never an empty list', async () => {
  const { control } = tested.service.clickhouse
  await control.command('RENAME TABLE project_usage_per_day_v1 TO table_away')
  const { status, body } = await silent()
  await control.command('RENAME TABLE table_away TO project_usage_per_day_v1')
  expect(status).toBeGreaterThanOrEqual(500)
  expect(body.silent).toBeUndefined()
})
