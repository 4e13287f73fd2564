import type { RequestListener } from 'node:http'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { deleteSchedule } from '../../../automation/schedules/change-schedules.ts'
import { runIdOf } from '../../../automation/schedules/schedule-runs.ts'
import type { Scheduler } from '../../../automation/schedules/scheduler.ts'
import type { StoredSchedule } from '../../../automation/schedules/stored-schedules.ts'
import { SERVICE } from '../../../registry/audit-log.ts'
import { defineQuery } from '../../../sql/query.ts'
import { startWebhookReceiver } from '../../support/clients/webhook-receiver.ts'
import { type MortalStore, mortalStore } from '../../support/engines/mortal-store.ts'
import { Random } from '../../support/random.ts'
import { ScheduledWorld } from '../../support/worlds/scheduled-world.ts'

const MINUTE_MS = 60_000
const SEED = Number(process.env['RANDOM_SEED'] ?? Date.now() % 1_000_000)
const LIMITS = { takeOverAfterMs: 3 * MINUTE_MS, beatEveryMs: MINUTE_MS, catchUpMax: 1_000 }

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

/** A process that runs schedules and can be killed: nothing of what it does after its death is known to anybody. */
interface Worker {
  readonly scheduler: Scheduler
  readonly store: MortalStore
}

function startWorker(): Worker {
  const store = mortalStore(world.clickhouse)
  const around: Parameters<typeof world.scheduler>[0] = {
    clickhouse: store.clickhouse,
    limits: LIMITS,
    around: async (run) => {
      const outcome = store.isDead() ? undefined : await run()
      return outcome === undefined || store.isDead() ? { status: 'stopped' } : outcome
    },
  }
  return { scheduler: world.scheduler(around), store }
}

async function receive(answer?: RequestListener) {
  const receiver = await startWebhookReceiver(answer)
  receivers.push(receiver)
  return receiver
}

/** One round of a worker. A dead one, or one whose write failed, throws. */
async function round({ scheduler, store }: Worker): Promise<void> {
  try {
    await scheduler.beginDue()
  } catch (thrown) {
    if (!store.isDead()) throw thrown
  }
}

const expectedIds = (schedule: StoredSchedule, startMs: number, count: number) =>
  Array.from({ length: count }, (_, index) => runIdOf({ scheduleId: schedule.id, dueMs: startMs + (index + 1) * MINUTE_MS }))

describe('exactly one run for each due time', () => {
  test('two workers that are killed at random points over 300 due times miss none, and the receiver counts one id for each', async () => {
    const random = new Random(SEED)
    let kills = 0
    let areKilled = true
    let workers: [Worker, Worker] = [startWorker(), startWorker()]
    const victim = () => workers[random.below(2)]
    const receiver = await receive((request, response) => {
      // While a call is in progress: before or after the receiver has acted, which the worker cannot tell.
      if (areKilled && random.below(30) === 0) for (const { store } of workers) store.kill()
      if (random.below(20) === 0) request.socket.destroy()
      else response.writeHead(random.below(10) === 0 ? 500 : 200).end()
    })
    const startMs = world.nowMs
    const schedules = [1, 2, 3].map(() => world.schedule({ functionUrl: receiver.url, cronSchedule: '* * * * *' }))
    const created = await Promise.all(schedules)
    for (let minute = 0; minute < 100; minute += 1) {
      world.pass(MINUTE_MS)
      if (random.below(4) === 0) victim()?.store.dieAt(1 + random.below(4), random.below(2) === 0 ? 'before' : 'after')
      if (random.below(15) === 0) victim()?.store.kill()
      for (const worker of random.below(2) === 0 ? workers : [...workers].reverse()) {
        await round(worker)
        if (random.below(3) > 0) await worker.scheduler.idle()
      }
      const replaced = await Promise.all(workers.map(async (worker) => (worker.store.isDead() ? restarted(worker) : worker)))
      kills += replaced.filter((worker) => !workers.includes(worker)).length
      workers = replaced as [Worker, Worker]
    }
    // No further due times: what is left is made up for.
    const outcomesOf = () => Promise.all(created.map((schedule) => world.executions(schedule)))
    const isComplete = async () => (await outcomesOf()).every((rows) => rows.length >= 100)
    areKilled = false
    for (const { store } of workers) store.kill()
    for (const { scheduler } of workers) await scheduler.idle()
    const last = startWorker()
    while (!(await isComplete())) {
      await round(last)
      world.uptimeMs += LIMITS.takeOverAfterMs
      await last.scheduler.idle()
    }
    const received = receiver.requests.map(({ headers }) => headers['webhook-id'] ?? '')
    const expected = created.flatMap((schedule) => expectedIds(schedule, startMs, 100))
    expect([...new Set(received)].sort(), `seed ${SEED}`).toEqual(expected.sort())
    expect(
      (await outcomesOf()).map((rows) => rows.filter(({ state }) => state !== 'skipped').map(({ dueMs }) => dueMs)),
      `seed ${SEED}`,
    ).toEqual(created.map(() => Array.from({ length: 100 }, (_, index) => startMs + (index + 1) * MINUTE_MS)))
    expect(kills, `seed ${SEED}`).toBeGreaterThan(10)
    // A repetition happens only after a crash or a failed attempt, so most ids arrive once.
    expect(received.length, `seed ${SEED}`).toBeGreaterThan(300)
    expect(await storedTwice(), `seed ${SEED}`).toEqual([])
    for (const { id } of created) await deleteSchedule(world.store, SERVICE, id)
  }, 400_000)

  test('a worker that dies at any of its writes, before or after it is stored, leaves a run to the next one that has the same id', async () => {
    // The first sign of life, which is the acquisition, the claim, and the outcome.
    for (const when of ['before', 'after'] as const)
      for (const nth of [1, 2, 3, 4]) {
        const receiver = await receive()
        const schedule = await world.schedule({ functionUrl: receiver.url, cronSchedule: '* * * * *' })
        world.pass(MINUTE_MS)
        const startMs = world.nowMs - MINUTE_MS
        await releaseLease()
        const dying = startWorker()
        dying.store.dieAt(nth, when)
        await round(dying)
        await dying.scheduler.idle()
        expect([when, nth, dying.store.isDead()]).toEqual([when, nth, true])
        const next = startWorker()
        await round(next)
        world.uptimeMs += 2 * LIMITS.takeOverAfterMs
        await round(next)
        await next.scheduler.idle()
        const received = receiver.requests.map(({ headers }) => headers['webhook-id'])
        expect([when, nth, [...new Set(received)]]).toEqual([when, nth, expectedIds(schedule, startMs, 1)])
        expect([when, nth, (await world.executions(schedule)).map(({ state }) => state)]).toEqual([when, nth, ['succeeded']])
        await deleteSchedule(world.store, SERVICE, schedule.id)
        await world.endTest()
      }
  })
})

/** The lease is free afterwards, in whichever process it was. Nothing is run. */
async function releaseLease(): Promise<void> {
  const scheduler = world.scheduler({ limits: { ...LIMITS, concurrentCallsMax: 0 } })
  await scheduler.beginDue()
  world.uptimeMs += 2 * LIMITS.takeOverAfterMs
  await scheduler.beginDue()
  await scheduler.stop()
}

async function restarted(worker: Worker): Promise<Worker> {
  await worker.scheduler.idle()
  return startWorker()
}

/** Runs of which two outcomes were stored. */
function storedTwice() {
  return world.clickhouse.reads.query(runsWithTwoOutcomes, {})
}

const runsWithTwoOutcomes = defineQuery({
  name: 'test_runs_with_two_outcomes',
  sql: `SELECT schedule_id AS id FROM schedule_runs_v1 WHERE step = 2 GROUP BY schedule_id, due_at HAVING uniqExact(executed_at, message) > 1`,
  params: z.object({}),
  row: z.object({ id: z.string() }),
})
