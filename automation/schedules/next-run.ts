import { lastDueTimes, parseTiming, type Timing } from './due-times.ts'
import type { ScheduledRun } from './schedule-runs.ts'
import type { StoredSchedule } from './stored-schedules.ts'

/** The newest claimed due time of each kind; undefined before the first. */
export interface Positions {
  readonly schedule: number | undefined
  readonly manual: number | undefined
}

export const NO_POSITIONS: Positions = { schedule: undefined, manual: undefined }

export interface NextRun {
  readonly run: ScheduledRun
  /** Due times before it that are too old to be made up for; undefined if there are none. */
  readonly skipped: { readonly fromMs: number; readonly throughMs: number } | undefined
}

/** Finds what a schedule has to run next, and remembers when it is due next, because it is asked several times a second. */
export class NextRuns {
  readonly #catchUpMax: number
  readonly #known = new Map<string, { readonly revision: number; readonly timing: Timing | undefined; afterMs: number; nextMs: number }>()

  /** Of the due times that were missed while nothing ran, at most the last `catchUpMax` are made up for. */
  constructor(catchUpMax: number) {
    this.#catchUpMax = catchUpMax
  }

  /** Undefined when nothing is due. Runs that were asked for come first, then due times in order. */
  nextOf(schedule: StoredSchedule, { schedule: position, manual }: Positions, nowMs: number): NextRun | undefined {
    const scheduleId = schedule.id
    const requested = schedule.requestedMs.find((dueMs) => dueMs > (manual ?? 0))
    if (requested !== undefined) return { run: { scheduleId, dueMs: requested, kind: 'manual' }, skipped: undefined }
    if (!schedule.isActive) return undefined
    const afterMs = Math.max(position ?? 0, schedule.activeFromMs)
    const timing = this.#timingOf(schedule, afterMs)
    if (timing === undefined || (this.#known.get(scheduleId)?.nextMs ?? 0) > nowMs) return undefined
    const { dueMs, leftOutThroughMs } = lastDueTimes(timing, { afterMs, throughMs: nowMs, countMax: this.#catchUpMax })
    const [first] = dueMs
    if (first === undefined) return undefined
    const skipped = leftOutThroughMs === undefined ? undefined : { fromMs: timing.nextAfter(afterMs) ?? leftOutThroughMs, throughMs: leftOutThroughMs }
    return { run: { scheduleId, dueMs: first, kind: 'schedule' }, skipped }
  }

  #timingOf({ id, revision, definition }: StoredSchedule, afterMs: number): Timing | undefined {
    const known = this.#known.get(id)
    if (known?.revision === revision && known.afterMs === afterMs) return known.timing
    const timing = known?.revision === revision ? known.timing : timingOf(definition)
    this.#known.set(id, { revision, timing, afterMs, nextMs: timing?.nextAfter(afterMs) ?? Number.POSITIVE_INFINITY })
    return timing
  }
}

/** Undefined for a zone that this version of Node no longer knows: such a schedule is not due. */
export function timingOf(definition: StoredSchedule['definition']): Timing | undefined {
  const outcome = parseTiming(definition)
  return outcome.status === 'valid' ? outcome.timing : undefined
}
