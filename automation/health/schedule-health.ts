import type { ClickHouse } from '../../sql/clickhouse.ts'
import { type ActionKind, actionOf } from '../schedules/free-slots.ts'
import { timingOf } from '../schedules/next-run.ts'
import { readLastOutcomes, readNewestRuns } from '../schedules/schedule-runs.ts'
import { readSchedules, type StoredSchedule } from '../schedules/stored-schedules.ts'

/** How a schedule does. Times in ms since 1970. */
export interface ScheduleHealth {
  readonly id: string
  readonly name: string
  readonly action: ActionKind
  /** The earliest due time of which no process has begun the run; null if there is none. */
  readonly overdueSinceMs: number | null
  /** The last run, if it failed; null while the schedule is paused. */
  readonly failure: { readonly atMs: number; readonly message: string } | null
}

/** All schedules, whichever process runs them. Throws StoreError. */
export async function readScheduleHealth(clickhouse: Pick<ClickHouse, 'reads'>, nowMs: number): Promise<ScheduleHealth[]> {
  const schedules = await readSchedules(clickhouse)
  if (schedules.length === 0) return []
  const begun = { schedule: new Map<string, number>(), manual: new Map<string, number>() }
  for (const { scheduleId, kind, dueMs } of await readNewestRuns(clickhouse, nowMs)) begun[kind].set(scheduleId, dueMs)
  const outcomes = await readLastOutcomes(
    clickhouse,
    schedules.map(({ id }) => id),
  )
  return schedules.map((schedule): ScheduleHealth => {
    const { id, name, isActive } = schedule
    const nextMs = Math.min(nextRequestedMs(schedule, begun.manual.get(id)), nextDueMs(schedule, begun.schedule.get(id)))
    const last = isActive ? outcomes.get(id) : undefined
    return {
      ...{ id, name, action: actionOf(schedule) },
      overdueSinceMs: nextMs <= nowMs ? nextMs : null,
      failure: last?.state === 'failed' ? { atMs: last.executedMs, message: last.message } : null,
    }
  })
}

function nextRequestedMs({ requestedMs }: StoredSchedule, begunMs = 0): number {
  return requestedMs.find((dueMs) => dueMs > begunMs) ?? Number.POSITIVE_INFINITY
}

function nextDueMs({ definition, isActive, activeFromMs }: StoredSchedule, begunMs = 0): number {
  return (isActive ? timingOf(definition)?.nextAfter(Math.max(begunMs, activeFromMs)) : undefined) ?? Number.POSITIVE_INFINITY
}
