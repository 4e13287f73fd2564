import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Answer, Credentials } from '../../support/clients/client.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

const JANUARY = 'start_date=2026-01-01&end_date=2026-01-31'

let tested: TestService
let partner: Credentials
let finance: string
beforeAll(async () => {
  tested = await startTestService()
  const { client } = tested
  await client.createIngestKey()
  partner = await client.createPartner('Read by finance')
  for (const id of ['a', 'b', 'c']) await client.registerProject(id, partner.partnerId)
  await client.registerProject('foreign', (await client.createPartner('Another')).partnerId)
  await client.send([
    event('a', 'database_size_bytes', '2026-01-10', 2),
    event('a', 'database_size_bytes', '2026-01-11', 1),
    event('b', 'database_size_bytes', '2026-01-11', '3.000000001'),
    event('b', 'ai_tokens', '2026-01-12', 7),
    event('foreign', 'ai_tokens', '2026-01-12', 1_000),
  ])
  await client.partner(partner, 'DELETE', '/b')
  finance = (await client.admin('POST', '/admin/v1/tokens', { role: 'finance' })).body.token
})
afterAll(() => tested.stop())

let events = 0
function event(project_id: string, metric: string, day: string, value: number | string) {
  events += 1
  return { event_id: `e${events}`, project_id, metric, value, timestamp: `${day}T12:00:00Z` }
}

const byFinance = (path: string) => tested.client.call('GET', `/admin/v1${path}`, { headers: { authorization: `Bearer ${finance}` } })
const byPartner = (path: string) => tested.client.partner(partner, 'GET', path)
const withoutAsOf = ({ status, body, text }: Answer) => ({ status, body: { ...body, as_of: '' }, text: text.replace(/"as_of":"[^"]*"/, '') })

describe('finance reads the same bytes as the partner', () => {
  test.each([
    ['usage', `/usage?${JANUARY}`],
    ['usage per day', `/usage?${JANUARY}&include=daily`],
    ['projects', `/projects?${JANUARY}`],
    ['projects with what they contributed to the peaks', `/projects?${JANUARY}&include=on_peak_days&sort=-max_database_size_bytes`],
    ['a search', `/projects?${JANUARY}&search=B`],
  ])('%s', async (_, path) => {
    const own = await byPartner(path)
    expect(own.status).toBe(200)
    expect(withoutAsOf(await byFinance(`/partners/${partner.partnerId}${path}`))).toEqual(withoutAsOf(own))
  })

  test.each(['a', 'b'])('a project, deleted or not: %s', async (project) => {
    const own = await byPartner(`/${project}/usage?${JANUARY}`)
    expect([own.status, own.body.daily_usage.length]).toEqual([200, 2])
    expect(withoutAsOf(await byFinance(`/projects/${project}/usage?${JANUARY}`))).toEqual(withoutAsOf(own))
  })

  test('page by page', async () => {
    const ids: string[] = []
    for (let cursor: string | null = ''; cursor !== null; ) {
      const { body } = await byFinance(`/partners/${partner.partnerId}/projects?${JANUARY}&limit=1${cursor === '' ? '' : `&cursor=${cursor}`}`)
      ids.push(...body.projects.map(({ id }: { id: string }) => id))
      cursor = body.next_cursor
    }
    expect(ids).toEqual(['a', 'b', 'c'])
  })
})

test('a disabled partner can still be read: its usage is billed', async () => {
  const { partnerId } = await tested.client.createPartner('Disabled')
  await tested.client.admin('PATCH', `/admin/v1/partners/${partnerId}`, { disabled: true })
  for (const path of ['usage', 'projects']) expect((await byFinance(`/partners/${partnerId}/${path}`)).status).toBe(200)
})

test('what does not exist is 404, and a wrong period is named', async () => {
  for (const path of ['usage', 'projects']) {
    expect((await byFinance(`/partners/ps_AAAAAAAAAAAA/${path}`)).body).toMatchObject({ code: 'PARTNER_NOT_FOUND' })
    expect((await byFinance(`/partners/${partner.partnerId}/${path}?start_date=2026-02-30`)).body).toMatchObject({ code: 'PERIOD_INVALID' })
  }
  expect((await byFinance('/projects/nothing/usage')).body).toMatchObject({ code: 'PROJECT_NOT_FOUND' })
  expect((await byFinance(`/projects/a/usage?start_date=2026-02-30`)).body).toMatchObject({ code: 'PERIOD_INVALID' })
})

test('P6: when usage cannot be read, finance gets an error and no zeros', async () => {
  const { control } = tested.service.clickhouse
  await control.command('RENAME TABLE project_usage_per_day_v1 TO project_usage_away')
  const paths = [`/partners/${partner.partnerId}/projects`, '/projects/a/usage']
  // A period of its own: what was read before may be remembered, and is right.
  const answers = await Promise.all(paths.map((path) => byFinance(`${path}?start_date=2026-01-02&end_date=2026-01-30`)))
  await control.command('RENAME TABLE project_usage_away TO project_usage_per_day_v1')
  for (const { status, body } of answers) expect([status >= 500, body.summary, body.projects]).toEqual([true, undefined, undefined])
})
