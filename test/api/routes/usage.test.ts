import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { METRIC_NAMES, METRICS } from '../../../metering/metrics.ts'
import type { Credentials } from '../../support/clients/client.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

let tested: TestService
let ours: Credentials
let theirs: Credentials
beforeAll(async () => {
  tested = await startTestService()
  const { client } = tested
  ours = await client.createPartner('Ours')
  theirs = await client.createPartner('Theirs')
  await client.createIngestKey()
  await client.registerProject('shape', ours.partnerId)
  await client.registerProject('foreign', theirs.partnerId)
  await client.send([event('shape', 'e1', '2026-01-15T12:00:00.250Z'), event('foreign', 'e1', '2026-01-15T12:00:00Z')])
})
afterAll(() => tested.stop())

const event = (project_id: string, event_id: string, timestamp: string, value = 5) => ({ event_id, project_id, metric: 'ai_tokens', value, timestamp })
const dayOf = (ms: number) => new Date(ms).toISOString().slice(0, 10)

describe('answers have exactly the documented keys', () => {
  test('usage of a project has exactly the documented keys', async () => {
    const { status, body } = await tested.client.projectUsage(ours, 'shape', '2026-01-10', '2026-01-18')
    expect(status).toBe(200)
    expect(Object.keys(body).sort()).toEqual(['as_of', 'billing_status', 'daily_usage', 'period', 'project', 'summary'])
    expect(body.project).toEqual({ id: 'shape', name: 'shape', status: 'active', last_activity_at: '2026-01-15T12:00:00.250Z' })
    expect(body.period).toEqual({ start: '2026-01-10T00:00:00Z', end: '2026-01-18T23:59:59Z' })
    expect(Object.keys(body.summary)).toEqual(METRIC_NAMES.map((metric) => METRICS[metric].projectSummaryName))
    expect(Object.keys(body.daily_usage[0])).toEqual(['usage_date', ...METRIC_NAMES])
    expect(body.billing_status).toBe('provisional')
    expect(Date.parse(body.as_of)).toBeLessThanOrEqual(Date.now())
  })

  test('usage of the partnership has exactly the documented keys', async () => {
    const { body } = await tested.client.partnershipUsage(ours, '2026-01-01', '2026-01-31')
    expect(Object.keys(body).sort()).toEqual(['as_of', 'billing_status', 'partnership', 'period', 'summary'])
    expect(body.partnership).toEqual({ id: ours.partnerId, name: 'Ours' })
    expect(Object.keys(body.summary)).toEqual(METRIC_NAMES.map((metric) => METRICS[metric].partnershipName))
  })

  test('quantities are plain JSON numbers', async () => {
    const { text } = await tested.client.partnershipUsage(ours, '2026-01-01', '2026-01-31')
    expect(text).toContain('"ai_tokens":5,"mcp_calls":0')
    expect(JSON.parse(text).summary.ai_tokens).toBe(5)
  })

  test('a project without events has no days, zero totals and no last activity', async () => {
    await tested.client.registerProject('empty', ours.partnerId)
    const { body } = await tested.client.projectUsage(ours, 'empty', '2026-01-01', '2026-01-31')
    expect(body.daily_usage).toEqual([])
    expect(body.project.last_activity_at).toBeNull()
    expect(new Set(Object.values(body.summary))).toEqual(new Set(['0']))
  })
})

describe('periods', () => {
  test('a period starts by default seven days before its end, and ends by default today', async () => {
    const now = Date.now()
    const { body } = await tested.client.partner(ours, 'GET', '/shape/usage')
    expect(body.period).toEqual({ start: `${dayOf(now - 7 * 86_400_000)}T00:00:00Z`, end: `${dayOf(now)}T23:59:59Z` })
    const ended = await tested.client.partner(ours, 'GET', '/usage?end_date=2025-03-02')
    expect(ended.body.period).toEqual({ start: '2025-02-23T00:00:00Z', end: '2025-03-02T23:59:59Z' })
  })

  test('a period may end in the future and have up to 366 days', async () => {
    expect((await tested.client.partnershipUsage(ours, '2027-12-01', '2027-12-31')).body.period.end).toBe('2027-12-31T23:59:59Z')
    expect((await tested.client.partnershipUsage(ours, '2024-01-01', '2024-12-31')).status).toBe(200)
  })

  for (const [from, to, problem] of [
    ['2026-02-30', '2026-03-01', 'start_date "2026-02-30"'],
    ['2026-2-3', '2026-03-01', 'start_date "2026-2-3"'],
    ['2026-03-01', 'yesterday', 'end_date "yesterday"'],
    ['2026-03-02', '2026-03-01', 'is after end_date'],
    ['2025-01-01', '2026-01-02', 'at most 366 days'],
    ['0001-01-01', '2026-01-02', 'start_date "0001-01-01"'],
  ] as const) {
    test(`the period ${from} to ${to} is rejected with 400 and the reason`, async () => {
      for (const path of ['/usage', '/shape/usage']) {
        const { status, body } = await tested.client.partner(ours, 'GET', `${path}?start_date=${from}&end_date=${to}`)
        expect([status, body.code]).toEqual([400, 'PERIOD_INVALID'])
        expect(body.message).toContain(problem)
      }
    })
  }

  test('a period includes its first and last UTC day and nothing outside them', async () => {
    await tested.client.registerProject('edges', ours.partnerId)
    await tested.client.send([
      event('edges', 'before', '2026-04-30T23:59:59.999Z', 1),
      event('edges', 'first', '2026-05-01T00:00:00Z', 10),
      event('edges', 'last', '2026-05-03T01:59:59+02:00', 100),
      event('edges', 'after', '2026-05-02T23:00:00-01:00', 1000),
    ])
    const { body } = await tested.client.projectUsage(ours, 'edges', '2026-05-01', '2026-05-02')
    expect(body.daily_usage.map((day: Record<string, string>) => [day['usage_date'], day['ai_tokens']])).toEqual([
      ['2026-05-01', '10'],
      ['2026-05-02', '100'],
    ])
    expect(body.summary.total_ai_tokens).toBe('110')
  })

  test('an unknown query parameter is rejected by name', async () => {
    const { status, body } = await tested.client.partner(ours, 'GET', '/usage?start=2026-01-01')
    expect([status, body.code]).toEqual([400, 'INVALID_REQUEST'])
    expect(body.message).toContain('"start"')
  })
})

describe('P5: partners never see each other', () => {
  const answerOf = ({ status, body }: { status: number; body: { request_id: string } }) => ({ status, body: { ...body, request_id: '' } })

  test("P5: another partner's project gets the same answer as one that does not exist", async () => {
    const foreign = await tested.client.projectUsage(ours, 'foreign', '2026-01-01', '2026-01-31')
    const nothing = await tested.client.projectUsage(ours, 'nothing', '2026-01-01', '2026-01-31')
    expect(answerOf(foreign)).toEqual(answerOf(nothing))
    expect(foreign.status).toBe(404)
    expect(answerOf(await tested.client.partner(ours, 'DELETE', '/foreign'))).toEqual(answerOf(await tested.client.partner(ours, 'DELETE', '/nothing')))
    expect((await tested.client.projectUsage(theirs, 'foreign', '2026-01-01', '2026-01-31')).body.project.status).toBe('active')
  })

  test('P5: an unknown partner, a wrong secret and the secret of another partner get the same answer', async () => {
    const attempts = [
      { partnerId: 'ps_unknown', secret: ours.secret },
      { partnerId: ours.partnerId, secret: 'mls_wrong' },
      { partnerId: ours.partnerId, secret: theirs.secret },
    ]
    const answers = await Promise.all(attempts.map((each) => tested.client.partnershipUsage(each, '2026-01-01', '2026-01-31')))
    for (const answer of answers) expect(answerOf(answer)).toEqual(answerOf(answers[0] as never))
    expect(answers[0]?.status).toBe(401)
  })

  test('P5: the usage of a partnership is the sum of its own projects only', async () => {
    expect((await tested.client.partnershipUsage(theirs, '2026-01-01', '2026-01-31')).body.summary.ai_tokens).toBe('5')
  })
})

describe('registration and deletion', () => {
  test('usage that arrived before its project was registered counts from the registration on', async () => {
    await tested.client.send([event('late-born', 'e', '2026-06-01T00:00:00Z', 42)])
    expect((await tested.client.partnershipUsage(ours, '2026-06-01', '2026-06-30')).body.summary.ai_tokens).toBe('0')
    await tested.client.registerProject('late-born', ours.partnerId)
    expect((await tested.client.partnershipUsage(ours, '2026-06-01', '2026-06-30')).body.summary.ai_tokens).toBe('42')
  })

  test('a deleted project keeps its name and usage, and events that still arrive for it count', async () => {
    await tested.client.registerProject('gone', ours.partnerId)
    await tested.client.send([event('gone', 'e1', '2026-07-01T00:00:00Z', 1)])
    expect((await tested.client.partner(ours, 'DELETE', '/gone')).body).toEqual({ message: 'Project deleted successfully', requestId: expect.any(String) })
    await tested.client.send([event('gone', 'e2', '2026-07-02T00:00:00Z', 2)])
    const { body } = await tested.client.projectUsage(ours, 'gone', '2026-07-01', '2026-07-31')
    expect(body).toMatchObject({ project: { name: 'gone', status: 'deleted' }, summary: { total_ai_tokens: '3' } })
    expect((await tested.client.partnershipUsage(ours, '2026-07-01', '2026-07-31')).body.summary.ai_tokens).toBe('3')
    expect((await tested.client.partner(ours, 'DELETE', '/gone')).status).toBe(404)
  })

  test('project ids of 128 characters work on every route', async () => {
    const id = `A.z_0:9-${'q'.repeat(120)}`
    expect((await tested.client.registerProject(id, ours.partnerId)).status).toBe(201)
    await tested.client.send([event(id, 'i'.repeat(128), '2026-08-01T00:00:00Z', 7)])
    expect((await tested.client.projectUsage(ours, id, '2026-08-01', '2026-08-31')).body.summary.total_ai_tokens).toBe('7')
    expect((await tested.client.audit({ project_id: id })).body).toMatchObject({ events_recounted: '1', differences: [] })
    expect((await tested.client.partner(ours, 'DELETE', `/${id}`)).status).toBe(200)
  })
})

test('P6: usage that cannot be read is an error, never a number', async () => {
  const { control } = tested.service.clickhouse
  // A partnership's days may have been materialized meanwhile.
  await control.command('RENAME TABLE project_usage_per_day_v1 TO project_usage_away, partnership_usage_per_day_v1 TO partnership_usage_away')
  // A period in which nothing was ever stored is answered without a read of the usage, so this one has an event.
  const january = '?start_date=2026-01-01&end_date=2026-01-31'
  for (const path of [`/usage${january}`, `/shape/usage${january}`]) {
    const { status, body } = await tested.client.partner(ours, 'GET', path)
    expect(status).toBeGreaterThanOrEqual(500)
    expect(Object.keys(body).sort()).toEqual(['code', 'message', 'request_id', 'success'])
  }
  await control.command('RENAME TABLE project_usage_away TO project_usage_per_day_v1, partnership_usage_away TO partnership_usage_per_day_v1')
})
