import { afterAll, beforeAll, expect, test } from 'vitest'
import { announceIncidents } from '../../../automation/webhooks/announce-incidents.ts'
import { disableFailingEndpoint } from '../../../automation/webhooks/disable-endpoint.ts'
import { MessageQueue } from '../../../automation/webhooks/message-queue.ts'
import { MS_PER_DAY } from '../../../metering/timestamp.ts'
import { startWebhookReceiver } from '../../support/clients/webhook-receiver.ts'
import { untilSo } from '../../support/until-so.ts'
import { stopLog } from '../../support/worlds/stopped-log.ts'
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

const received = () => receiver.requests.map(({ body }) => JSON.parse(body.toString('utf8')))

test('each incident is announced once, however many processes look, on whatever days and after whatever restarts of the log', async () => {
  const { registry, clock } = world
  const { clickhouse } = registry
  const { endpoint } = await world.endpoint(receiver.url)
  await world.endpoint(`${receiver.url}/of-others`, { events: ['statement.closed'] })
  world.deliver()
  const processes = [new MessageQueue(clickhouse), new MessageQueue(clickhouse)]
  const announce = async () => {
    for (const queue of processes) await announceIncidents({ clickhouse, queue, now: () => clock.nowMs })
  }
  await announce()
  for (let days = 0; days < 3; days += 1) {
    // As at a restart of the process that counts: under a newer lease.
    await stopLog(clickhouse, { kind: 'unreadable', next: 7, message: 'The log http has stopped.' })
    await announce()
    clock.nowMs += MS_PER_DAY
  }
  await stopLog(clickhouse, { kind: 'unreadable', next: 8 })
  await announce()
  await untilSo(async () => received().length >= 2)
  expect(received()).toMatchObject([
    { type: 'log.incident', data: { log: 'http', incident: 'unreadable', message: 'The log http has stopped.', since: expect.stringMatching(/Z$/) } },
    { type: 'log.incident', data: { log: 'http', incident: 'unreadable', message: 'stopped' } },
  ])
  expect(receiver.requests.map(({ path }) => path)).toEqual(['/hook', '/hook'])

  // What nobody could be notified of is announced when there is a recipient.
  await disableFailingEndpoint(registry, endpoint.id, clock.nowMs)
  await stopLog(clickhouse, { kind: 'log_overwritten', next: 9 })
  await announce()
  await world.endpoint(`${receiver.url}/new`)
  await announce()
  await untilSo(async () => received().length >= 3)
  expect(receiver.requests.slice(2).map(({ path }) => path)).toEqual(['/hook/new'])
  expect(received()[2]?.data.incident).toBe('log_overwritten')
})
