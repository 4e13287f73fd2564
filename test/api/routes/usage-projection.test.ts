import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Credentials } from '../../support/clients/client.ts'
import { untilSo } from '../../support/until-so.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

let tested: TestService
let partner: Credentials
beforeAll(async () => {
  tested = await startTestService()
  await tested.client.createIngestKey()
  partner = await tested.client.createPartner('Acme')
  await tested.client.registerProject('shop', partner.partnerId)
})
afterAll(() => tested.stop())

test('the projection is beside the usage so far, for the partner and for finance, and another partner gets none', async () => {
  const now = new Date().toISOString()
  await tested.client.send([{ event_id: 'e', project_id: 'shop', metric: 'ai_tokens', value: '12.5', timestamp: now }])
  const own = async () => (await tested.client.partner(partner, 'GET', '/usage/projection')).body
  await untilSo(async () => (await own()).as_of !== null)
  const { month, summary, projected, billing_status } = await own()
  expect({ month, billing_status, used: summary.ai_tokens }).toEqual({ month: now.slice(0, 7), billing_status: 'provisional', used: '12.5' })
  // What was used today is no complete day: it only keeps the projection from being lower.
  const isFirstDay = now.slice(8, 10) === '01'
  const days = String(Number(now.slice(8, 10)) - 1)
  expect(projected.ai_tokens).toEqual(isFirstDay ? null : { value: '12.5', method: 'mean_of_complete_days', from_days: days })
  expect(projected.database_bytes).toEqual(isFirstDay ? null : { value: '0', method: 'greatest_day', from_days: days })
  expect((await tested.client.admin('GET', `/admin/v1/partners/${partner.partnerId}/usage/projection`)).body.projected).toEqual(projected)
  const other = await tested.client.createPartner('Other')
  const foreign = await tested.client.partner({ ...other, partnerId: partner.partnerId }, 'GET', '/usage/projection')
  expect(foreign.status).toBe(401)
})

test('a project has the same projection, under the names of its own summary, for its partner, its own token and finance', async () => {
  const before = `${new Date().toISOString().slice(0, 7)}-01T00:00:00Z`
  await tested.client.registerProject('other-shop', partner.partnerId)
  await tested.client.send([
    { event_id: 'p1', project_id: 'other-shop', metric: 'ai_tokens', value: '30.5', timestamp: before },
    { event_id: 'p2', project_id: 'other-shop', metric: 'database_size_bytes', value: '7', timestamp: before },
  ])
  const own = (path: string, who = partner) => tested.client.partner(who, 'GET', path)
  const { project, month, summary, projected, billing_status } = (await own('/other-shop/usage/projection')).body
  expect(project).toEqual({ id: 'other-shop', name: 'other-shop', status: 'active' })
  expect({ month, billing_status, tokens: summary.total_ai_tokens }).toEqual({ month: before.slice(0, 7), billing_status: 'provisional', tokens: '30.5' })
  const today = new Date().toISOString()
  const complete = Number(today.slice(8, 10)) - 1
  const daysOfMonth = new Date(Date.UTC(Number(today.slice(0, 4)), Number(today.slice(5, 7)), 0)).getUTCDate()
  // 305 tenths on the first day, and nothing since.
  const nanos = complete === 0 ? 0n : (305n * 100_000_000n * BigInt(daysOfMonth)) / BigInt(complete)
  const value = `${nanos / 1_000_000_000n}.${String(nanos % 1_000_000_000n).padStart(9, '0')}`.replace(/\.?0+$/, '')
  expect(projected.total_ai_tokens).toEqual(complete === 0 ? null : { value, method: 'mean_of_complete_days', from_days: String(complete) })
  expect(projected.max_database_size_bytes).toEqual(complete === 0 ? null : { value: '7', method: 'greatest_day', from_days: String(complete) })
  const { code } = (await tested.client.partner(partner, 'POST', '/other-shop/authorization', '{}')).body
  const byCode = await tested.client.call('GET', `/partnership/v1/${partner.partnerId}/other-shop/usage/projection`, {
    headers: { authorization: `Bearer ${code}` },
  })
  const byFinance = await tested.client.admin('GET', '/admin/v1/projects/other-shop/usage/projection')
  for (const { status, body } of [byCode, byFinance]) expect([status, body.projected]).toEqual([200, projected])
  const other = await tested.client.createPartner('Another')
  for (const id of ['other-shop', 'unknown']) expect((await own(`/${id}/usage/projection`, other)).body.code).toBe('PROJECT_NOT_FOUND')
  expect((await tested.client.admin('GET', '/admin/v1/projects/unknown/usage/projection')).body.code).toBe('PROJECT_NOT_FOUND')
})
