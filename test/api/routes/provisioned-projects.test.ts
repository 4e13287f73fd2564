import { randomBytes } from 'node:crypto'
import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Credentials } from '../../support/clients/client.ts'
import { type Platform, startPlatform } from '../../support/clients/platform.ts'
import { untilSo } from '../../support/until-so.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

const SECRET = `whsec_${randomBytes(32).toString('base64')}`

let platform: Platform
let tested: TestService
let partner: Credentials
beforeAll(async () => {
  platform = await startPlatform()
  tested = await startTestService({
    PROVISIONER: 'webhook',
    PROVISIONER_URL: platform.url,
    PROVISIONER_SECRET: SECRET,
    OUTGOING_ALLOW: '127.0.0.0/8',
  })
  partner = await tested.client.createPartner('Provisioned')
})
afterAll(async () => {
  await tested.stop()
  await platform.stop()
})

const call = (method: string, path: string, body?: object) =>
  tested.client.partner(partner, method, path, body === undefined ? undefined : JSON.stringify(body))
const sync = async (project_name: string) => (await call('POST', '/sync-embedded-project', { project_name })).body.project
const deliveredStatuses = (id: string) => platform.of(id).map(({ data }) => data.status)

test('every change of a project is delivered to the platform, signed and without the key of the project', async () => {
  const { id, api_key } = await sync('delivered')
  await untilSo(async () => deliveredStatuses(id).length === 1)
  await call('POST', '/sync-embedded-project', { project_name: 'delivered', region: 'us-west' })
  await untilSo(async () => platform.of(id).at(-1)?.data.region === 'us-west')
  expect((await call('POST', `/${id}/pause`, { wait_for_completion: true })).body).toEqual({ project: { id, status: 'paused' } })
  expect((await call('POST', `/${id}/restore`, { wait_for_completion: true })).body).toEqual({ project: { id, status: 'active' } })
  expect((await call('DELETE', `/${id}`)).status).toBe(200)
  await untilSo(async () => deliveredStatuses(id).at(-1) === 'deleted')
  expect(deliveredStatuses(id)).toEqual(['active', 'active', 'paused', 'active', 'deleted'])
  for (const { body, headers } of platform.of(id)) {
    expect(new Webhook(SECRET).verify(body, headers)).toMatchObject({ type: 'project.updated', data: { id, partner_id: partner.partnerId } })
    expect(body.toString('utf8')).not.toContain(api_key)
  }
})

test('without waiting, the answer is the current status, which changes once the platform has confirmed', async () => {
  const { id } = await sync('slow')
  await untilSo(async () => deliveredStatuses(id).length === 1)
  platform.set('holds')
  for (let times = 0; times < 3; times += 1) expect((await call('POST', `/${id}/pause`)).body).toEqual({ project: { id, status: 'active' } })
  await untilSo(async () => platform.heldCount() === 1)
  platform.set('acknowledges')
  platform.release()
  await untilSo(async () => (await call('GET', `/${id}/metadata`)).body.project.status === 'paused')
  expect(deliveredStatuses(id)).toEqual(['active', 'paused'])
})

test('a request that waits for a pause gets 404 when the project is deleted meanwhile', async () => {
  const { id } = await sync('doomed')
  await untilSo(async () => deliveredStatuses(id).length === 1)
  platform.set('holds')
  const waiting = call('POST', `/${id}/pause`, { wait_for_completion: true })
  await untilSo(async () => platform.heldCount() === 1)
  await call('DELETE', `/${id}`)
  const answer = await waiting
  expect([answer.status, answer.body.code]).toEqual([404, 'PROJECT_NOT_FOUND'])
  platform.set('acknowledges')
  platform.release()
  await untilSo(async () => deliveredStatuses(id).at(-1) === 'deleted')
})

test('/metrics reports the number of pending deliveries and of failures', async () => {
  await untilSo(async () => (await tested.client.call('GET', '/metrics')).text.includes('meterline_provisioner_pending 0\n'))
  platform.set('fails')
  const { id } = await sync('failed')
  await untilSo(async () => /meterline_provisioner_failures_total [1-9]/.test((await tested.client.call('GET', '/metrics')).text))
  await untilSo(async () => (await tested.client.call('GET', '/metrics')).text.includes('meterline_provisioner_pending 1\n'))
  platform.set('acknowledges')
  await untilSo(async () => (await call('POST', `/${id}/pause`, { wait_for_completion: true })).status === 200)
})

/** This test comes last, because it stops the service. */
test('a request that waits when the service stops gets 503 with the advice that the change continues and repeating it is safe', async () => {
  const { id } = await sync('interrupted')
  await untilSo(async () => deliveredStatuses(id).length === 1)
  platform.set('holds')
  const waiting = call('POST', `/${id}/pause`, { wait_for_completion: true })
  await untilSo(async () => platform.heldCount() === 1)
  const stopped = tested.service.stop()
  const answer = await waiting
  expect([answer.status, answer.body]).toEqual([
    503,
    {
      success: false,
      message: expect.stringMatching(/recorded and continues.*Repeating the call is safe/),
      code: 'PROVISIONING',
      request_id: expect.any(String),
    },
  ])
  platform.release()
  await stopped
})
