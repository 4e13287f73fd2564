import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { deleteSchedule } from '../../../automation/schedules/change-schedules.ts'
import { SCHEDULES_LEASE } from '../../../automation/schedules/schedule-runs.ts'
import { SERVICE } from '../../../registry/audit-log.ts'
import { startWebhookReceiver } from '../../support/clients/webhook-receiver.ts'
import { acquisitionsOf } from '../../support/engines/faulty-lane.ts'
import { holdLane } from '../../support/engines/held-lane.ts'
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

test('a process whose claim waits for minutes keeps the lease, because its signs of life have a timer of their own', async () => {
  const limits = { beatEveryMs: 20, takeOverAfterMs: 100 }
  const schedule = await world.schedule({ functionUrl: receiver.url })
  world.pass(TEN_MINUTES_MS)
  const held = holdLane(world.clickhouse.work)
  world.startScheduler({ limits, clickhouse: { ...world.clickhouse, work: held.lane } })
  await untilSo(async () => held.waiting() === 1)
  const acquisitions = await acquisitionsOf(world.clickhouse, SCHEDULES_LEASE)
  const second = world.scheduler({ limits })
  for (let round = 0; round < 10; round += 1) {
    await second.beginDue()
    const before = await world.newestBeat()
    world.pass(limits.beatEveryMs)
    await untilSo(async () => (await world.newestBeat()) > before)
  }
  expect(await acquisitionsOf(world.clickhouse, SCHEDULES_LEASE)).toBe(acquisitions)
  held.release()
  await untilSo(async () => (await world.executions(schedule)).length === 1)
  expect((await world.executions(schedule)).map(({ state }) => state)).toEqual(['succeeded'])
  expect(receiver.requests).toHaveLength(1)
  await deleteSchedule(world.store, SERVICE, schedule.id)
})

test('a deletion of old executions that takes minutes delays no run', async () => {
  const schedule = await world.schedule({ functionUrl: receiver.url })
  const held = holdLane(world.clickhouse.work)
  const scheduler = world.scheduler({ cleaningLane: held.lane })
  world.pass(TEN_MINUTES_MS)
  await world.runDue(scheduler)
  const cleaning = scheduler.cleanLog()
  await untilSo(async () => held.waiting() === 1)
  world.pass(TEN_MINUTES_MS)
  await world.runDue(scheduler)
  expect((await world.executions(schedule)).map(({ state }) => state)).toEqual(['succeeded', 'succeeded'])
  held.release()
  await cleaning
  await deleteSchedule(world.store, SERVICE, schedule.id)
})
