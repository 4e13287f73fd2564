import type { Logger } from '../../metering/logger.ts'
import { formatTimestamp, MS_PER_DAY } from '../../metering/timestamp.ts'
import type { ClickHouse, Lane } from '../../sql/clickhouse.ts'
import { isOvertaken, StoreError } from '../../sql/errors.ts'
import type { Lease } from '../../sql/lease.ts'
import { readStoreClock } from '../../sql/store-clock.ts'
import { HELD_LEASE_LIMITS, HeldLease, type HeldLeaseLimits } from '../held-lease.ts'
import { clockProblem, DUE_AHEAD_MS_MAX } from './clocks.ts'
import { type ActionKind, actionOf, FreeSlots } from './free-slots.ts'
import { NextRuns, NO_POSITIONS, type Positions } from './next-run.ts'
import { type ClaimedRun, failed, type RunOutcome } from './run-outcome.ts'
import { deleteRuns, type RunRow, readNewestRuns, runIdOf, SCHEDULES_LEASE, type ScheduledRun, writeRuns } from './schedule-runs.ts'
import { readScheduleChanges, readSchedules, type StoredSchedule } from './stored-schedules.ts'

export interface SchedulerLimits extends HeldLeaseLimits {
  /** Calls in progress. */
  readonly concurrentCallsMax: number
  /** Exports in progress. Each has at most one file on disk that it delivers. */
  readonly concurrentExportsMax: number
  /** Of the due times that were missed while no process ran, at most the last ones are made up for. */
  readonly catchUpMax: number
}

export const SCHEDULER_LIMITS: SchedulerLimits = { concurrentCallsMax: 32, concurrentExportsMax: 8, catchUpMax: 100, ...HELD_LEASE_LIMITS }

export interface SchedulerOptions {
  /** Its lane `work` should be for schedules only: a run is not begun while a claim or an outcome waits for other work. */
  readonly clickhouse: ClickHouse
  /** Another lane, for the deletion of old executions, which may take minutes. */
  readonly cleaningLane: Lane
  /** Carries out a claimed run. */
  readonly run: (schedule: StoredSchedule, run: ClaimedRun) => Promise<RunOutcome>
  readonly logger: Logger
  /** ms since 1970. */
  readonly now: () => number
  /** In ms since 1970; throws StoreError. Default: the store's clock. */
  readonly storeNow?: (() => Promise<number>) | undefined
  /** Monotonic, in ms. Default: of this process. */
  readonly uptimeMs?: (() => number) | undefined
  /** How many days the log of executions is kept. */
  readonly logDays: number
  readonly limits?: Partial<SchedulerLimits> | undefined
}

/**
 * Runs schedules: exactly one run for each schedule and due time, whatever the number of processes, restarts and kills. A schedule has one
 * run at a time. The order of writes is the guarantee:
 * 1. Acquire the lease. Then read the newest run of each schedule: from now on only this process can add one. A run that was claimed
 *    and has no outcome is repeated under its id, because it is not known whether its call was sent.
 * 2. Claim the runs that are due: one row each, in one insert, before anything is sent. A crash before it leaves the due time to the next
 *    owner; a crash after it leaves a claim, which step 1 finds.
 * 3. Send. The id is computed from the schedule and the due time, so it is the same in every process, and however often it is sent.
 * 4. Write the outcome. A crash before it repeats step 3; the receiver recognizes the id.
 * After any failed write the lease is dropped, because the row may still be stored, and everything starts again at step 1.
 */
export class Scheduler {
  readonly #options: SchedulerOptions
  readonly #limits: SchedulerLimits
  readonly #lease: HeldLease
  readonly #uptimeMs: () => number
  readonly #nextRuns: NextRuns
  readonly #stopping = new AbortController()
  /** By the id of the schedule. */
  readonly #inFlight = new Map<string, { readonly action: ActionKind; readonly work: Promise<void> }>()
  #known: { readonly lease: Lease; readonly positions: Map<string, Positions>; readonly open: Map<string, ScheduledRun> } | undefined
  #read: { readonly changes: number; readonly schedules: readonly StoredSchedule[] } | undefined
  #wasUsed = false
  /** Of clocks that differ; once until they agree again. */
  #hasWarned = false
  #cleanedUptimeMs = Number.NEGATIVE_INFINITY
  readonly #counts = { succeeded: 0, failed: 0, skipped: 0 }

  constructor(options: SchedulerOptions) {
    this.#options = options
    this.#limits = { ...SCHEDULER_LIMITS, ...options.limits }
    this.#uptimeMs = options.uptimeMs ?? (() => performance.now())
    this.#lease = new HeldLease({ clickhouse: options.clickhouse, name: SCHEDULES_LEASE, uptimeMs: this.#uptimeMs, ...this.#limits })
    this.#nextRuns = new NextRuns(this.#limits.catchUpMax)
  }

  /** Begins what is due, if this process has the lease; does not wait for it. Throws StoreError. */
  async beginDue(): Promise<void> {
    try {
      if (!(await this.#hasSchedules())) return
      const held = await this.#lease.hold()
      if (held === undefined || this.#stopping.signal.aborted) return
      if (held.isNew || !this.#knowsPositions()) await this.#readPositions(held.lease)
      await this.#beginRuns(await this.#readSchedules())
    } catch (thrown) {
      this.#drop()
      // Another process has the lease: that is no failure.
      if (!isOvertaken(thrown)) throw thrown
    }
  }

  /** Lets other processes know that this one lives, if it has the lease, whatever else it is waiting for. Throws StoreError. */
  async giveSignOfLife(): Promise<void> {
    try {
      await this.#lease.keep()
    } catch (thrown) {
      if (!isOvertaken(thrown)) throw thrown
      this.#drop()
    }
  }

  /** Deletes old executions, every hour, if this process has the lease. After a crash the store completes the deletion. Throws StoreError. */
  async cleanLog(): Promise<void> {
    const known = this.#known
    if (known === undefined || this.#uptimeMs() - this.#cleanedUptimeMs < CLEAN_EVERY_MS) return
    const newest = [...known.positions].flatMap(([scheduleId, { schedule, manual }]) => [
      ...(schedule === undefined ? [] : [{ scheduleId, dueMs: schedule, kind: 'schedule' as const }]),
      ...(manual === undefined ? [] : [{ scheduleId, dueMs: manual, kind: 'manual' as const }]),
    ])
    const { cleaningLane, now, logDays } = this.#options
    const nowMs = now()
    if (!(await this.#trustsClock(nowMs))) return
    this.#cleanedUptimeMs = this.#uptimeMs()
    if (newest.length > 0) await deleteRuns(cleaningLane, nowMs - logDays * MS_PER_DAY, newest)
  }

  /** The runs whose outcome this process has stored. `skipped` counts spans of due times that were missed. */
  counts(): Readonly<Record<'succeeded' | 'failed' | 'skipped', number>> {
    return { ...this.#counts }
  }

  /** Waits for the runs in progress. */
  async idle(): Promise<void> {
    while (this.#inFlight.size > 0) await Promise.all([...this.#inFlight.values()].map(({ work }) => work))
  }

  /** Waits for the calls in progress; uploads and pauses between attempts are interrupted, and the next process repeats these runs. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.idle()
    await this.#lease.release().catch(() => {})
  }

  /** Before the first schedule there is nothing to run, so no lease is acquired and no sign of life is written. */
  async #hasSchedules(): Promise<boolean> {
    this.#wasUsed ||= (await readScheduleChanges(this.#options.clickhouse)) > 0
    return this.#wasUsed
  }

  /** False also when the clock was set back: due times were claimed that have not come yet. */
  #knowsPositions(): boolean {
    const aheadMs = this.#options.now() + DUE_AHEAD_MS_MAX
    return this.#known !== undefined && [...this.#known.positions.values()].every(({ schedule = 0 }) => schedule <= aheadMs)
  }

  async #readPositions(lease: Lease): Promise<void> {
    const positions = new Map<string, Positions>()
    const open = new Map<string, ScheduledRun>()
    for (const { state, ...newest } of await readNewestRuns(this.#options.clickhouse, this.#options.now())) {
      positions.set(newest.scheduleId, { ...(positions.get(newest.scheduleId) ?? NO_POSITIONS), [newest.kind]: newest.dueMs })
      if (state === 'claimed') open.set(newest.scheduleId, newest)
    }
    this.#known = { lease, positions, open }
  }

  /** All of them may be many megabytes, so they are read only after a change. The number of changes is read first: the list has at least these. */
  async #readSchedules(): Promise<readonly StoredSchedule[]> {
    const { clickhouse } = this.#options
    const changes = await readScheduleChanges(clickhouse)
    if (this.#read?.changes !== changes) this.#read = { changes, schedules: await readSchedules(clickhouse) }
    return this.#read.schedules
  }

  async #beginRuns(schedules: readonly StoredSchedule[]): Promise<void> {
    const known = this.#known
    if (known === undefined) return
    const { clickhouse, now } = this.#options
    const nowMs = now()
    await this.#closeRunsOfDeleted(schedules)
    const free = schedules.filter(({ id }) => !this.#inFlight.has(id))
    const repeated = free.flatMap((schedule) => {
      const run = known.open.get(schedule.id)
      return run === undefined ? [] : [{ schedule, run }]
    })
    const due = free.flatMap((schedule) => {
      const next = known.open.has(schedule.id) ? undefined : this.#nextRuns.nextOf(schedule, known.positions.get(schedule.id) ?? NO_POSITIONS, nowMs)
      return next === undefined ? [] : [{ schedule, ...next }]
    })
    due.sort((one, other) => one.run.dueMs - other.run.dueMs)
    const slots = this.#freeSlots()
    const toRepeat = repeated.filter(({ schedule }) => slots.acquire(schedule))
    const mayClaim = due.length > 0 && (await this.#trustsClock(nowMs))
    const toClaim = mayClaim ? due.filter(({ schedule }) => slots.acquire(schedule)) : []
    if (toClaim.length > 0) {
      const rows = toClaim.flatMap(({ run, skipped }) => [
        ...(skipped === undefined ? [] : [this.#skippedRow(run, skipped)]),
        { ...run, state: 'claimed' as const, ...NOTHING_YET, executedMs: now() },
      ])
      await writeRuns(clickhouse, known.lease, rows)
      this.#counts.skipped += rows.length - toClaim.length
      for (const { run } of toClaim) {
        known.positions.set(run.scheduleId, { ...(known.positions.get(run.scheduleId) ?? NO_POSITIONS), [run.kind]: run.dueMs })
        known.open.set(run.scheduleId, run)
      }
    }
    for (const { schedule, run } of [...toRepeat, ...toClaim]) this.#begin(schedule, run, known.lease)
  }

  async #trustsClock(nowMs: number): Promise<boolean> {
    const { clickhouse, storeNow = () => readStoreClock(clickhouse.control) } = this.#options
    const problem = clockProblem({ nowMs, storeMs: await storeNow() })
    if (problem !== undefined && !this.#hasWarned) this.#options.logger.warn({ reason: problem }, 'no schedule runs, because two clocks differ')
    this.#hasWarned = problem !== undefined
    return problem === undefined
  }

  #freeSlots(): FreeSlots {
    const { concurrentCallsMax: call, concurrentExportsMax: exports } = this.#limits
    const free = new FreeSlots({ call, export: exports })
    for (const { action } of this.#inFlight.values()) free.occupy(action)
    return free
  }

  /** A run of a schedule that was deleted before its outcome was known. */
  async #closeRunsOfDeleted(schedules: readonly StoredSchedule[]): Promise<void> {
    const known = this.#known
    const existing = new Set(schedules.map(({ id }) => id))
    const gone = [...(known?.open.values() ?? [])].filter(({ scheduleId }) => !existing.has(scheduleId) && !this.#inFlight.has(scheduleId))
    if (known === undefined || gone.length === 0) return
    const ended = { ...NOTHING_YET, state: 'failed' as const, executedMs: this.#options.now(), message: 'The schedule was deleted before its run had ended.' }
    await writeRuns(
      this.#options.clickhouse,
      known.lease,
      gone.map((run) => ({ ...run, ...ended })),
    )
    for (const { scheduleId } of gone) known.open.delete(scheduleId)
  }

  #begin(schedule: StoredSchedule, run: ScheduledRun, lease: Lease): void {
    const work = this.#carryOut(schedule, run, lease)
      .catch((error: unknown) => {
        this.#drop()
        if (!isOvertaken(error)) this.#options.logger.error({ err: error, scheduleId: schedule.id }, 'the outcome of a run was not stored; the run is repeated')
      })
      .finally(() => this.#inFlight.delete(schedule.id))
    this.#inFlight.set(schedule.id, { action: actionOf(schedule), work })
  }

  async #carryOut(schedule: StoredSchedule, run: ScheduledRun, lease: Lease): Promise<void> {
    const { clickhouse, logger, now } = this.#options
    const executedMs = now()
    const startedMs = performance.now()
    const outcome = await this.#outcomeOf(schedule, { ...run, runId: runIdOf(run), lease, signal: this.#stopping.signal })
    // If the lease was acquired again meanwhile, the outcome is written under the new one, to which the run is known.
    const known = this.#known
    const open = known?.open.get(schedule.id)
    if (outcome.status === 'stopped' || known === undefined || open?.dueMs !== run.dueMs) return
    const durationMs = Math.round(performance.now() - startedMs)
    const { status: state, statusCode, message } = outcome
    await writeRuns(clickhouse, known.lease, [{ ...run, state, executedMs, statusCode, durationMs, message }])
    known.open.delete(schedule.id)
    this.#counts[state] += 1
    if (state === 'failed') logger.warn({ scheduleId: schedule.id, dueAt: formatTimestamp(run.dueMs), reason: message }, 'a run of a schedule failed')
  }

  async #outcomeOf(schedule: StoredSchedule, run: ClaimedRun): Promise<RunOutcome> {
    try {
      return await this.#options.run(schedule, run)
    } catch (thrown) {
      if (thrown instanceof StoreError && isOvertaken(thrown)) return { status: 'stopped' }
      // Its text may contain what was to be sent, so it is not in the message, and a header is never part of an error of the store.
      this.#options.logger.error({ err: thrown, scheduleId: schedule.id }, 'a run of a schedule failed because of an internal error')
      return failed('Internal error; the log of the service has its cause.')
    }
  }

  #skippedRow(run: ScheduledRun, { fromMs, throughMs }: { fromMs: number; throughMs: number }): RunRow {
    const span = fromMs === throughMs ? formatTimestamp(fromMs) : `${formatTimestamp(fromMs)} to ${formatTimestamp(throughMs)}`
    const message = `Skipped ${span}: at most the last ${this.#limits.catchUpMax} due times that were missed are made up for.`
    this.#options.logger.warn({ scheduleId: run.scheduleId, reason: message }, 'missed due times of a schedule are skipped')
    return { ...run, ...NOTHING_YET, dueMs: throughMs, state: 'skipped', executedMs: this.#options.now(), message }
  }

  #drop(): void {
    this.#lease.drop()
    this.#known = undefined
  }
}

const NOTHING_YET = { statusCode: null, durationMs: 0, message: '' }
const CLEAN_EVERY_MS = 3_600_000
