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
const told = (id: string) => platform.of(id).map(({ data }) => data.status)

test('every change of a project is handed over, signed, and never with its key', async () => {
  const { id, api_key } = await sync('told')
  await untilSo(async () => told(id).length === 1)
  await call('POST', '/sync-embedded-project', { project_name: 'told', region: 'us-west' })
  await untilSo(async () => platform.of(id).at(-1)?.data.region === 'us-west')
  expect((await call('POST', `/${id}/pause`, { wait_for_completion: true })).body).toEqual({ project: { id, status: 'paused' } })
  expect((await call('POST', `/${id}/restore`, { wait_for_completion: true })).body).toEqual({ project: { id, status: 'active' } })
  expect((await call('DELETE', `/${id}`)).status).toBe(200)
  await untilSo(async () => told(id).at(-1) === 'deleted')
  expect(told(id)).toEqual(['active', 'active', 'paused', 'active', 'deleted'])
  for (const { body, headers } of platform.of(id)) {
    expect(new Webhook(SECRET).verify(body, headers)).toMatchObject({ type: 'project.updated', data: { id, partner_id: partner.partnerId } })
    expect(body.toString('utf8')).not.toContain(api_key)
  }
})

test('without waiting the answer is the status as it is; it follows when the platform has said so', async () => {
  const { id } = await sync('slow')
  await untilSo(async () => told(id).length === 1)
  platform.set('holds')
  for (let times = 0; times < 3; times += 1) expect((await call('POST', `/${id}/pause`)).body).toEqual({ project: { id, status: 'active' } })
  await untilSo(async () => platform.heldCount() === 1)
  platform.set('acknowledges')
  platform.release()
  await untilSo(async () => (await call('GET', `/${id}/metadata`)).body.project.status === 'paused')
  expect(told(id)).toEqual(['active', 'paused'])
})

test('a project that is deleted while somebody waits for its pause is not found', async () => {
  const { id } = await sync('doomed')
  await untilSo(async () => told(id).length === 1)
  platform.set('holds')
  const waiting = call('POST', `/${id}/pause`, { wait_for_completion: true })
  await untilSo(async () => platform.heldCount() === 1)
  await call('DELETE', `/${id}`)
  const answer = await waiting
  expect([answer.status, answer.body.code]).toEqual([404, 'PROJECT_NOT_FOUND'])
  platform.set('acknowledges')
  platform.release()
  await untilSo(async () => told(id).at(-1) === 'deleted')
})

test('/metrics tells what is to be handed over, and what failed', async () => {
  await untilSo(async () => (await tested.client.call('GET', '/metrics')).text.includes('meterline_provisioner_pending 0\n'))
  platform.set('fails')
  const { id } = await sync('refused')
  await untilSo(async () => /meterline_provisioner_failures_total [1-9]/.test((await tested.client.call('GET', '/metrics')).text))
  await untilSo(async () => (await tested.client.call('GET', '/metrics')).text.includes('meterline_provisioner_pending 1\n'))
  platform.set('acknowledges')
  await untilSo(async () => (await call('POST', `/${id}/pause`, { wait_for_completion: true })).status === 200)
})

/** The last one: nothing is answered after it. */
test('who still waits when the service stops is told that it goes on, and that asking again is safe', async () => {
  const { id } = await sync('interrupted')
  await untilSo(async () => told(id).length === 1)
  platform.set('holds')
  const waiting = call('POST', `/${id}/pause`, { wait_for_completion: true })
  await untilSo(async () => platform.heldCount() === 1)
  const stopped = tested.service.stop()
  const answer = await waiting
  expect([answer.status, answer.body]).toEqual([
    503,
    { success: false, message: expect.stringMatching(/recorded and goes on.*Asking again is safe/), code: 'PROVISIONING', request_id: expect.any(String) },
  ])
  platform.release()
  await stopped
})
