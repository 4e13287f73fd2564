import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Answer, Credentials } from '../../support/clients/client.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

/**
 * The partner API documentation, answer by answer: the examples below are its own. An answer has exactly the documented keys with
 * values of the documented kind; what the service tells beside (`as_of`, `billing_status`) stands at the top level only.
 */

let tested: TestService
let whiteLabel: Credentials
let coBranded: Credentials
let projectId: string
let userId: string
let brandedProjectId: string

beforeAll(async () => {
  tested = await startTestService()
  const { client } = tested
  await client.createIngestKey()
  whiteLabel = await client.createPartner('Partner Name')
  coBranded = await client.createPartner('Partner Name', 'co-branded')
  projectId = (await client.partner(whiteLabel, 'POST', '/sync-embedded-project', '{"project_name":"project-name"}')).body.project.id
  userId = (await client.partner(coBranded, 'POST', '/connect-user', '{"name":"John Doe","email":"john@example.com"}')).body.account.id
  brandedProjectId = (await client.partner(coBranded, 'POST', `/${userId}/sync-project`, '{"project_name":"my-project"}')).body.project.id
  const event = (metric: string, value: number | string, day: string) => ({
    event_id: `${metric} ${day}`,
    project_id: projectId,
    metric,
    value,
    timestamp: `${day}T10:30:00Z`,
  })
  await client.send([
    event('database_size_bytes', 1_048_576, '2025-11-10'),
    event('file_storage_bytes', 5_242_880, '2025-11-10'),
    event('ai_tokens', 1_500, '2025-11-10'),
    event('mcp_calls', 12, '2025-11-10'),
    event('egress_bytes', 204_800, '2025-11-10'),
    event('ai_credits', '0.15', '2025-11-10'),
    event('email_requests', 5, '2025-11-10'),
    event('function_calls', 30, '2025-11-10'),
    event('ec2_compute', 3_600, '2025-11-10'),
    event('ai_credits', '1.35', '2025-11-18'),
  ])
})
afterAll(() => tested.stop())

const CONNECTION = { id: 'uuid-string', access_host: 'https://project.us-east.example.app', api_key: 'project-api-key', status: 'active' }

describe('co-branded', () => {
  test('Connect User Account is answered as documented', async () => {
    const answer = await tested.client.partner(coBranded, 'POST', '/connect-user', '{"name":"John Doe","email":"john@example.com"}')
    expectDocumented(answer, { account: { id: 'uuid-string' } })
  })

  test('Sync Project is answered as documented, with and without optional fields', async () => {
    for (const optional of [{}, { region: 'us-west' }, { instance_type: '16xl' }, { region: 'eu-central', instance_type: 'micro' }])
      expectDocumented(await syncProject({ project_name: 'my-project', ...optional }), { success: true, project: CONNECTION })
  })

  test('Handling Project Limits is HTTP 200 with the documented message and every active project to choose from', async () => {
    const second = await syncProject({ project_name: 'my-second-project' })
    const answer = await syncProject({ project_name: 'my-third-project' })
    expectDocumented(answer, { success: false, message: 'text', candidate_projects: [CONNECTION] })
    expect(answer.body.message).toBe('Free plan allows up to 2 active projects. Please upgrade your plan to create more projects.')
    const ids = answer.body.candidate_projects.map(({ id }: { id: string }) => id)
    expect(ids.toSorted()).toEqual([brandedProjectId, second.body.project.id].toSorted())
  })

  test("the metadata of a user's project is answered as documented", async () => {
    const answer = await tested.client.partner(coBranded, 'GET', `/${userId}/${brandedProjectId}/metadata`)
    expectDocumented(answer, { project: CONNECTION })
  })

  const syncProject = (body: object) => tested.client.partner(coBranded, 'POST', `/${userId}/sync-project`, JSON.stringify(body))
})

describe('white-label', () => {
  const call = (method: string, path: string, body?: string) => tested.client.partner(whiteLabel, method, path, body)

  test('Sync Embedded Project accepts every documented region and instance type', async () => {
    for (const region of ['us-east', 'us-west', 'ap-southeast', 'eu-central', 'eu-west'])
      for (const instance_type of ['nano', 'micro', 'small', 'medium', 'large', 'xl', '2xl', '4xl', '8xl', '16xl']) {
        const body = JSON.stringify({ project_name: 'embedded-project', region, instance_type })
        expectDocumented(await call('POST', '/sync-embedded-project', body), { success: true, project: CONNECTION })
      }
  })

  test('the metadata of a project is answered as documented', async () => {
    const answer = await call('GET', `/${projectId}/metadata`)
    const { id, access_host, api_key, status } = CONNECTION
    const documented = { id, access_host, api_key, region: 'us-east', instance_type: 'nano', last_activity_at: '2025-01-21T10:30:00Z', status }
    expectDocumented(answer, { project: documented })
    expect(answer.body.project).toMatchObject({ region: 'us-east', instance_type: 'nano', last_activity_at: '2025-11-18T10:30:00Z', status: 'active' })
  })

  test('Pause Project and Restore Project are answered as documented, with and without waiting, also when repeated', async () => {
    for (const [path, status] of [
      ['pause', 'paused'],
      ['restore', 'active'],
    ])
      for (const body of ['{"wait_for_completion":true}', '{}', ''])
        expect((await call('POST', `/${projectId}/${path}`, body)).body).toEqual({ project: { id: projectId, status } })
  })

  test('Generate Project Authorization is answered as documented', async () => {
    const answer = await call('POST', `/${projectId}/authorization`, '')
    expectDocumented(answer, { code: 'eyJhbGciOiJSUzI1NiIs', expires_in: 600, type: 'Bearer' })
    expect(answer.body).toMatchObject({ expires_in: '600', type: 'Bearer' })
    const header = JSON.parse(Buffer.from(answer.body.code.split('.')[0], 'base64url').toString('utf8'))
    expect(header).toEqual({ alg: 'RS256', typ: 'JWT', kid: expect.stringMatching(/^meterline-key-\d{4}-\d\d-\d\d(-\d+)?$/) })
  })

  test('Get Project Usage is answered as documented', async () => {
    const answer = await call('GET', `/${projectId}/usage?start_date=2025-11-10&end_date=2025-11-18`)
    const day = {
      usage_date: '2025-11-10',
      database_size_bytes: 1048576,
      file_storage_bytes: 5242880,
      ai_tokens: 1500,
      mcp_calls: 12,
      egress_bytes: 204800,
      ai_credits: 0.15,
      email_requests: 5,
      function_calls: 30,
      ec2_compute: 3600,
    }
    expectDocumented(answer, {
      project: { id: 'uuid-string', name: 'project-name', status: 'active', last_activity_at: '2025-11-18T10:30:00Z' },
      period: { start: '2025-11-10T00:00:00Z', end: '2025-11-18T23:59:59Z' },
      summary: {
        max_database_size_bytes: 1048576,
        max_file_storage_bytes: 5242880,
        total_ai_tokens: 15000,
        total_mcp_calls: 120,
        total_egress_bytes: 2097152,
        total_ai_credits: 1.5,
        total_email_requests: 50,
        total_function_calls: 300,
        total_ec2_compute: 3600,
      },
      daily_usage: [day],
    })
    expect(answer.body.period).toEqual({ start: '2025-11-10T00:00:00Z', end: '2025-11-18T23:59:59Z' })
    const texts = Object.fromEntries(Object.entries(day).map(([name, value]) => [name, String(value)]))
    expect(answer.body.daily_usage[0]).toEqual(texts)
    expect(answer.body.summary.total_ai_credits).toBe('1.5')
  })

  test('Get Partnership Total Usage is answered as documented', async () => {
    const answer = await call('GET', '/usage?start_date=2025-11-01&end_date=2025-11-30')
    expectDocumented(answer, {
      partnership: { id: 'ps_abc123xyz', name: 'Partner Name' },
      period: { start: '2025-11-01T00:00:00Z', end: '2025-11-30T23:59:59Z' },
      summary: {
        database_bytes: 10485760,
        storage_bytes: 52428800,
        ai_tokens: 150000,
        mcp_calls: 1200,
        egress_bytes: 20971520,
        ai_credits: 15.5,
        email_requests: 500,
        function_calls: 3000,
        ec2_compute: 36000,
      },
    })
  })

  test('missing dates mean the last 7 days', async () => {
    const today = new Date().toISOString().slice(0, 10)
    const weekAgo = new Date(Date.parse(today) - 7 * 86_400_000).toISOString().slice(0, 10)
    for (const path of ['/usage', `/${projectId}/usage`])
      expect((await call('GET', path)).body.period).toEqual({ start: `${weekAgo}T00:00:00Z`, end: `${today}T23:59:59Z` })
  })

  test('Delete Project is final, and the usage of the project stays', async () => {
    const { id } = (await call('POST', '/sync-embedded-project', '{"project_name":"to be deleted"}')).body.project
    const answer = await call('DELETE', `/${id}`)
    expectDocumented(answer, { message: 'text', requestId: 'xhiahif-fehfe-feae' })
    expect(answer.body).toEqual({ message: 'Project deleted successfully', requestId: answer.headers.get('x-request-id') })
    expect((await call('GET', `/${id}/usage`)).body.project.status).toBe('deleted')
    for (const [method, path] of [
      ['GET', 'metadata'],
      ['POST', 'pause'],
      ['POST', 'restore'],
      ['POST', 'authorization'],
    ] as const)
      expect((await call(method, `/${id}/${path}`, method === 'POST' ? '{}' : undefined)).status).toBe(404)
    expect((await call('DELETE', `/${id}`)).status).toBe(404)
  })

  test('every error has success: false and a message', async () => {
    const wrong = await tested.client.partner({ ...whiteLabel, secret: 'wrong' }, 'GET', '/usage')
    const answers: [Answer, number][] = [
      [wrong, 401],
      [await call('GET', '/unknown-project/metadata'), 404],
      [await tested.client.partner(coBranded, 'POST', `/${brandedProjectId}/pause`, '{}'), 403],
      [await call('POST', '/sync-embedded-project', '{"project_name":"x","region":"mars"}'), 400],
    ]
    for (const [answer, status] of answers) {
      expect(answer.status).toBe(status)
      expect(answer.body).toEqual({ success: false, message: expect.any(String), code: expect.any(String), request_id: expect.any(String) })
    }
  })
})

const TOLD_BESIDE = ['as_of', 'billing_status']

function expectDocumented({ status, body, text }: Answer, documented: object): void {
  expect(status).toBe(200)
  const parsed = JSON.parse(text)
  for (const name of TOLD_BESIDE) if (!(name in documented)) delete parsed[name]
  expect(kindOf(parsed), JSON.stringify(body)).toEqual(kindOf(documented))
}

/** What is compared: the keys and the kinds of values, the first element standing for each of a list. */
function kindOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.slice(0, 1).map(kindOf)
  if (typeof value !== 'object' || value === null) return typeof value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, kindOf(inner)]))
}
