import { createHash } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { deleteSchedule, requestRun, updateSchedule } from '../../../automation/schedules/change-schedules.ts'
import { runIdOf } from '../../../automation/schedules/schedule-runs.ts'
import { SERVICE } from '../../../registry/audit-log.ts'
import { defineQuery } from '../../../sql/query.ts'
import { startWebhookReceiver } from '../../support/clients/webhook-receiver.ts'
import { faultOnce } from '../../support/engines/faulty-lane.ts'
import { ScheduledWorld } from '../../support/worlds/scheduled-world.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

let world: ScheduledWorld
beforeAll(async () => {
  world = await ScheduledWorld.open()
})
afterAll(() => world.close())
const receivers: { stop: () => Promise<unknown> }[] = []
afterEach(async () => {
  await world.endTest()
  for (const receiver of receivers.splice(0)) await receiver.stop()
})

async function receive(...[answer]: Parameters<typeof startWebhookReceiver>) {
  const receiver = await startWebhookReceiver(answer)
  receivers.push(receiver)
  return receiver
}

test('before the first schedule a process acquires no lease and writes no sign of life', async () => {
  await world.runDue(world.scheduler(), 3)
  expect(await world.clickhouse.control.query(beats, {})).toEqual([{ beats: 0 }])
})

const beats = defineQuery({
  name: 'beats_of_test',
  sql: 'SELECT count() AS beats FROM schedule_beats_v1',
  params: z.object({}),
  row: z.object({ beats: z.coerce.number() }),
})

describe('a run for each due time', () => {
  test('a due time is called once, with the id of the run, the headers and the body', async () => {
    const receiver = await receive()
    const schedule = await world.schedule({ functionUrl: receiver.url, headers: { 'X-Own': 'yes' }, body: { full: true } })
    const scheduler = world.scheduler()
    await world.runDue(scheduler)
    expect(receiver.requests).toEqual([])
    world.pass(10 * MINUTE_MS)
    await world.runDue(scheduler, 3)
    const dueMs = Date.UTC(2026, 2, 1, 0, 10)
    const id = `run_${createHash('sha256').update(`["${schedule.id}",${dueMs}]`).digest('hex').slice(0, 32)}`
    expect(receiver.requests.map(({ method, body }) => [method, body.toString()])).toEqual([['POST', '{"full":true}']])
    expect(receiver.requests[0]?.headers).toMatchObject({ 'webhook-id': id, 'idempotency-key': id, 'x-own': 'yes', 'content-type': 'application/json' })
    expect(await world.executions(schedule)).toEqual([
      expect.objectContaining({ dueMs, kind: 'schedule', state: 'succeeded', statusCode: 200, message: 'Answered 200.' }),
    ])
    await deleteSchedule(world.store, SERVICE, schedule.id)
  })

  test('due times that were missed are made up for in order, the last ones only, and the log says which were skipped', async () => {
    const receiver = await receive()
    const schedule = await world.schedule({ functionUrl: receiver.url })
    const startMs = world.nowMs
    world.pass(5 * HOUR_MS)
    const scheduler = world.scheduler({ limits: { catchUpMax: 4 } })
    await world.runDue(scheduler, 6)
    const due = [...Array(4).keys()].map((index) => startMs + 5 * HOUR_MS - (3 - index) * 10 * MINUTE_MS)
    expect(receiver.requests.map(({ headers }) => headers['webhook-id'])).toEqual(due.map((dueMs) => runIdOf({ scheduleId: schedule.id, dueMs })))
    expect((await world.executions(schedule)).map(({ dueMs, state }) => [dueMs, state])).toEqual([
      [startMs + 5 * HOUR_MS - 40 * MINUTE_MS, 'skipped'],
      ...due.map((dueMs) => [dueMs, 'succeeded']),
    ])
    expect((await world.executions(schedule))[0]?.message).toMatch(/^Skipped 2026-03-01T.* to .*Z: at most the last 4 due times/)
    await deleteSchedule(world.store, SERVICE, schedule.id)
  })

  test('a paused schedule does not run, and what it missed meanwhile is not made up for', async () => {
    const receiver = await receive()
    const schedule = await world.schedule({ functionUrl: receiver.url })
    await updateSchedule(world.store, SERVICE, schedule.id, { isActive: false, definition: {} })
    const scheduler = world.scheduler()
    world.pass(HOUR_MS)
    await world.runDue(scheduler, 2)
    await updateSchedule(world.store, SERVICE, schedule.id, { isActive: true, definition: {} })
    await world.runDue(scheduler, 2)
    expect(receiver.requests).toEqual([])
    world.pass(10 * MINUTE_MS)
    await world.runDue(scheduler, 2)
    expect(receiver.requests).toHaveLength(1)
    await deleteSchedule(world.store, SERVICE, schedule.id)
  })

  test('a run that is asked for has a due time of its own, also while the schedule is paused, and each is run once', async () => {
    const receiver = await receive()
    const schedule = await world.schedule({ functionUrl: receiver.url }, { isActive: false })
    const requested = [await requestRun(world.store, SERVICE, schedule.id), await requestRun(world.store, SERVICE, schedule.id)]
    await world.runDue(world.scheduler(), 4)
    const ids = requested.map((each) => (each.status === 'requested' ? each.runId : each.status))
    expect(receiver.requests.map(({ headers }) => headers['webhook-id'])).toEqual(ids)
    expect(new Set(ids).size).toBe(2)
    await deleteSchedule(world.store, SERVICE, schedule.id)
  })

  test('at most ten runs that were asked for wait', async () => {
    const schedule = await world.schedule({}, { isActive: false })
    const statuses: string[] = []
    for (let nth = 0; nth < 11; nth += 1) statuses.push((await requestRun(world.store, SERVICE, schedule.id)).status)
    expect(statuses).toEqual([...Array(10).fill('requested'), 'waiting'])
    await deleteSchedule(world.store, SERVICE, schedule.id)
  })
})

describe('failures', () => {
  test('5xx, 429 and a broken connection are tried again up to three times, under one id', async () => {
    let calls = 0
    const receiver = await receive((request, response) => {
      calls += 1
      if (calls === 1) response.writeHead(503).end()
      else if (calls === 2) request.socket.destroy()
      else response.writeHead(204).end()
    })
    const schedule = await world.schedule({ functionUrl: receiver.url })
    world.pass(10 * MINUTE_MS)
    await world.runDue(world.scheduler())
    expect(new Set(receiver.requests.map(({ headers }) => headers['webhook-id'])).size).toBe(1)
    expect((await world.executions(schedule)).map(({ state, statusCode, message }) => [state, statusCode, message])).toEqual([
      ['succeeded', 204, 'Answered 204 after 3 attempts.'],
    ])
    await deleteSchedule(world.store, SERVICE, schedule.id)
  })

  test('a time-out and an endless 500 fail after the last attempt; a 404 and a redirect fail immediately', async () => {
    const outcomes: unknown[] = []
    const elsewhere = await receive()
    const answers: Parameters<typeof startWebhookReceiver>[0][] = [
      () => {},
      (_, response) => response.writeHead(500).end(),
      (_, response) => response.writeHead(404).end(),
      (_, response) => response.writeHead(302, { location: elsewhere.url }).end(),
    ]
    for (const [index, answer] of answers.entries()) {
      const receiver = await receive(answer)
      const schedule = await world.schedule({ functionUrl: receiver.url })
      world.pass(10 * MINUTE_MS)
      const scheduler = world.scheduler({ runner: { limits: { timeoutMs: index === 0 ? 100 : 30_000, retryMsFirst: 1, retryMsMax: 2 } } })
      await world.runDue(scheduler)
      const [execution] = await world.executions(schedule)
      outcomes.push([receiver.requests.length, execution?.statusCode, execution?.message])
      await deleteSchedule(world.store, SERVICE, schedule.id)
      await scheduler.stop()
    }
    expect(outcomes).toEqual([
      [3, null, 'No answer within 0.1 s after 3 attempts.'],
      [3, 500, 'Answered 500 after 3 attempts.'],
      [1, 404, 'Answered 404.'],
      [1, 302, 'Answered 302. Redirects are not followed.'],
    ])
    expect(elsewhere.connections()).toBe(0)
  })

  test('a slow receiver delays its own schedule only', async () => {
    const waiting: (() => void)[] = []
    const slow = await receive((_, response) => waiting.push(() => response.end()))
    const quick = await receive()
    const [delayed, other] = [await world.schedule({ functionUrl: slow.url }), await world.schedule({ functionUrl: quick.url })]
    const scheduler = world.scheduler()
    for (let round = 0; round < 3; round += 1) {
      world.pass(10 * MINUTE_MS)
      await scheduler.beginDue()
      await expect.poll(async () => (await world.executions(other)).length).toBe(round + 1)
    }
    expect(slow.requests).toHaveLength(1)
    for (const answer of waiting) answer()
    await scheduler.idle()
    for (const { id } of [delayed, other]) await deleteSchedule(world.store, SERVICE, id)
  })

  test('a schedule that is deleted during its run gets an outcome, and does not run again', async () => {
    const receiver = await receive()
    const schedule = await world.schedule({ functionUrl: receiver.url })
    world.pass(10 * MINUTE_MS)
    const dying = world.scheduler({ around: async () => ({ status: 'stopped' }) })
    await world.runDue(dying)
    await deleteSchedule(world.store, SERVICE, schedule.id)
    await dying.stop()
    await world.runDue(world.scheduler(), 2)
    expect(receiver.requests).toEqual([])
    expect((await world.executions(schedule)).map(({ state, message }) => [state, message])).toEqual([
      ['failed', 'The schedule was deleted before its run had ended.'],
    ])
  })
})

describe('one process works at a time', () => {
  test('a second process does nothing until the signs of life of the first one stop, then repeats what has no outcome under the same id', async () => {
    const receiver = await receive()
    const schedule = await world.schedule({ functionUrl: receiver.url })
    const limits = { takeOverAfterMs: 30_000, beatEveryMs: 5_000 }
    let isKilled = false
    const first = world.scheduler({
      limits,
      around: async (run) => {
        const outcome = await run()
        return isKilled ? { status: 'stopped' } : outcome
      },
    })
    await world.runDue(first)
    const second = world.scheduler({ limits })
    isKilled = true
    world.pass(10 * MINUTE_MS)
    await world.runDue(first)
    await world.runDue(second)
    expect(receiver.requests).toHaveLength(1)
    world.pass(29_000)
    await world.runDue(second)
    expect(receiver.requests).toHaveLength(1)
    world.pass(1_000)
    await world.runDue(second)
    expect(receiver.requests.map(({ headers }) => headers['webhook-id'])).toEqual(Array(2).fill(receiver.requests[0]?.headers['webhook-id']))
    expect((await world.executions(schedule)).map(({ state }) => state)).toEqual(['succeeded'])
    // The first one was only suspended: the fence rejects what it writes, and it is no failure.
    await first.beginDue()
    expect(world.logged.filter((line) => line.includes('not stored'))).toEqual([])
    await deleteSchedule(world.store, SERVICE, schedule.id)
  })

  test('a process that stops hands the lease over immediately', async () => {
    const receiver = await receive()
    const schedule = await world.schedule({ functionUrl: receiver.url })
    const first = world.scheduler()
    await world.runDue(first)
    await first.stop()
    world.pass(10 * MINUTE_MS)
    await world.runDue(world.scheduler())
    expect(receiver.requests).toHaveLength(1)
    await deleteSchedule(world.store, SERVICE, schedule.id)
  })

  test.each(['not sent', 'response lost', 'late'] as const)('a claim that is %s is not followed by a call under a lease that may be lost', async (fault) => {
    const receiver = await receive()
    const schedule = await world.schedule({ functionUrl: receiver.url })
    world.pass(10 * MINUTE_MS)
    const faulty = faultOnce(world.clickhouse.work, 'schedule_runs_inbox_v1', fault)
    const scheduler = world.scheduler({ clickhouse: { ...world.clickhouse, work: faulty.lane } })
    await expect(scheduler.beginDue()).rejects.toThrow('injected')
    expect(receiver.requests).toEqual([])
    await world.runDue(scheduler, 2)
    expect(await Promise.all(faulty.sendLate())).toEqual(fault === 'late' ? ['fenced'] : [])
    expect(receiver.requests).toHaveLength(1)
    expect((await world.executions(schedule)).map(({ state }) => state)).toEqual(['succeeded'])
    await deleteSchedule(world.store, SERVICE, schedule.id)
  })
})

describe('the log', () => {
  test('executions older than its days are deleted, the newest one stays, and nothing runs again', async () => {
    const receiver = await receive()
    const schedule = await world.schedule({ functionUrl: receiver.url, cronSchedule: '0 0 1 * *' })
    const scheduler = world.scheduler({ logDays: 40 })
    for (let month = 0; month < 3; month += 1) {
      world.pass(31 * 24 * HOUR_MS)
      await world.runDue(scheduler, 2)
    }
    expect(receiver.requests).toHaveLength(3)
    await scheduler.stop()
    world.pass(20 * 24 * HOUR_MS)
    await updateSchedule(world.store, SERVICE, schedule.id, { name: 'still there', definition: {} })
    const cleaning = world.scheduler({ logDays: 5 })
    await world.runDue(cleaning, 2)
    await cleaning.cleanLog()
    await world.runDue(cleaning, 2)
    expect(await world.executions(schedule)).toHaveLength(1)
    expect(receiver.requests).toHaveLength(3)
    await deleteSchedule(world.store, SERVICE, schedule.id)
  })
})
