import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { readScheduleHealth } from '../../../automation/health/schedule-health.ts'
import { deleteSchedule, requestRun, updateSchedule } from '../../../automation/schedules/change-schedules.ts'
import { SERVICE } from '../../../registry/audit-log.ts'
import { startWebhookReceiver } from '../../support/clients/webhook-receiver.ts'
import { ScheduledWorld } from '../../support/worlds/scheduled-world.ts'

const MINUTE_MS = 60_000

let world: ScheduledWorld
let receiver: Awaited<ReturnType<typeof startWebhookReceiver>>
let status = 200
beforeAll(async () => {
  world = await ScheduledWorld.open()
  receiver = await startWebhookReceiver((_, response) => response.writeHead(status).end())
})
afterEach(() => world.endTest())
afterAll(async () => {
  await world.close()
  await receiver.stop()
})

const health = async () => (await readScheduleHealth(world.clickhouse, world.nowMs)).map(({ id: _, ...each }) => each)

test('a due time is overdue until its run has begun, and a failed run is reported until one succeeds or the schedule is paused', async () => {
  expect(await health()).toEqual([])
  const { id } = await world.schedule({ functionUrl: receiver.url, cronSchedule: '*/10 * * * *' }, { name: 'every ten' })
  const well = { name: 'every ten', action: 'call', overdueSinceMs: null, failure: null }
  expect(await health()).toEqual([well])
  world.pass(25 * MINUTE_MS)
  const overdueSinceMs = Date.UTC(2026, 2, 1, 0, 10)
  expect(await health(), 'no process runs schedules').toEqual([{ ...well, overdueSinceMs }])

  status = 404
  const scheduler = world.scheduler()
  await world.runDue(scheduler, 4)
  expect(await health()).toEqual([{ ...well, failure: { atMs: world.nowMs, message: 'Answered 404.' } }])
  expect(scheduler.counts()).toEqual({ succeeded: 0, failed: 2, skipped: 0 })

  status = 200
  world.pass(MINUTE_MS)
  await requestRun(world.store, SERVICE, id)
  world.pass(MINUTE_MS)
  expect(await health(), 'the run that was asked for').toMatchObject([{ overdueSinceMs: expect.any(Number) }])
  await world.runDue(scheduler, 2)
  expect(await health()).toEqual([well])
  expect(scheduler.counts()).toEqual({ succeeded: 1, failed: 2, skipped: 0 })

  status = 404
  world.pass(10 * MINUTE_MS)
  await world.runDue(scheduler, 2)
  expect(await health()).toMatchObject([{ failure: { message: 'Answered 404.' } }])
  await updateSchedule(world.store, SERVICE, id, { isActive: false, definition: {} })
  world.pass(60 * MINUTE_MS)
  expect(await health(), 'paused').toEqual([well])
  await deleteSchedule(world.store, SERVICE, id)
  expect(await health()).toEqual([])
})
