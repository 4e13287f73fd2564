import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PROJECTS_BODY_BYTES_MAX, PROJECTS_PER_BATCH_MAX } from '../../../contract/admin-projects.ts'
import type { Credentials } from '../../support/clients/client.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

let tested: TestService
let partner: Credentials
let other: Credentials
let coBranded: Credentials
beforeAll(async () => {
  tested = await startTestService()
  partner = await tested.client.createPartner('Batch')
  other = await tested.client.createPartner('Other')
  coBranded = await tested.client.createPartner('Co', 'co-branded')
})
afterAll(() => tested.stop())

const register = (projects: readonly unknown[]) => tested.client.admin('POST', '/admin/v1/projects/batch', { projects })
const project = (id: string, more: object = {}) => ({ id, partner_id: partner.partnerId, name: id, ...more })

describe('POST /admin/v1/projects/batch', () => {
  test('a batch answers 200 and says of each project what became of it, and every one is audited as the call of its actor', async () => {
    const answer = await register([project('shop'), project('blog', { region: 'eu-west' }), project('Shop 2', { id: 'sp ace' }), project('shop')])
    expect([answer.status, answer.body]).toEqual([
      200,
      {
        // The client of the tests keeps numbers as texts, with all their digits.
        created: '2',
        updated: '0',
        unchanged: '1',
        rejected: '1',
        projects: [
          { index: '0', id: 'shop', outcome: 'created' },
          { index: '1', id: 'blog', outcome: 'created' },
          { index: '2', id: 'sp ace', outcome: 'rejected', code: 'INVALID_REQUEST', message: expect.stringContaining('1 to 128 of the characters') },
          { index: '3', id: 'shop', outcome: 'unchanged' },
        ],
      },
    ])
    const changed = await register([project('shop', { name: 'Better Shop' }), project('blog', { region: 'eu-west' })])
    expect(changed.body).toMatchObject({ updated: '1', unchanged: '1', projects: [{ outcome: 'updated' }, { outcome: 'unchanged' }] })
    expect((await tested.client.admin('GET', '/admin/v1/projects/blog')).body.project).toMatchObject({ region: 'eu-west', partner_id: partner.partnerId })
    const { entries } = (await tested.client.admin('GET', '/admin/v1/audit-log?subject=shop&order=oldest')).body
    expect(entries.map(({ actor, action, request_id }: Record<string, string>) => [actor, action, request_id])).toEqual([
      ['admin', 'project.register', answer.headers.get('x-request-id')],
      ['admin', 'project.change', changed.headers.get('x-request-id')],
    ])
  })

  test('each project is rejected with the code and the message of the single call, and does not affect the others', async () => {
    const account = (await tested.client.partner(coBranded, 'POST', '/connect-user', '{"email":"a@example.com","name":"A"}')).body.account.id
    const owned = { partner_id: coBranded.partnerId, account_id: account }
    await register([project('mine'), project('gone', { status: 'deleted' }), project('of an account', { id: 'owned', ...owned })])
    const rejected = [
      project('mine', { partner_id: other.partnerId }),
      project('mine', { id: 'namesake' }),
      project('gone', { status: 'active' }),
      project('nobodys', { partner_id: 'ps_nobody' }),
      project('x', { account_id: account }),
      project('x', { ...owned, account_id: 'no-account' }),
      project('usage'),
      project('x'.repeat(129), { name: 'x' }),
      project('x', { deleted_at: '2026-01-01T00:00:00Z' }),
      project('x', { name: '' }),
      project('x', { region: 'moon' }),
      project('x', { color: 'red' }),
    ]
    const answer = await register([project('before'), ...rejected, project('after')])
    expect(answer.body).toMatchObject({ created: '2', rejected: String(rejected.length) })
    for (const [index, { id, ...body }] of rejected.entries()) {
      const single = await tested.client.admin('PUT', `/admin/v1/projects/${id}`, body)
      const { code, message } = answer.body.projects[index + 1]
      expect([code, message.replaceAll(`body.projects.${index + 1}`, 'body')]).toEqual([single.body.code, single.body.message])
    }
    const invalid = (await register([null, 7, [], {}, { id: 7 }])).body.projects
    expect(invalid.map(({ id, code }: Record<string, string | null>) => [id, code])).toEqual(Array(5).fill([null, 'INVALID_REQUEST']))
  })

  test('P5: a batch gives no project of one partner to another, and partners see only their own', async () => {
    await register([project('tenant-a'), project('tenant-b', { partner_id: other.partnerId })])
    const taken = await register([project('tenant-b'), project('tenant-a', { partner_id: other.partnerId })])
    expect(taken.body.projects.map(({ code }: { code: string }) => code)).toEqual(['PARTNER_CHANGED', 'PARTNER_CHANGED'])
    const idsOf = async (credentials: Credentials) =>
      (await tested.client.partner(credentials, 'GET', '/projects?search=tenant')).body.projects.map(({ id }: { id: string }) => id)
    expect([await idsOf(partner), await idsOf(other)]).toEqual([['tenant-a'], ['tenant-b']])
  })

  test(`${PROJECTS_PER_BATCH_MAX} projects are registered with one call, and a repeated call changes nothing`, async () => {
    const projects = Array.from({ length: PROJECTS_PER_BATCH_MAX }, (_, nth) => project(`bulk-${nth}`))
    expect((await register(projects)).body).toMatchObject({ created: String(PROJECTS_PER_BATCH_MAX), rejected: '0' })
    expect((await register(projects)).body).toMatchObject({ created: '0', unchanged: String(PROJECTS_PER_BATCH_MAX) })
  })

  test('a batch beyond a limit is rejected as a whole and registers nothing', async () => {
    const tooMany = await register(Array.from({ length: PROJECTS_PER_BATCH_MAX + 1 }, (_, nth) => project(`over-${nth}`)))
    expect([tooMany.status, tooMany.body.code, tooMany.body.message]).toEqual([400, 'INVALID_REQUEST', expect.stringContaining('body.projects: ')])
    const tooLarge = await register([project('over-0', { name: 'x'.repeat(PROJECTS_BODY_BYTES_MAX) })])
    expect([tooLarge.status, tooLarge.body.code]).toEqual([413, 'TOO_LARGE'])
    expect((await register([])).status).toBe(400)
    expect((await tested.client.admin('GET', '/admin/v1/projects/over-0')).status).toBe(404)
  })

  test('the largest projects that are allowed fit into one batch', async () => {
    const escaped = (nth: number) =>
      `{"id":"${String(nth).padStart(128, 'x')}","partner_id":"${partner.partnerId}","name":"${`\\u${(0x4e00 + nth).toString(16)}`.repeat(128)}"}`
    const body = `{"projects":[${Array.from({ length: PROJECTS_PER_BATCH_MAX }, (_, nth) => escaped(nth)).join(',')}]}`
    const headers = { authorization: `Bearer ${tested.client.adminToken}`, 'content-type': 'application/json' }
    expect((await tested.client.call('POST', '/admin/v1/projects/batch', { headers, body })).body).toMatchObject({ created: String(PROJECTS_PER_BATCH_MAX) })
  })
})
