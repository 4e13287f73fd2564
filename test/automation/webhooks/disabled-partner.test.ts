import { afterAll, beforeAll, expect, test } from 'vitest'
import { readWebhookHealth } from '../../../automation/health/webhook-health.ts'
import { readDeliveries } from '../../../automation/webhooks/delivery-log.ts'
import { readEndpoints } from '../../../automation/webhooks/endpoints.ts'
import { recipientsOf } from '../../../automation/webhooks/recipients.ts'
import { SERVICE } from '../../../registry/audit-log.ts'
import { setPartnerDisabled } from '../../../registry/change-partners.ts'
import { createPartner } from '../../../registry/create-partner.ts'
import { startWebhookReceiver } from '../../support/clients/webhook-receiver.ts'
import { untilSo } from '../../support/until-so.ts'
import { WebhookWorld } from '../../support/worlds/webhook-world.ts'

let world: WebhookWorld
let receiver: Awaited<ReturnType<typeof startWebhookReceiver>>
beforeAll(async () => {
  world = await WebhookWorld.open()
  receiver = await startWebhookReceiver()
})
afterAll(async () => {
  await world.close()
  await receiver.stop()
})

test('nothing is sent to the webhooks of a disabled partner, and what is pending is sent when the partner is enabled', async () => {
  const { registry, clock } = world
  const { partner } = await createPartner(registry, SERVICE, { name: 'Leaked', mode: 'white-label' })
  const disable = (disabled: boolean) => setPartnerDisabled(registry, SERVICE, { partnerId: partner.id, disabled })
  const { endpoint: theirs } = await world.endpoint(`${receiver.url}/theirs`, { setBy: partner.id, partnerId: partner.id, events: ['usage.spike'] })
  const { endpoint: ours } = await world.endpoint(`${receiver.url}/ours`, { partnerId: partner.id, events: ['usage.spike'] })
  const recipients = async () => recipientsOf(await readEndpoints(registry), { type: 'usage.spike', partnerId: partner.id, sinceMs: clock.nowMs })
  // A request that was answered too late is repeated.
  const pathsOf = () => [...new Set(receiver.requests.map(({ path }) => path))]
  expect((await recipients()).sort()).toEqual([theirs.id, ours.id].sort())

  await disable(true)
  expect(await recipients(), 'operators are still notified about the partner').toEqual([ours.id])
  const stateOf = async () => (await readWebhookHealth(registry.clickhouse, clock.nowMs)).find(({ id }) => id === theirs.id)?.disabled?.reason
  expect(await stateOf()).toBe('partner_disabled')
  await world.message(theirs)
  await world.message(ours)
  const delivery = world.deliver()
  await untilSo(async () => delivery.stats().acknowledged === 1)
  expect([pathsOf(), delivery.stats().pending]).toEqual([['/hook/ours'], expect.any(Number)])
  expect((await readDeliveries(registry.clickhouse, theirs.id, { limit: 10, nowMs: clock.nowMs }))[0]).toMatchObject({ status: 'pending', attempts: 0 })

  await disable(false)
  await untilSo(async () => delivery.stats().acknowledged === 2)
  expect(pathsOf()).toEqual(['/hook/ours', '/hook/theirs'])
})

test('deliveries in progress end when the partner is disabled', async () => {
  const failing = await startWebhookReceiver((_, response) => response.writeHead(500).end())
  const { registry } = world
  const { partner } = await createPartner(registry, SERVICE, { name: 'Leaks', mode: 'white-label' })
  const { endpoint: theirs } = await world.endpoint(failing.url, { setBy: partner.id, partnerId: partner.id })
  const { endpoint: ours } = await world.endpoint(failing.url)
  await world.message(theirs, ours)
  world.deliver()
  const attemptsOf = async (id: string) => (await readDeliveries(registry.clickhouse, id, { limit: 1, nowMs: world.clock.nowMs }))[0]?.attempts ?? 0
  await untilSo(async () => (await attemptsOf(theirs.id)) > 1)
  await setPartnerDisabled(registry, SERVICE, { partnerId: partner.id, disabled: true })
  const before = { theirs: await attemptsOf(theirs.id), ours: await attemptsOf(ours.id) }
  await untilSo(async () => (await attemptsOf(ours.id)) > before.ours + 10)
  // One attempt may have been in progress.
  expect(await attemptsOf(theirs.id)).toBeLessThanOrEqual(before.theirs + 1)
  await failing.stop()
})
