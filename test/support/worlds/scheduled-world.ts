import { z } from 'zod'
import { createSchedule, type NewSchedule, type ScheduleStore } from '../../../automation/schedules/change-schedules.ts'
import { runSchedule, type ScheduleRunner } from '../../../automation/schedules/run-schedule.ts'
import { type RunRow, readExecutions } from '../../../automation/schedules/schedule-runs.ts'
import { Scheduler, type SchedulerLimits, type SchedulerOptions } from '../../../automation/schedules/scheduler.ts'
import { startScheduler } from '../../../automation/schedules/start-scheduler.ts'
import type { StoredSchedule } from '../../../automation/schedules/stored-schedules.ts'
import type { ScheduleDefinition } from '../../../contract/schedules.ts'
import type { RetryLimits } from '../../../outgoing/call-with-retries.ts'
import { type Networks, parseNetworks } from '../../../outgoing/public-address.ts'
import { SERVICE } from '../../../registry/audit-log.ts'
import type { Registry } from '../../../registry/registry.ts'
import type { ClickHouse, Lane } from '../../../sql/clickhouse.ts'
import { defineQuery } from '../../../sql/query.ts'
import { openTestStore, type TestStore } from '../engines/embedded-store.ts'
import { openTestRegistry, TEST_MASTER_KEYS } from './test-registry.ts'

const QUICK_CALLS: Partial<RetryLimits> = { timeoutMs: 5_000, retryMsFirst: 1, retryMsMax: 5 }

export interface SchedulerSettings {
  readonly clickhouse?: ClickHouse
  readonly cleaningLane?: Lane
  readonly limits?: Partial<SchedulerLimits>
  readonly runner?: Partial<ScheduleRunner>
  readonly logDays?: number
  /** Wraps the run, for example to end it where a process would die. */
  readonly around?: (run: () => ReturnType<typeof runSchedule>) => ReturnType<typeof runSchedule>
}

/** A store, a registry and a clock that stands still until a test moves it. */
export class ScheduledWorld {
  readonly registry: Registry
  readonly logged: string[] = []
  nowMs = Date.UTC(2026, 2, 1)
  uptimeMs = 0
  /** How far the clock of processes is ahead of that of the store. */
  aheadMs = 0
  readonly #store: TestStore
  readonly #schedulers: { stop(): Promise<void> }[] = []

  private constructor(registry: Registry, store: TestStore) {
    this.registry = registry
    this.#store = store
  }

  static async open(): Promise<ScheduledWorld> {
    const store = await openTestStore()
    let world: ScheduledWorld | undefined
    const registry = await openTestRegistry(store.clickhouse, { now: () => world?.nowMs ?? Date.UTC(2026, 2, 1) })
    world = new ScheduledWorld(registry, store)
    return world
  }

  get clickhouse(): ClickHouse {
    return this.#store.clickhouse
  }

  get store(): ScheduleStore {
    return { clickhouse: this.clickhouse, changes: this.registry.changes, allowed: LOOPBACK, exportDir: undefined, now: () => this.nowMs }
  }

  async endTest(): Promise<void> {
    for (const scheduler of this.#schedulers.splice(0)) await scheduler.stop()
    this.logged.length = 0
  }

  close(): Promise<void> {
    return this.#store.close()
  }

  /** Time passes on both clocks. */
  pass(ms: number): void {
    this.nowMs += ms
    this.uptimeMs += ms
  }

  async schedule(definition: Partial<ScheduleDefinition>, more: Partial<NewSchedule> = {}): Promise<StoredSchedule> {
    const outcome = await createSchedule(this.store, SERVICE, { name: 'test', isActive: true, definition: { ...A_CALL, ...definition }, ...more })
    if (outcome.status !== 'created') throw new Error(`The schedule was not created: ${JSON.stringify(outcome)}`)
    return outcome.schedule
  }

  /** It begins what is due when a test calls it. */
  scheduler(settings: SchedulerSettings = {}): Scheduler {
    const scheduler = new Scheduler(this.#optionsOf(settings))
    this.#schedulers.push(scheduler)
    return scheduler
  }

  /** With the timers of a process; its clocks are those of the world. */
  startScheduler(settings: SchedulerSettings = {}): void {
    this.#schedulers.push(startScheduler(this.#optionsOf(settings)))
  }

  #optionsOf({ clickhouse = this.clickhouse, cleaningLane = this.clickhouse.work, limits, ...more }: SchedulerSettings): SchedulerOptions {
    const { runner, logDays = 30, around = (run) => run() } = more
    const log = (details: object, message: string) =>
      this.logged.push(JSON.stringify({ ...details, error: String((details as { err?: unknown }).err) }) + message)
    const now = () => this.nowMs + this.aheadMs
    const running: ScheduleRunner = {
      clickhouse,
      masterKeys: TEST_MASTER_KEYS,
      allowed: LOOPBACK,
      now,
      deliver: async () => ({ status: 'failed', statusCode: null, message: 'No exports in this test.' }),
      limits: QUICK_CALLS,
      ...runner,
    }
    return {
      clickhouse,
      cleaningLane,
      run: (schedule, run) => around(() => runSchedule(running, schedule.definition, run)),
      logger: { info: log, warn: log, error: log },
      now,
      storeNow: async () => this.nowMs,
      uptimeMs: () => this.uptimeMs,
      logDays,
      limits,
    }
  }

  /** Begins what is due and waits for it, until nothing is due. */
  async runDue(scheduler: Scheduler, rounds = 1): Promise<void> {
    for (let round = 0; round < rounds; round += 1) {
      await scheduler.beginDue()
      await scheduler.idle()
    }
  }

  /** The number of the newest sign of life; 0 before the first. */
  async newestBeat(): Promise<number> {
    const [newest] = await this.clickhouse.control.query(newestBeat, {})
    return newest?.beat ?? 0
  }

  /** All executions of a schedule, the oldest first. */
  async executions({ id: scheduleId }: StoredSchedule): Promise<RunRow[]> {
    const { rows } = await readExecutions(this.clickhouse, { scheduleId, limit: 10_000, offset: 0 })
    return [...rows].reverse()
  }
}

const newestBeat = defineQuery({
  name: 'newest_beat_of_test',
  sql: 'SELECT max(newest).3 AS beat FROM schedule_beats_v1 GROUP BY log',
  params: z.object({}),
  row: z.object({ beat: z.coerce.number() }),
})

export const A_CALL: ScheduleDefinition = {
  cronSchedule: '*/10 * * * *',
  timezone: 'UTC',
  functionUrl: 'http://127.0.0.1:9/',
  httpMethod: 'POST',
  headers: {},
  body: null,
  export: null,
}

export const LOOPBACK: Networks = networks('127.0.0.0/8')

function networks(text: string): Networks {
  const parsed = parseNetworks(text)
  if (parsed === undefined) throw new Error('The networks are invalid.')
  return parsed
}
