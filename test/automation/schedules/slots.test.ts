import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { deleteSchedule, updateSchedule } from '../../../automation/schedules/change-schedules.ts'
import type { RunOutcome } from '../../../automation/schedules/run-outcome.ts'
import type { ExportAction } from '../../../contract/schedules.ts'
import { SERVICE } from '../../../registry/audit-log.ts'
import { startWebhookReceiver } from '../../support/clients/webhook-receiver.ts'
import { untilSo } from '../../support/until-so.ts'
import { ScheduledWorld } from '../../support/worlds/scheduled-world.ts'

const TEN_MINUTES_MS = 600_000

let world: ScheduledWorld
let receiver: Awaited<ReturnType<typeof startWebhookReceiver>>
beforeAll(async () => {
  world = await ScheduledWorld.open()
  receiver = await startWebhookReceiver()
})
afterEach(() => world.endTest())
afterAll(async () => {
  await world.close()
  await receiver.stop()
})

test('exports that wait occupy neither the slots of calls nor more than their own', async () => {
  const waiting: (() => void)[] = []
  const deliver = () => new Promise<RunOutcome>((resolve) => waiting.push(() => resolve({ status: 'failed', statusCode: null, message: 'Given up.' })))
  const action: ExportAction = { what: 'focus', period: 'last-month', format: 'csv', to: { url: 'https://127.0.0.1/' } }
  const exports = []
  for (let nth = 0; nth < 3; nth += 1) exports.push(await world.schedule({ functionUrl: null, export: action }))
  const call = await world.schedule({ functionUrl: receiver.url })
  const scheduler = world.scheduler({ runner: { deliver }, limits: { concurrentExportsMax: 2, concurrentCallsMax: 1 } })
  for (let round = 0; round < 3; round += 1) {
    world.pass(TEN_MINUTES_MS)
    await scheduler.beginDue()
    await untilSo(async () => (await world.executions(call)).length === round + 1)
  }
  expect(waiting).toHaveLength(2)
  waiting.shift()?.()
  await untilSo(async () => {
    await scheduler.beginDue()
    return waiting.length === 2
  })
  for (const { id } of exports) await updateSchedule(world.store, SERVICE, id, { isActive: false, definition: {} })
  for (const end of waiting) end()
  await scheduler.idle()
  for (const { id } of [...exports, call]) await deleteSchedule(world.store, SERVICE, id)
})
