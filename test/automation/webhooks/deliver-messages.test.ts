import { createHmac } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { rotateEndpointSecret, updateEndpoint } from '../../../automation/webhooks/change-endpoints.ts'
import { readDeliveries, resendMessage } from '../../../automation/webhooks/delivery-log.ts'
import { disableFailingEndpoint } from '../../../automation/webhooks/disable-endpoint.ts'
import { type Endpoint, findEndpoint } from '../../../automation/webhooks/endpoints.ts'
import { DELIVERY_DAYS_MAX, FAILING_DAYS_MAX } from '../../../contract/webhook-events.ts'
import { MS_PER_DAY } from '../../../metering/timestamp.ts'
import { SERVICE } from '../../../registry/audit-log.ts'
import { startWebhookReceiver } from '../../support/clients/webhook-receiver.ts'
import { untilSo } from '../../support/until-so.ts'
import { networks, WebhookWorld } from '../../support/worlds/webhook-world.ts'

let world: WebhookWorld
const stops: (() => Promise<unknown>)[] = []
beforeAll(async () => {
  world = await WebhookWorld.open()
})
afterAll(() => world.close())
afterEach(async () => {
  await world.endTest()
  for (const stop of stops.splice(0)) await stop()
})

async function receive(answer?: Parameters<typeof startWebhookReceiver>[0]) {
  const receiver = await startWebhookReceiver(answer)
  stops.push(receiver.stop)
  return { ...receiver, ids: () => receiver.requests.map(({ headers }) => headers['webhook-id']) }
}

const logOf = ({ id }: Endpoint) => readDeliveries(world.registry.clickhouse, id, { limit: 100, nowMs: world.clock.nowMs })
const isDelivered = async (endpoint: Endpoint) => (await logOf(endpoint)).every(({ status }) => status === 'delivered')
const keyOf = ({ id }: Endpoint) => ({ setBy: '', endpointId: id })

describe('deliveries are fair between receivers', () => {
  test('a receiver that never answers, with many messages, keeps no message from another one', async () => {
    const hanging = await receive(() => {})
    const quick = await receive()
    const { endpoint: stuck } = await world.endpoint(hanging.url)
    const { endpoint } = await world.endpoint(quick.url)
    for (let nth = 0; nth < 10; nth += 1) await world.message(stuck)
    const ids = [await world.message(endpoint), await world.message(stuck, endpoint)]
    world.deliver({ limits: { concurrentDeliveriesMax: 2, retryMsFirst: 5, retryMsMax: 20, sweepEveryMs: 10 } })
    await untilSo(async () => quick.requests.length === 2)
    expect(quick.ids()).toEqual(ids)
    await untilSo(async () => (await logOf(stuck)).some(({ lastOutcome }) => lastOutcome === 'timed_out'))
    expect(hanging.open()).toBeLessThanOrEqual(1)
    await updateEndpoint(world.registry, SERVICE, keyOf(stuck), { enabled: false })
  })

  test('a message that a receiver keeps rejecting does not keep the later ones from it', async () => {
    let poison = ''
    const receiver = await receive((request, response) => response.writeHead(request.headers['webhook-id'] === poison ? 400 : 200).end())
    const { endpoint } = await world.endpoint(receiver.url)
    poison = await world.message(endpoint)
    const others = [await world.message(endpoint), await world.message(endpoint)]
    world.deliver()
    await untilSo(async () => others.every((id) => receiver.ids().includes(id)))
    expect((await logOf(endpoint)).find(({ messageId }) => messageId === poison)).toMatchObject({
      status: 'pending',
      lastOutcome: 'http_status',
      lastHttpStatus: 400,
    })
    await updateEndpoint(world.registry, SERVICE, keyOf(endpoint), { enabled: false })
  })
})

describe('an endpoint that fails for days', () => {
  test('is disabled with a notice, gets nothing more, and gets what is pending when it is enabled', async () => {
    let works = false
    const receiver = await receive((_, response) => response.writeHead(works ? 204 : 500).end())
    const { endpoint } = await world.endpoint(receiver.url)
    const first = await world.message(endpoint)
    world.deliver()
    await untilSo(async () => receiver.requests.length > 3)
    world.clock.nowMs += FAILING_DAYS_MAX * MS_PER_DAY - 1_000
    await untilSo(async () => receiver.requests.length > 6)
    expect((await findEndpoint(world.registry, endpoint.id))?.disabledMs).toBeNull()
    world.clock.nowMs += 2_000
    await untilSo(async () => (await findEndpoint(world.registry, endpoint.id))?.disabledReason === 'failing')
    await untilSo(async () => world.logged.some((each) => JSON.stringify(each).includes(`"webhook":"${endpoint.id}","days":${FAILING_DAYS_MAX}`)))
    const second = await world.message(endpoint)
    works = true
    const before = receiver.requests.length
    await updateEndpoint(world.registry, SERVICE, keyOf(endpoint), { enabled: true })
    await untilSo(() => isDelivered(endpoint))
    expect(new Set(receiver.ids().slice(before))).toEqual(new Set([first, second]))
    // It failed long ago: a single failure now is a new beginning.
    expect(await disableFailingEndpoint(world.registry, endpoint.id, world.clock.nowMs - 10 * MS_PER_DAY)).toBeUndefined()
  })

  test('a message is given up after days, and can be sent again', async () => {
    const receiver = await receive()
    const { endpoint } = await world.endpoint(receiver.url)
    await updateEndpoint(world.registry, SERVICE, keyOf(endpoint), { enabled: false })
    const id = await world.message(endpoint)
    world.clock.nowMs += DELIVERY_DAYS_MAX * MS_PER_DAY + 1
    await updateEndpoint(world.registry, SERVICE, keyOf(endpoint), { enabled: true })
    const marker = await world.message(endpoint)
    world.deliver()
    // The attempt is stored after the receiver has answered.
    await untilSo(async () => (await logOf(endpoint)).some(({ messageId, status }) => messageId === marker && status === 'delivered'))
    expect(receiver.ids()).toEqual([marker])
    expect((await logOf(endpoint)).map(({ messageId, status }) => [messageId, status])).toEqual([
      [marker, 'delivered'],
      [id, 'given_up'],
    ])
    const again = { endpointId: endpoint.id, messageId: id, nowMs: world.clock.nowMs, note: async () => {} }
    await Promise.all([resendMessage(world.registry.clickhouse, again), resendMessage(world.registry.clickhouse, again)])
    await untilSo(() => isDelivered(endpoint))
    expect(receiver.ids()).toEqual([marker, id])
    expect(await resendMessage(world.registry.clickhouse, { ...again, messageId: 'msg_other' })).toBe('not_found')
  })
})

describe('signatures', () => {
  test('during an exchange both secrets sign, afterwards only the new one', async () => {
    const receiver = await receive()
    const { endpoint, secret } = await world.endpoint(receiver.url)
    world.deliver()
    const rotated = await rotateEndpointSecret(world.registry, SERVICE, keyOf(endpoint), 60)
    const signaturesOf = (nth: number) => receiver.requests[nth]?.headers['webhook-signature']?.split(' ')
    const expected = (nth: number, ...secrets: (string | undefined)[]) => secrets.map((each) => signatureOf(each ?? '', receiver.requests[nth]))
    await world.message(endpoint)
    await untilSo(async () => receiver.requests.length === 1)
    expect(signaturesOf(0)?.sort()).toEqual(expected(0, secret, rotated?.secret).sort())
    world.clock.nowMs += 60_000
    await world.message(endpoint)
    await untilSo(async () => receiver.requests.length === 2)
    expect(signaturesOf(1)).toEqual(expected(1, rotated?.secret))
    expect(JSON.stringify(world.logged)).not.toContain('whsec_')
  })
})

describe('addresses', () => {
  test('an endpoint that leads to a private address is never called, by name, by number or by a redirect', async () => {
    const receiver = await receive((request, response) => {
      if (request.url === '/redirect') response.writeHead(302, { location: `http://127.0.0.1:${receiver.port}/secret` }).end()
      else response.end()
    })
    const forbidden = { allowed: networks('192.0.2.0/24') }
    const urls = [
      `http://rebound.example:${receiver.port}/`,
      receiver.url,
      `http://2130706433:${receiver.port}/`,
      `http://[::ffff:127.0.0.1]:${receiver.port}/`,
    ]
    const endpoints = await Promise.all(urls.map(async (url) => (await world.endpoint(url)).endpoint))
    await world.message(...endpoints)
    const delivery = world.deliver({ ...forbidden, resolve: async () => [{ address: '127.0.0.1', family: 4 }] })
    for (const endpoint of endpoints) await untilSo(async () => (await logOf(endpoint))[0]?.lastOutcome === 'private_address')
    await delivery.stop()
    expect(receiver.connections()).toBe(0)
    for (const endpoint of endpoints) await updateEndpoint(world.registry, SERVICE, keyOf(endpoint), { enabled: false })
    const { endpoint } = await world.endpoint(`http://127.0.0.1:${receiver.port}/redirect`)
    await world.message(endpoint)
    world.deliver()
    await untilSo(async () => (await logOf(endpoint))[0]?.lastHttpStatus === 302)
    expect(receiver.requests.filter(({ path }) => path === '/secret')).toEqual([])
    await updateEndpoint(world.registry, SERVICE, keyOf(endpoint), { enabled: false })
  })
})

describe('several processes', () => {
  test('one delivers at a time, and another takes over as soon as it stops', async () => {
    const receiver = await receive()
    const { endpoint } = await world.endpoint(receiver.url)
    const lease = { beatEveryMs: 20, takeOverAfterMs: 60_000 }
    const first = world.deliver({ lease })
    await world.message(endpoint)
    await untilSo(async () => receiver.requests.length === 1)
    const second = world.deliver({ lease })
    for (let nth = 0; nth < 5; nth += 1) await world.message(endpoint)
    await untilSo(() => isDelivered(endpoint))
    expect([receiver.requests.length, second.stats().acknowledged]).toEqual([6, 0])
    await first.stop()
    await world.message(endpoint)
    await untilSo(() => isDelivered(endpoint))
    expect([receiver.requests.length, second.stats().acknowledged]).toEqual([7, 1])
  })
})

describe('a process that has lost the lease', () => {
  test('stops deliveries in progress, although messages are still pending', async () => {
    const receiver = await receive((_, response) => response.writeHead(500).end())
    const { endpoint } = await world.endpoint(receiver.url)
    await world.message(endpoint)
    const first = world.deliver({ lease: { beatEveryMs: 5, takeOverAfterMs: 60_000 } })
    await untilSo(async () => first.stats().failed > 1)
    const second = world.deliver({ lease: { beatEveryMs: 5, takeOverAfterMs: 0 } })
    await untilSo(async () => first.stats().pending === 0 && second.stats().failed > 3)
    const before = { first: first.stats().failed, second: second.stats().failed }
    await untilSo(async () => second.stats().failed > before.second + 10)
    // One attempt may have been in progress.
    expect(first.stats().failed).toBeLessThanOrEqual(before.first + 1)
    await updateEndpoint(world.registry, SERVICE, keyOf(endpoint), { enabled: false })
  })
})

function signatureOf(secret: string, request: { headers: Record<string, string>; body: Buffer } | undefined): string {
  const { headers = {}, body = Buffer.alloc(0) } = request ?? {}
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
  return `v1,${createHmac('sha256', key).update(`${headers['webhook-id']}.${headers['webhook-timestamp']}.`).update(body).digest('base64')}`
}
