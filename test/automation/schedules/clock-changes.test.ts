import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { deleteSchedule } from '../../../automation/schedules/change-schedules.ts'
import { SERVICE } from '../../../registry/audit-log.ts'
import { startWebhookReceiver } from '../../support/clients/webhook-receiver.ts'
import { ScheduledWorld } from '../../support/worlds/scheduled-world.ts'

const HALF_HOUR_MS = 1_800_000

let world: ScheduledWorld
let receiver: Awaited<ReturnType<typeof startWebhookReceiver>>
beforeAll(async () => {
  world = await ScheduledWorld.open()
  receiver = await startWebhookReceiver()
})
afterAll(async () => {
  await receiver.stop()
  await world.close()
})
afterEach(() => world.endTest())

interface Passage {
  readonly zone: string
  readonly cron: string
  /** The clock is set to `from`, the schedule is created, and the clock passes in steps through `to`. */
  readonly from: string
  readonly to: string
  readonly stepMs?: number
  /** The due times of all calls. */
  readonly calls: readonly string[]
}

test.each<Passage>([
  { zone: 'America/New_York', cron: '30 2 * * *', from: '2026-03-08T05:00Z', to: '2026-03-08T10:00Z', calls: ['2026-03-08T07:00Z'] },
  { zone: 'America/New_York', cron: '30 1 * * *', from: '2026-11-01T04:00Z', to: '2026-11-01T09:00Z', calls: ['2026-11-01T05:30Z'] },
  { zone: 'Europe/Berlin', cron: '30 2 * * *', from: '2026-03-28T23:00Z', to: '2026-03-29T04:00Z', calls: ['2026-03-29T01:00Z'] },
  { zone: 'Europe/Berlin', cron: '0 2 * * *', from: '2026-10-24T23:00Z', to: '2026-10-25T04:00Z', calls: ['2026-10-25T00:00Z'] },
  { zone: 'Australia/Lord_Howe', cron: '15 2 * * *', from: '2026-10-03T13:00Z', to: '2026-10-03T18:00Z', calls: ['2026-10-03T15:30Z'] },
  { zone: 'Australia/Lord_Howe', cron: '45 1 * * *', from: '2026-04-04T12:00Z', to: '2026-04-04T18:00Z', calls: ['2026-04-04T14:45Z'] },
  { zone: 'UTC', cron: '0 0 29 2 *', from: '2028-02-28T23:00Z', to: '2028-03-01T01:00Z', calls: ['2028-02-29T00:00Z'], stepMs: 2 * HALF_HOUR_MS },
  { zone: 'UTC', cron: '0 0 29 2 *', from: '2027-02-28T00:00Z', to: '2027-03-02T00:00Z', calls: [], stepMs: 12 * HALF_HOUR_MS },
  {
    zone: 'UTC',
    cron: '59 23 L * *',
    from: '2028-01-30T00:00Z',
    to: '2028-05-01T00:00Z',
    calls: ['2028-01-31T23:59Z', '2028-02-29T23:59Z', '2028-03-31T23:59Z', '2028-04-30T23:59Z'],
    stepMs: 96 * HALF_HOUR_MS,
  },
])('$cron in $zone from $from calls once for each due time', async ({ zone, cron, from, to, calls, stepMs = HALF_HOUR_MS }) => {
  world.nowMs = Date.parse(from)
  receiver.requests.length = 0
  const schedule = await world.schedule({ functionUrl: receiver.url, cronSchedule: cron, timezone: zone })
  // Long enough for the months of a test.
  const scheduler = world.scheduler({ logDays: 3_650 })
  while (world.nowMs < Date.parse(to)) {
    world.pass(Math.min(stepMs, Date.parse(to) - world.nowMs))
    await world.runDue(scheduler)
  }
  expect((await world.executions(schedule)).map(({ dueMs }) => dueMs)).toEqual(calls.map((call) => Date.parse(call)))
  expect(receiver.requests).toHaveLength(calls.length)
  await deleteSchedule(world.store, SERVICE, schedule.id)
})
