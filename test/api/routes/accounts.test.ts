import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Credentials } from '../../support/clients/client.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

/** Source of the shapes: partner API documentation, "Co-Branded APIs". */

const LIMIT_MESSAGE = 'Free plan allows up to 2 active projects. Please upgrade your plan to create more projects.'
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

let tested: TestService
let partner: Credentials
let other: Credentials
let whiteLabel: Credentials
let users = 0
beforeAll(async () => {
  tested = await startTestService()
  partner = await tested.client.createPartner('Branded', 'co-branded')
  other = await tested.client.createPartner('Other branded', 'co-branded')
  whiteLabel = await tested.client.createPartner('White')
})
afterAll(() => tested.stop())

const post = (path: string, body: unknown, credentials = partner) => tested.client.partner(credentials, 'POST', path, JSON.stringify(body))
const connect = (body: unknown, credentials = partner) => post('/connect-user', body, credentials)
const sync = (userId: string, body: unknown, credentials = partner) => post(`/${userId}/sync-project`, body, credentials)
const metadata = (userId: string, projectId: string, credentials = partner) => tested.client.partner(credentials, 'GET', `/${userId}/${projectId}/metadata`)
const codeOf = ({ status, body }: { status: number; body: { code?: string } }) => [status, body.code]

async function newUser(credentials = partner): Promise<string> {
  users += 1
  return (await connect({ name: `User ${users}`, email: `user${users}@example.com` }, credentials)).body.account.id
}

async function newProject(userId: string, project_name: string): Promise<{ id: string; access_host: string; api_key: string; status: string }> {
  return (await sync(userId, { project_name })).body.project
}

const auditedActions = async (subject: string) => {
  const { body } = await tested.client.admin('GET', '/admin/v1/audit?limit=100')
  const entries = body.entries as { subject: string; action: string }[]
  return entries.filter((entry) => entry.subject === subject).map(({ action }) => action)
}

describe('connect-user', () => {
  test('connect-user answers in the documented shape', async () => {
    const { status, body } = await connect({ name: 'John Doe', email: 'john@example.com' })
    expect([status, body]).toEqual([200, { account: { id: expect.stringMatching(UUID) } }])
  })

  test('connect-user is idempotent by email, ignoring case and surrounding spaces, also under 21 concurrent calls', async () => {
    const emails = ['jane@example.com', ' JANE@example.COM ', 'Jane@Example.com']
    const answers = await Promise.all(Array.from({ length: 21 }, (_, index) => connect({ name: 'Jane', email: emails[index % 3] })))
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1)
    expect(await auditedActions(answers[0]?.body.account.id)).toEqual(['account.create'])
  })

  test('connect-user stores and audits a changed name once, and the audit log contains no personal data', async () => {
    const email = 'renamed@example.com'
    const { id } = (await connect({ name: 'Before', email })).body.account
    for (const name of ['After', 'After']) expect((await connect({ name, email })).body.account.id).toBe(id)
    expect((await auditedActions(id)).sort()).toEqual(['account.create', 'account.rename'])
    const { text } = await tested.client.admin('GET', '/admin/v1/audit?limit=100')
    for (const personal of [email, 'Before', 'After']) expect(text).not.toContain(personal)
  })

  test('P5: two partners get different accounts for the same email', async () => {
    const user = { name: 'Both', email: 'both@example.com' }
    expect((await connect(user)).body.account.id).not.toBe((await connect(user, other)).body.account.id)
  })

  test('connect-user rejects an invalid body with the name of the field', async () => {
    for (const [body, named] of [
      [{ email: 'x@example.com' }, 'name'],
      [{ name: 'X' }, 'email'],
      [{ name: ' ', email: 'x@example.com' }, 'name'],
      [{ name: 'two\nlines', email: 'x@example.com' }, 'name'],
      [{ name: 'X', email: 'nobody' }, 'email'],
      [{ name: 'X', email: `${'x'.repeat(250)}@example.com` }, 'email'],
      // The Kelvin sign lower-cases to k: accepting it would give this caller the account of kate@example.com.
      [{ name: 'X', email: '\u212aate@example.com' }, 'email'],
      [{ name: 'X', email: 'x@example.com', plan: 'paid' }, 'plan'],
    ] as const) {
      const answer = await connect(body)
      expect([named, ...codeOf(answer)]).toEqual([named, 400, 'INVALID_REQUEST'])
      expect(answer.body.message).toContain(named)
    }
  })
})

describe('sync-project', () => {
  test('sync-project answers in the documented shape', async () => {
    const { status, body } = await sync(await newUser(), { project_name: 'My Project', region: 'eu-central', instance_type: 'micro' })
    expect([status, body]).toEqual([
      200,
      {
        success: true,
        project: {
          id: expect.stringMatching(UUID),
          access_host: expect.stringMatching(/^https:\/\/my-project-[0-9a-f]{8}\.eu-central\.localhost$/),
          api_key: expect.stringMatching(/^mlk_/),
          status: 'active',
        },
      },
    ])
  })

  test('sync-project at the limit of the free plan returns 200 with the active projects, and creates nothing', async () => {
    const user = await newUser()
    const candidates = [await newProject(user, 'one'), await newProject(user, 'two')]
    for (let times = 0; times < 2; times += 1) {
      const { status, body } = await sync(user, { project_name: 'three' })
      expect([status, body]).toEqual([200, { success: false, message: LIMIT_MESSAGE, candidate_projects: candidates }])
    }
  })

  test('sync-project at the limit still finds an existing project, and applies its new region', async () => {
    const user = await newUser()
    const first = await newProject(user, 'known')
    await newProject(user, 'second')
    const { body } = await sync(user, { project_name: 'known', region: 'us-west' })
    expect(body).toEqual({ success: true, project: { ...first, access_host: first.access_host.replace('us-east', 'us-west') } })
  })

  test('only active projects of the same account count against the limit of its plan', async () => {
    const user = await newUser()
    const first = await newProject(user, 'one')
    const second = await newProject(user, 'two')
    await newProject(await newUser(), 'another user')
    expect((await sync(user, { project_name: 'three' })).body.success).toBe(false)
    await tested.client.registerProject(first.id, partner.partnerId, { name: 'one', status: 'deleted' })
    expect((await sync(user, { project_name: 'three' })).body.success).toBe(true)
    await tested.client.registerProject(second.id, partner.partnerId, { name: 'two', status: 'paused' })
    expect((await sync(user, { project_name: 'four' })).body.success).toBe(true)
    expect((await sync(user, { project_name: 'five' })).body.candidate_projects).toHaveLength(2)
    const again = (await sync(user, { project_name: 'two' })).body
    expect([again.success, again.project.id, again.project.status]).toEqual([true, second.id, 'paused'])
  })

  test('50 concurrent calls with one name create one project; 50 with different names create exactly two', async () => {
    const user = await newUser()
    const same = await Promise.all(Array.from({ length: 50 }, () => sync(user, { project_name: 'raced' })))
    expect(new Set(same.map(({ text }) => text)).size).toBe(1)
    const racingUser = await newUser()
    const different = await Promise.all(Array.from({ length: 50 }, (_, index) => sync(racingUser, { project_name: `raced ${index}` })))
    const created = different.filter(({ body }) => body.success)
    expect(created).toHaveLength(2)
    const ids = created.map(({ body }) => body.project.id).sort()
    for (const { body } of different.filter((answer) => !answer.body.success))
      expect(body.candidate_projects.map(({ id }: { id: string }) => id).sort()).toEqual(ids)
  })

  test('P5: an account of another partner gets the same answer as an unknown one', async () => {
    const theirs = await newUser(other)
    const answers = [await sync(theirs, { project_name: 'x' }), await sync('no-such-account', { project_name: 'x' })]
    for (const answer of answers) expect(codeOf(answer)).toEqual([404, 'ACCOUNT_NOT_FOUND'])
    expect(answers[0]?.body.message).toBe(answers[1]?.body.message)
  })

  test('sync-project rejects an invalid body with the name of the field', async () => {
    const user = await newUser()
    for (const [body, named] of [
      [{}, 'project_name'],
      [{ project_name: ' ' }, 'project_name'],
      [{ project_name: 'x', region: 'mars' }, 'region'],
      [{ project_name: 'x', instance_type: 'huge' }, 'instance_type'],
      [{ project_name: 'x', colour: 'red' }, 'colour'],
    ] as const) {
      const answer = await sync(user, body)
      expect(codeOf(answer)).toEqual([400, 'INVALID_REQUEST'])
      expect(answer.body.message).toContain(named)
    }
  })
})

describe('metadata of a user’s project', () => {
  test('the metadata of a user’s project has the documented shape and equals the answer of sync-project', async () => {
    const user = await newUser()
    const project = await newProject(user, 'shown')
    const { status, body } = await metadata(user, project.id)
    expect([status, body]).toEqual([200, { project }])
    expect(Object.keys(body.project).sort()).toEqual(['access_host', 'api_key', 'id', 'status'])
  })

  test('P5: a project of another account or partner gets the same answer as an unknown one', async () => {
    const user = await newUser()
    const project = await newProject(user, 'mine')
    await tested.client.registerProject('without-account', partner.partnerId)
    const deleted = await newProject(user, 'deleted')
    await tested.client.registerProject(deleted.id, partner.partnerId, { name: 'deleted', status: 'deleted' })
    const answers = [
      await metadata(await newUser(), project.id),
      await metadata(user, project.id, other),
      await metadata(await newUser(other), project.id, other),
      await metadata(user, 'no-such-project'),
      await metadata('no-such-account', project.id),
      await metadata('', 'without-account'),
      await metadata(user, 'without-account'),
      await metadata(user, deleted.id),
    ]
    for (const answer of answers)
      expect([answer.text.replace(answer.body.request_id, ''), ...codeOf(answer)]).toEqual([
        '{"success":false,"message":"Project not found.","code":"PROJECT_NOT_FOUND","request_id":""}',
        404,
        'PROJECT_NOT_FOUND',
      ])
    expect((await tested.client.projectUsage(partner, deleted.id, '2026-01-01', '2026-01-02')).body.project.status).toBe('deleted')
  })
})

test('co-branded partners cannot make white-label calls, and white-label partners cannot make co-branded calls', async () => {
  const user = await newUser()
  const { id } = await newProject(user, 'branded')
  const rejected = [
    await connect({ name: 'X', email: 'x@example.com' }, whiteLabel),
    await sync(user, { project_name: 'x' }, whiteLabel),
    await metadata(user, id, whiteLabel),
    await post('/sync-embedded-project', { project_name: 'x' }),
    await tested.client.partner(partner, 'GET', `/${id}/metadata`),
    await post(`/${id}/pause`, {}),
    await post(`/${id}/restore`, {}),
    await tested.client.partner(partner, 'DELETE', `/${id}`),
  ]
  for (const answer of rejected) {
    expect(codeOf(answer)).toEqual([403, 'MODE_NOT_ALLOWED'])
    expect(answer.body.message).toMatch(/^This call is for (white-label|co-branded) partnerships; yours is (white-label|co-branded)\.$/)
  }
  expect((await metadata(user, id)).body.project.status).toBe('active')
})

describe('PUT /admin/v1/projects/:id with account_id', () => {
  const put = (id: string, body: object) => tested.client.admin('PUT', `/admin/v1/projects/${id}`, body)

  test('registering a project with an account assigns it to the account permanently', async () => {
    const user = await newUser()
    const own = { partner_id: partner.partnerId, name: 'registered' }
    expect((await put('registered', { ...own, account_id: user })).status).toBe(201)
    expect((await metadata(user, 'registered')).status).toBe(200)
    expect((await sync(user, { project_name: 'registered' })).body.project.id).toBe('registered')
    expect(codeOf(await put('registered', { ...own, account_id: await newUser() }))).toEqual([409, 'ACCOUNT_CHANGED'])
    expect((await put('registered', { ...own, region: 'us-west' })).status).toBe(200)
    expect((await metadata(user, 'registered')).status).toBe(200)
  })

  test('a registered project without an account can be assigned to one later', async () => {
    const user = await newUser()
    const own = { partner_id: partner.partnerId, name: 'given' }
    expect((await put('given', own)).status).toBe(201)
    expect((await put('given', { ...own, account_id: user })).status).toBe(200)
    expect((await metadata(user, 'given')).status).toBe(200)
  })

  test('registering a project with an account of another partner, or for a white-label partner, is rejected', async () => {
    const theirs = await newUser(other)
    for (const account_id of [theirs, 'no-such-account', ''])
      expect(codeOf(await put('rejected', { partner_id: partner.partnerId, name: 'x', account_id }))).toEqual([404, 'ACCOUNT_NOT_FOUND'])
    const answer = await put('rejected', { partner_id: whiteLabel.partnerId, name: 'x', account_id: theirs })
    expect(codeOf(answer)).toEqual([400, 'INVALID_REQUEST'])
    expect(answer.body.message).toContain('account_id')
    expect((await put('rejected', { partner_id: partner.partnerId, name: 'x' })).status).toBe(201)
  })
})
