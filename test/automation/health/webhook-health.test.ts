import { afterAll, beforeAll, expect, test } from 'vitest'
import { readWebhookHealth } from '../../../automation/health/webhook-health.ts'
import { disableFailingEndpoint } from '../../../automation/webhooks/disable-endpoint.ts'
import { startWebhookReceiver } from '../../support/clients/webhook-receiver.ts'
import { untilSo } from '../../support/until-so.ts'
import { WebhookWorld } from '../../support/worlds/webhook-world.ts'

let world: WebhookWorld
let receiver: Awaited<ReturnType<typeof startWebhookReceiver>>
beforeAll(async () => {
  world = await WebhookWorld.open()
  receiver = await startWebhookReceiver((request, response) => response.writeHead(request.url === '/hook/fails' ? 500 : 200).end())
})
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
