import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { readWebhookHealth } from '../../../automation/health/webhook-health.ts'
import { updateEndpoint } from '../../../automation/webhooks/change-endpoints.ts'
import { disableFailingEndpoint } from '../../../automation/webhooks/disable-endpoint.ts'
import { sendTestMessage } from '../../../automation/webhooks/send-to-endpoint.ts'
import { SERVICE } from '../../../registry/audit-log.ts'
import { startWebhookReceiver } from '../../support/clients/webhook-receiver.ts'
import { untilSo } from '../../support/until-so.ts'
import { networks, WebhookWorld } from '../../support/worlds/webhook-world.ts'

let world: WebhookWorld
let receiver: Awaited<ReturnType<typeof startWebhookReceiver>>
beforeAll(async () => {
  world = await WebhookWorld.open()
  receiver = await startWebhookReceiver((request, response) => response.writeHead(request.url === '/hook/fails' ? 500 : 200).end())
})
afterEach(() => world.endTest())
afterAll(async () => {
  await world.close()
  await receiver.stop()
})

test('a webhook has its pending messages, since when the oldest waits and it fails, and why it is disabled', async () => {
  const { endpoint: works } = await world.endpoint(receiver.url)
  const { endpoint: fails } = await world.endpoint(`${receiver.url}/fails`)
  const read = async () => new Map((await readWebhookHealth(world.registry.clickhouse, world.clock.nowMs)).map((each) => [each.id, each]))
  const well = { setBy: '', disabled: null, failingSinceMs: null, pending: null }
  expect(await read()).toEqual(new Map([works, fails].map(({ id }) => [id, { id, ...well }])))
  await world.message(works, fails)
  const firstMs = world.clock.nowMs
  await world.message(fails)
  expect((await read()).get(works.id)?.pending).toEqual({ messages: 1, oldestMs: firstMs })
  expect((await read()).get(fails.id)?.pending).toEqual({ messages: 2, oldestMs: firstMs })

  world.deliver()
  await untilSo(async () => (await read()).get(works.id)?.pending === null && (await read()).get(fails.id)?.failingSinceMs !== null)
  expect((await read()).get(works.id)).toEqual({ id: works.id, ...well })
  const failing = { id: fails.id, ...well, failingSinceMs: expect.any(Number), pending: { messages: 2, oldestMs: firstMs } }
  expect((await read()).get(fails.id)).toEqual(failing)
  await disableFailingEndpoint(world.registry, fails.id, world.clock.nowMs)
  expect((await read()).get(fails.id)).toEqual({ ...failing, disabled: { reason: 'failing', atMs: world.clock.nowMs } })
})

test('test messages change nothing of whether a webhook fails, and with another URL its failures begin again', async () => {
  const { endpoint } = await world.endpoint(`${receiver.url}/fails`)
  const { registry, clock } = world
  const failingSince = async () => (await readWebhookHealth(registry.clickhouse, clock.nowMs)).find(({ id }) => id === endpoint.id)?.failingSinceMs
  const sendTest = (url: string) => sendTestMessage({ registry, allowed: networks('127.0.0.0/8') }, { ...endpoint, url })
  expect((await sendTest(endpoint.url)).outcome).toBe('http_status')
  expect(await failingSince()).toBeNull()

  await world.message(endpoint)
  const sinceMs = clock.nowMs
  const delivery = world.deliver()
  await untilSo(async () => (await failingSince()) === sinceMs)
  await delivery.stop()
  clock.nowMs += 1
  expect((await sendTest(receiver.url)).outcome).toBe('delivered')
  expect(await failingSince(), 'what is pending still fails').toBe(sinceMs)
  clock.nowMs += 1
  await updateEndpoint(registry, SERVICE, { setBy: '', endpointId: endpoint.id }, { url: receiver.url })
  expect(await failingSince()).toBeNull()
})
