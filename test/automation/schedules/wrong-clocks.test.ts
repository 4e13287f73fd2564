import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { deleteSchedule } from '../../../automation/schedules/change-schedules.ts'
import { runIdOf } from '../../../automation/schedules/schedule-runs.ts'
import { SERVICE } from '../../../registry/audit-log.ts'
import { startWebhookReceiver } from '../../support/clients/webhook-receiver.ts'
import { ScheduledWorld } from '../../support/worlds/scheduled-world.ts'

const TEN_MINUTES_MS = 600_000
const YEAR_MS = 365 * 86_400_000

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

test.each([YEAR_MS, -YEAR_MS, 61_000])('a process whose clock differs from that of the store by %i ms claims nothing and says so once', async (aheadMs) => {
  const schedule = await world.schedule({ functionUrl: receiver.url })
  const scheduler = world.scheduler()
  const startMs = world.nowMs
  world.pass(TEN_MINUTES_MS)
  world.aheadMs = aheadMs
  await world.runDue(scheduler, 3)
  expect(await world.executions(schedule)).toEqual([])
  // A clock that is behind finds nothing due.
  expect(world.logged.filter((line) => /clock of ClickHouse/.test(line))).toHaveLength(aheadMs > 0 ? 1 : 0)
  world.aheadMs = 0
  await world.runDue(scheduler, 2)
  expect((await world.executions(schedule)).map(({ dueMs }) => dueMs)).toEqual([startMs + TEN_MINUTES_MS])
  await deleteSchedule(world.store, SERVICE, schedule.id)
})

test.each(['the same', 'another'] as const)('after both clocks were a year ahead, %s process runs what is due by the right ones', async (which) => {
  const schedule = await world.schedule({ functionUrl: receiver.url })
  const first = world.scheduler({ limits: { catchUpMax: 2 } })
  const rightMs = world.nowMs
  world.pass(YEAR_MS)
  await world.runDue(first, 3)
  expect((await world.executions(schedule)).at(-1)?.dueMs).toBe(rightMs + YEAR_MS)
  world.nowMs = rightMs
  if (which === 'another') await first.stop()
  const later = which === 'another' ? world.scheduler() : first
  const received = receiver.requests.length
  await world.runDue(later, 2)
  expect(receiver.requests).toHaveLength(received)
  world.pass(TEN_MINUTES_MS)
  await world.runDue(later, 3)
  const ids = receiver.requests.slice(received).map(({ headers }) => headers['webhook-id'])
  expect(ids).toEqual([runIdOf({ scheduleId: schedule.id, dueMs: rightMs + TEN_MINUTES_MS })])
  await deleteSchedule(world.store, SERVICE, schedule.id)
})
