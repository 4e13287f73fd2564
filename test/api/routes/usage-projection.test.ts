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
