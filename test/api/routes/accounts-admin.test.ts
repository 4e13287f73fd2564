import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Credentials } from '../../support/clients/client.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

let tested: TestService
let partner: Credentials
let other: Credentials
beforeAll(async () => {
  tested = await startTestService()
  partner = await tested.client.createPartner('Accounts', 'co-branded')
  other = await tested.client.createPartner('Others', 'co-branded')
})
afterAll(() => tested.stop())

const connect = async (credentials: Credentials, email: string): Promise<string> => {
  const { body } = await tested.client.partner(credentials, 'POST', '/connect-user', JSON.stringify({ name: `Name of ${email}`, email }))
  return body.account.id
}
const sync = async (accountId: string, project_name: string) =>
  (await tested.client.partner(partner, 'POST', `/${accountId}/sync-project`, JSON.stringify({ project_name }))).body
const admin = (method: string, path: string, body?: unknown) => tested.client.admin(method, `/admin/v1${path}`, body)
const instant = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z$/)

describe('an account', () => {
  test('an account is returned with its plan, and the plan limits how many projects may be active', async () => {
    const id = await connect(partner, 'plan@example.com')
    const account = { id, partner_id: partner.partnerId, email: 'plan@example.com', name: 'Name of plan@example.com', plan: 'free', created_at: instant }
    const shown = await admin('GET', `/accounts/${id}`)
    expect([shown.status, shown.body]).toEqual([200, { account }])
    for (const name of ['one', 'two']) expect((await sync(id, name)).success).toBe(true)
    expect((await sync(id, 'three')).success).toBe(false)
    const paid = await admin('PUT', `/accounts/${id}`, { plan: 'paid' })
    expect([paid.status, paid.body]).toEqual([200, { account: { ...account, plan: 'paid' } }])
    expect((await sync(id, 'three')).success).toBe(true)
    expect((await admin('PUT', `/accounts/${id}`, { plan: 'paid' })).body).toEqual(paid.body)
    const { entries } = (await admin('GET', `/audit?subject=${id}&order=oldest`)).body
    expect(entries.map(({ action }: { action: string }) => action)).toEqual(['account.create', 'account.plan'])
    // The audit log is permanent, and a person may request deletion of personal data.
    expect(JSON.stringify(entries)).not.toContain('plan@example.com')
  })

  test('an unknown account returns 404, and an invalid change is rejected with the name of the field', async () => {
    const id = await connect(partner, 'rejected@example.com')
    for (const answer of [await admin('GET', '/accounts/nobody'), await admin('PUT', '/accounts/nobody', { plan: 'paid' })])
      expect([answer.status, answer.body.code]).toEqual([404, 'ACCOUNT_NOT_FOUND'])
    for (const [body, named] of [
      [{}, 'plan'],
      [{ plan: 'gold' }, 'plan'],
      [{ plan: 'paid', email: 'x@example.com' }, 'email'],
    ] as const) {
      const answer = await admin('PUT', `/accounts/${id}`, body)
      expect([answer.status, answer.body.message]).toEqual([400, expect.stringContaining(named)])
    }
    expect((await admin('GET', `/accounts/${id}`)).body.account.plan).toBe('free')
  })
})

describe('the list of accounts', () => {
  test('the pages of accounts list each account once, of one partner or of all partners', async () => {
    for (let index = 0; index < 5; index += 1) await connect(other, `${index}@example.com`)
    const list = async (query: string): Promise<string[]> => {
      const emails: string[] = []
      for (let cursor = ''; ; ) {
        const { body } = await admin('GET', `/accounts?${query}${cursor}`)
        emails.push(...body.accounts.map(({ email }: { email: string }) => email))
        if (body.next_cursor === null) return emails
        cursor = `&cursor=${body.next_cursor}`
      }
    }
    const othersEmails = [0, 1, 2, 3, 4].map((index) => `${index}@example.com`)
    for (const limit of [1, 2, 5, 100]) expect(await list(`partner_id=${other.partnerId}&limit=${limit}`)).toEqual(othersEmails)
    const all = await list('limit=2')
    expect([all.length > 5, all.slice(-5)]).toEqual([true, othersEmails])
    const { next_cursor } = (await admin('GET', `/accounts?partner_id=${other.partnerId}&limit=1`)).body
    expect((await admin('GET', `/accounts?partner_id=${partner.partnerId}&limit=1&cursor=${next_cursor}`)).body.code).toBe('CURSOR_INVALID')
    expect((await admin('GET', '/accounts?partner_id=ps_nobody')).body.code).toBe('PARTNER_NOT_FOUND')
    for (const query of ['limit=0', 'limit=101', 'partner_id=', 'partner=x']) expect((await admin('GET', `/accounts?${query}`)).status).toBe(400)
  })
})

describe('a project', () => {
  test('operators can read a project of any partner, with its account', async () => {
    const account = await connect(partner, 'owner@example.com')
    const { id } = (await sync(account, 'shown')).project
    const { status, body, text } = await admin('GET', `/projects/${id}`)
    expect([status, body]).toEqual([
      200,
      {
        project: {
          id,
          partner_id: partner.partnerId,
          account_id: account,
          name: 'shown',
          status: 'active',
          region: 'us-east',
          instance_type: 'nano',
          deleted_at: null,
          created_at: instant,
        },
      },
    ])
    expect(text).not.toContain('mlk_')
    await tested.client.registerProject('plain', partner.partnerId, { status: 'deleted' })
    expect((await admin('GET', '/projects/plain')).body.project).toMatchObject({ account_id: null, status: 'deleted', deleted_at: instant })
    const unknown = await admin('GET', '/projects/nothing')
    expect([unknown.status, unknown.body.code]).toEqual([404, 'PROJECT_NOT_FOUND'])
  })
})
