import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { METRIC_NAMES, METRICS } from '../../../metering/metrics.ts'
import type { Answer, Credentials } from '../../support/clients/client.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

let tested: TestService
let ours: Credentials
let theirs: Credentials
beforeAll(async () => {
  tested = await startTestService()
  const { client } = tested
  await client.createIngestKey()
  ours = await client.createPartner('Ours')
  theirs = await client.createPartner('Theirs')
  await client.registerProject('p1', ours.partnerId, { name: 'Beta shop', region: 'eu-west', instance_type: 'micro' })
  await client.registerProject('p2', ours.partnerId, { name: 'alpha' })
  await client.registerProject('p3', ours.partnerId, { name: 'Gamma SHOP', status: 'paused' })
  await client.registerProject('p4', ours.partnerId, { name: 'delta' })
  await client.registerProject('foreign', theirs.partnerId, { name: 'alpha of another' })
  await client.send([
    event('p1', 'ai_tokens', '2026-01-10', 5),
    event('p1', 'ai_tokens', '2026-01-12', '7.25'),
    event('p1', 'database_size_bytes', '2026-01-10', 300),
    event('p1', 'database_size_bytes', '2026-01-12', 200),
    // Sorted as text, 9 would come after 10 and 12.25.
    event('p2', 'ai_tokens', '2026-01-10', 9),
    event('p4', 'ai_tokens', '2026-01-31', 10),
    // Outside the period.
    event('p4', 'ai_tokens', '2026-02-01', 1_000),
    event('foreign', 'ai_tokens', '2026-01-10', 1_000_000),
  ])
  await client.registerProject('p4', ours.partnerId, { name: 'delta', status: 'deleted', deleted_at: '2026-02-02T03:04:05Z' })
})
afterAll(() => tested.stop())

let events = 0
function event(project_id: string, metric: string, day: string, value: number | string) {
  events += 1
  return { event_id: `e${events}`, project_id, metric, value, timestamp: `${day}T12:00:00Z` }
}

const JANUARY = 'start_date=2026-01-01&end_date=2026-01-31'
const list = (query = '', who = ours) => tested.client.partner(who, 'GET', `/projects?${JANUARY}${query}`)
const idsOf = ({ body }: Answer): string[] => body.projects.map(({ id }: { id: string }) => id)

test('the list contains every project with its usage of the period, including deleted projects', async () => {
  const { status, body } = await list()
  expect(status).toBe(200)
  expect(Object.keys(body).sort()).toEqual(['as_of', 'billing_status', 'next_cursor', 'period', 'projects', 'total'])
  expect(body.period).toEqual({ start: '2026-01-01T00:00:00Z', end: '2026-01-31T23:59:59Z' })
  expect(body.next_cursor).toBeNull()
  const none = Object.fromEntries(METRIC_NAMES.map((metric) => [METRICS[metric].projectSummaryName, '0']))
  const common = { status: 'active', deleted_at: null, region: 'us-east', instance_type: 'nano' }
  expect(body.projects).toEqual([
    { ...common, id: 'p2', name: 'alpha', last_activity_at: '2026-01-10T12:00:00Z', summary: { ...none, total_ai_tokens: '9' } },
    {
      ...common,
      id: 'p1',
      name: 'Beta shop',
      region: 'eu-west',
      instance_type: 'micro',
      last_activity_at: '2026-01-12T12:00:00Z',
      summary: { ...none, total_ai_tokens: '12.25', max_database_size_bytes: '300' },
    },
    {
      ...common,
      id: 'p4',
      name: 'delta',
      status: 'deleted',
      deleted_at: '2026-02-02T03:04:05Z',
      last_activity_at: '2026-02-01T12:00:00Z',
      summary: { ...none, total_ai_tokens: '10' },
    },
    { ...common, id: 'p3', name: 'Gamma SHOP', status: 'paused', last_activity_at: null, summary: none },
  ])
  expect(Object.keys(body.projects[0])).toEqual(['id', 'name', 'status', 'deleted_at', 'region', 'instance_type', 'last_activity_at', 'summary'])
})

test('the summary of each listed project equals the summary of its own usage', async () => {
  for (const project of (await list()).body.projects) {
    expect(project.summary).toEqual((await tested.client.projectUsage(ours, project.id, '2026-01-01', '2026-01-31')).body.summary)
  }
})

test('with include=on_peak_days each project says what it contributed to the peaks of the partnership', async () => {
  const plain = await list()
  const { status, body } = await list('&include=on_peak_days')
  expect([status, Object.keys(body)]).toEqual([200, ['projects', 'next_cursor', 'total', 'period', 'peak_days', 'as_of', 'billing_status']])
  expect(body.peak_days).toEqual({ database_bytes: '2026-01-10', storage_bytes: null })
  const onPeakDays = (size: string) => ({ max_database_size_bytes: size, max_file_storage_bytes: '0' })
  expect(body.projects).toEqual(
    plain.body.projects.map((project: { id: string }) => ({ ...project, on_peak_days: onPeakDays(project.id === 'p1' ? '300' : '0') })),
  )
  // The peak days are those of the partnership, also for a part of its projects and a page without any.
  for (const query of ['&search=gamma', '&search=nothing']) expect((await list(`${query}&include=on_peak_days`)).body.peak_days).toEqual(body.peak_days)
  expect((await list('&include=daily')).status).toBe(400)
  // A cursor is for both, because the order is the same.
  const { next_cursor } = (await list('&limit=1')).body
  expect((await list(`&limit=1&include=on_peak_days&cursor=${next_cursor}`)).body.projects[0].on_peak_days).toEqual(onPeakDays('300'))
})

test('the list can be filtered by status, and by a part of the name or the id, ignoring case', async () => {
  expect(idsOf(await list('&status=deleted'))).toEqual(['p4'])
  expect(idsOf(await list('&status=active'))).toEqual(['p2', 'p1'])
  expect(idsOf(await list('&region=eu-west'))).toEqual(['p1'])
  expect(idsOf(await list('&region=us-west'))).toEqual([])
  expect(idsOf(await list('&search=sHoP'))).toEqual(['p1', 'p3'])
  expect(idsOf(await list('&search=P2'))).toEqual(['p2'])
  expect(idsOf(await list('&search=shop&status=paused'))).toEqual(['p3'])
  // The special characters of patterns match themselves only.
  for (const search of ['%25', '%00', '_', '.*', "'", '\\', 'nothing']) expect(idsOf(await list(`&search=${search}`))).toEqual([])
})

test('the list can be sorted by every order in both directions, and ties are sorted by id', async () => {
  const orders: Record<string, string[]> = {
    name: ['p2', 'p1', 'p4', 'p3'],
    '-name': ['p3', 'p4', 'p1', 'p2'],
    created_at: ['p1', 'p2', 'p3', 'p4'],
    '-created_at': ['p4', 'p3', 'p2', 'p1'],
    last_activity_at: ['p3', 'p2', 'p1', 'p4'],
    '-last_activity_at': ['p4', 'p1', 'p2', 'p3'],
    total_ai_tokens: ['p3', 'p2', 'p4', 'p1'],
    '-total_ai_tokens': ['p1', 'p4', 'p2', 'p3'],
    max_database_size_bytes: ['p2', 'p3', 'p4', 'p1'],
    '-max_database_size_bytes': ['p1', 'p2', 'p3', 'p4'],
  }
  for (const [sort, ids] of Object.entries(orders)) {
    expect([sort, idsOf(await list(`&sort=${sort}`))]).toEqual([sort, ids])
    expect([sort, await walk(`&sort=${sort}&limit=1`)]).toEqual([sort, ids])
  }
})

test('names with quotes, backslashes and characters beyond ASCII can be paged and searched', async () => {
  const partner = await tested.client.createPartner('Names')
  for (const [id, name] of [
    ['n1', 'Ärger "quoted" \\ back'],
    ['n2', '東京'],
    ['n3', "it's"],
  ] as const)
    await tested.client.registerProject(id, partner.partnerId, { name })
  expect((await walk('&limit=1', partner)).sort()).toEqual(['n1', 'n2', 'n3'])
  expect(idsOf(await list(`&search=${encodeURIComponent('äRGER')}`, partner))).toEqual(['n1'])
})

test('the pages list each project once, also when projects are registered between two pages', async () => {
  const partner = await tested.client.createPartner('Many')
  const before = Array.from({ length: 11 }, (_, index) => `many-${String(index).padStart(2, '0')}`)
  for (const id of before) await tested.client.registerProject(id, partner.partnerId)
  for (const sort of ['name', '-created_at', 'created_at', 'total_mcp_calls']) {
    let registered = 0
    const listed = await walk(`&sort=${sort}&limit=3`, partner, async () => {
      registered += 1
      // They sort before the page, in the middle of the list, and after it. Only twice: a list by creation would never end.
      for (const place of registered > 2 ? [] : ['a', 'many-07x', 'zz'])
        await tested.client.registerProject(`${place}${sort}${registered}`.replaceAll('_', '.'), partner.partnerId)
    })
    expect(registered).toBeGreaterThan(2)
    expect([sort, new Set(listed).size]).toEqual([sort, listed.length])
    expect([sort, before.filter((id) => !listed.includes(id))]).toEqual([sort, []])
  }
})

describe('P5: partners are isolated', () => {
  test('P5: projects of another partner are not listed or found, and a cursor of the other partner is rejected', async () => {
    expect(idsOf(await list('&search=foreign'))).toEqual([])
    expect(idsOf(await list('&search=alpha'))).toEqual(['p2'])
    for (const sort of ['name', 'total_ai_tokens', 'last_activity_at']) expect(idsOf(await list(`&sort=${sort}`))).not.toContain('foreign')
    expect(idsOf(await list('', theirs))).toEqual(['foreign'])
    await tested.client.registerProject('foreign-2', theirs.partnerId)
    const cursor = (await list('&limit=1', theirs)).body.next_cursor
    expect((await list(`&limit=1&cursor=${cursor}`)).body.code).toBe('CURSOR_INVALID')
  })

  test('P5: a request with another partner’s secret is rejected with 401', async () => {
    expect((await list('', { ...ours, secret: theirs.secret })).status).toBe(401)
    expect((await list('', { partnerId: 'ps_unknown', secret: ours.secret })).status).toBe(401)
  })
})

test('a cursor is rejected when it is invalid or belongs to another order, filter or period', async () => {
  const { next_cursor: cursor } = (await list('&limit=1&sort=name')).body
  expect((await list(`&limit=3&sort=name&cursor=${cursor}`)).status).toBe(200)
  const forged = Buffer.from(JSON.stringify(['x', 'k', 'i', '2026-01-01', '2026-01-31'])).toString('base64url')
  for (const query of [
    `&sort=-name&cursor=${cursor}`,
    `&sort=total_ai_tokens&cursor=${cursor}`,
    `&status=active&cursor=${cursor}`,
    `&search=a&cursor=${cursor}`,
    `&region=us-east&cursor=${cursor}`,
    '&cursor=nonsense',
    '&cursor=',
    `&cursor=${forged}`,
  ]) {
    const { status, body } = await list(query)
    expect([query, status, body.code]).toEqual([query, 400, 'CURSOR_INVALID'])
    expect(body.message).toContain('first page')
  }
  expect((await tested.client.partner(ours, 'GET', `/projects?start_date=2026-01-02&end_date=2026-01-31&cursor=${cursor}`)).body.code).toBe('CURSOR_INVALID')
})

test('a forged cursor is rejected with 400, and one of a list that the store has dropped says so', async () => {
  const page = async (query: string) => (await list(`&sort=total_ai_tokens&limit=1${query}`)).body
  const { next_cursor: first } = await page('')
  const { next_cursor: second } = await page(`&cursor=${first}`)
  const [fingerprint, from, to, start] = JSON.parse(Buffer.from(first, 'base64url').toString('utf8'))
  const [, , , walk] = JSON.parse(Buffer.from(second, 'base64url').toString('utf8'))
  const withPlace = (place: unknown) => `&cursor=${Buffer.from(JSON.stringify([fingerprint, from, to, place])).toString('base64url')}`
  for (const forged of [[], 'x', ['start'], start.with(1, -1), start.with(2, 'x'), start.with(3, 7), walk.with(2, "x'"), walk.with(3, -1), walk.with(4, 1.5)])
    expect([forged, (await page(withPlace(forged))).code]).toEqual([forged, 'CURSOR_INVALID'])
  const dropped = await page(withPlace(walk.with(2, '00000000-0000-4000-8000-000000000000')))
  expect(dropped).toMatchObject({ code: 'CURSOR_INVALID', message: expect.stringContaining('more than a day ago') })
})

test('pages list every project that existed at the first one exactly once, in every order, whatever changes in between', async () => {
  const partner = await tested.client.createPartner('Changing')
  const before = Array.from({ length: 8 }, (_, index) => `changing-${index}`)
  const register = (projects: { id: string; name: string }[]) =>
    tested.client.admin('POST', '/admin/v1/projects/batch', { projects: projects.map((each) => ({ ...each, partner_id: partner.partnerId })) })
  await register(before.map((id) => ({ id, name: `m-${id}` })))
  let changes = 0
  const change = async () => {
    changes += 1
    // What was first becomes last and the other way round, by name, usage and activity; one is deleted and one is new.
    await register([
      ...before.map((id, index) => ({ id, name: `${(index + changes) % 2 === 0 ? 'a' : 'z'}-${changes}-${id}` })),
      { id: `new-${changes}`, name: changes % 2 === 0 ? `0-${changes}` : `zz-${changes}` },
    ])
    const used = before.filter((_, index) => (index + changes) % 2 === 0)
    await tested.client.send(used.map((id) => event(id, 'ai_tokens', `2026-01-${10 + changes}`, 1_000 * changes)))
    if (changes === 2) await tested.client.partner(partner, 'DELETE', '/changing-5')
  }
  for (const sort of ['name', '-name', '-created_at', '-last_activity_at', 'total_ai_tokens']) {
    const existing = (await walk('&limit=100', partner)).sort()
    const total = Number((await list(`&sort=${sort}&limit=1`, partner)).body.total)
    const listed = await walk(`&sort=${sort}&limit=5`, partner, change)
    expect([sort, total, [...listed].sort()]).toEqual([sort, existing.length, existing])
  }
})

describe('invalid parameters of the list of projects', () => {
  for (const [query, named] of [
    ['&limit=0', 'query.limit'],
    ['&limit=1001', 'query.limit'],
    ['&limit=ten', 'query.limit'],
    ['&sort=size', 'query.sort'],
    ['&sort=--name', 'query.sort'],
    ['&status=gone', 'query.status'],
    ['&region=moon', 'query.region'],
    [`&search=${'x'.repeat(129)}`, 'query.search'],
    ['&order=name', '"order"'],
  ] as const) {
    test(`the list of projects rejects ${query.slice(1, 20)} with 400 and names the parameter`, async () => {
      const { status, body } = await list(query)
      expect([status, body.code]).toEqual([400, 'INVALID_REQUEST'])
      expect(body.message).toContain(named)
    })
  }

  test('the list of projects rejects the same dates as usage does', async () => {
    for (const query of ['start_date=2026-02-30', 'start_date=2026-03-02&end_date=2026-03-01', 'start_date=2024-01-01&end_date=2026-01-01']) {
      expect((await tested.client.partner(ours, 'GET', `/projects?${query}`)).body.code).toBe('PERIOD_INVALID')
    }
  })
})

test('P6: when usage cannot be read, the list of projects is an error and not a list of zeros', async () => {
  const { control } = tested.service.clickhouse
  await control.command('RENAME TABLE project_usage_per_day_v1 TO project_usage_away')
  const { status, body } = await list()
  await control.command('RENAME TABLE project_usage_away TO project_usage_per_day_v1')
  expect(status).toBeGreaterThanOrEqual(500)
  expect(body.projects).toBeUndefined()
})

/** The ids of all pages, in order. */
async function walk(query: string, who = ours, between: () => Promise<void> = async () => {}): Promise<string[]> {
  const ids: string[] = []
  let cursor: string | null = null
  do {
    const page: Answer = await list(`${query}${cursor === null ? '' : `&cursor=${cursor}`}`, who)
    expect(page.status).toBe(200)
    ids.push(...idsOf(page))
    cursor = page.body.next_cursor
    if (cursor !== null) await between()
  } while (cursor !== null)
  return ids
}
