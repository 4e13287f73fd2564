import { afterAll, beforeAll, expect, test } from 'vitest'
import { ProjectSenders } from '../../../registry/projects/project-senders.ts'
import type { TestEvent } from '../../support/clients/client.ts'
import { runMeterline } from '../../support/engines/service-process.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

const TODAY_MS = Date.parse(`${new Date().toISOString().slice(0, 10)}T00:00:00Z`)

let tested: TestService
let keyIds: string[]
beforeAll(async () => {
  tested = await startTestService()
  const { client } = tested
  const ours = await client.createPartner('Ours')
  for (const id of ['shop-production', 'shop_production2', 'p1', 'deleted']) await client.registerProject(id, ours.partnerId)
  await client.partner(ours, 'DELETE', '/deleted')
  await client.createIngestKey('first')
  await client.send([
    ...used('shop-production', 0, 3),
    ...used('deleted', 0, 3),
    // One character too many, in another case; and two days of two metrics.
    ...used('Shop-Productions', 1, 2),
    ...used('Shop-Productions', 1, 2, 'mcp_calls'),
    // Two neighbours exchanged.
    ...used('shop-prodcution', 0, 0),
    ...used('like-nothing', 5, 5),
    ...used('long-ago', 31, 31),
  ])
  await client.createIngestKey('second')
  await client.send(used('like-nothing', 0, 0))
  const { body } = await client.admin('GET', '/admin/v1/ingest-keys')
  keyIds = body.ingest_keys.map(({ id }: { id: string }) => id)
})
afterAll(() => tested.stop())

/** One event per day, from `most` days ago to `fewest` days ago. */
function used(project_id: string, fewest: number, most: number, metric = 'ai_tokens'): TestEvent[] {
  return Array.from({ length: most - fewest + 1 }, (_, index) => {
    const ago = fewest + index
    return { event_id: `${metric}-${ago}`, project_id, metric, value: 1, timestamp: `${dayAgo(ago)}T00:00:00Z` }
  })
}

function dayAgo(days: number): string {
  return new Date(TODAY_MS - days * 86_400_000).toISOString().slice(0, 10)
}

const list = async (query = '') => (await tested.client.admin('GET', `/admin/v1/unregistered-projects${query}`)).body

test('usage of projects that nobody registered is listed, with its emitters and the ids that look alike', async () => {
  const [first, second] = keyIds
  const day = (ago: number) => ({ first_day: dayAgo(ago), last_day: dayAgo(ago), last_event_at: `${dayAgo(ago)}T00:00:00Z` })
  expect(await list()).toEqual({
    projects: [
      {
        ...{ id: 'Shop-Productions', events: '4', days: '2', ...day(1), first_day: dayAgo(2) },
        ...{ ingest_key_ids: [first], similar_project_ids: ['shop-production', 'shop_production2'] },
      },
      { id: 'like-nothing', events: '2', days: '2', ...day(0), first_day: dayAgo(5), ingest_key_ids: [first, second].sort(), similar_project_ids: [] },
      { id: 'shop-prodcution', events: '1', days: '1', ...day(0), ingest_key_ids: [first], similar_project_ids: ['shop-production'] },
    ],
    next_cursor: null,
  })
})

test('more days list more, and a page is of the days of the first one', async () => {
  const idsOf = async (query: string) => (await list(query)).projects.map(({ id }: { id: string }) => id)
  expect(await idsOf('?days=32')).toEqual(['Shop-Productions', 'like-nothing', 'long-ago', 'shop-prodcution'])
  expect(await idsOf('?days=1')).toEqual(['like-nothing', 'shop-prodcution'])
  const { next_cursor } = await list('?days=1&limit=1')
  expect((await list(`?days=2&limit=1&cursor=${next_cursor}`)).code).toBe('CURSOR_INVALID')
})

test('the command "unregistered" lists them', async () => {
  const environment = { METERLINE_URL: tested.service.url, METERLINE_ACCESS_TOKEN: tested.service.adminToken }
  const { stdout } = await runMeterline(['--json', 'unregistered', '--limit', '2'], environment)
  expect(JSON.parse(stdout).projects.map(({ id }: { id: string }) => id)).toEqual(['Shop-Productions', 'like-nothing'])
})

test('P6: a store that cannot be read is an error, never an empty list', async () => {
  const { control } = tested.service.clickhouse
  await control.command('RENAME TABLE project_usage_per_day_v1 TO table_away')
  const { status, body } = await tested.client.admin('GET', '/admin/v1/unregistered-projects')
  await control.command('RENAME TABLE table_away TO project_usage_per_day_v1')
  expect(status).toBeGreaterThanOrEqual(500)
  expect(body.projects).toBeUndefined()
})

test('the ingest keys of projects are stored for other processes, and the memory for them is bounded', async () => {
  const { clickhouse } = tested.service
  const senders = new ProjectSenders(clickhouse, { pairsMax: 2 })
  for (const project of ['x-1', 'x-2', 'x-3', 'x-1']) senders.note('key-a', project)
  await senders.store()
  // The third had no room; it is noted with its next event.
  for (const project of ['x-3', 'x-3']) senders.note('key-a', project)
  senders.note('key-b', 'x-1')
  await senders.store()
  const another = new ProjectSenders(clickhouse)
  expect(Object.fromEntries(await another.of(['x-1', 'x-2', 'x-3', 'x-4'], 10))).toEqual({
    'x-1': ['key-a', 'key-b'],
    'x-2': ['key-a'],
    'x-3': ['key-a'],
    'x-4': [],
  })
  expect((await another.of(['x-1'], 1)).get('x-1')).toEqual(['key-a'])
})

test('registering a project takes it off the list, and /metrics counts what is on it', async () => {
  const metrics = async () => (await tested.client.call('GET', '/metrics')).text
  expect(await metrics()).toMatch(/^meterline_unregistered_projects \d+$/m)
  const { partnerId } = await tested.client.createPartner('Later')
  await tested.client.registerProject('like-nothing', partnerId)
  expect((await list()).projects).toHaveLength(2)
})
