import { type JobStats, repeat } from '../../aggregator/repeat.ts'
import { repeatSignsOfLife } from '../signs-of-life.ts'
import { SCHEDULER_LIMITS, Scheduler, type SchedulerOptions } from './scheduler.ts'

export interface RunningScheduler {
  stats(): readonly JobStats[]
  counts(): ReturnType<Scheduler['counts']>
  stop(): Promise<void>
}

/** Begins what is due, twice a second, until it is stopped. Signs of life and the deletion of old executions do not wait for each other. */
export function startScheduler(options: SchedulerOptions): RunningScheduler {
  const { logger } = options
  const scheduler = new Scheduler(options)
  const { beatEveryMs: everyMs } = { ...SCHEDULER_LIMITS, ...options.limits }
  const signs = repeatSignsOfLife({ everyMs, give: () => scheduler.giveSignOfLife(), logger })
  const jobs = [
    repeat({ name: 'schedules', everyMs: BEGIN_EVERY_MS, run: () => scheduler.beginDue(), logger }),
    repeat({ name: 'schedule_log', everyMs: CLEAN_EVERY_MS, run: () => scheduler.cleanLog(), logger }),
  ]
  return {
    stats: () => jobs.map((job) => job.stats()),
    counts: () => scheduler.counts(),
    stop: async () => {
      await Promise.all(jobs.map((job) => job.stop()))
      await scheduler.stop()
      await signs.stop()
    },
  }
}

const BEGIN_EVERY_MS = 500
/** Whether an hour has passed since the last deletion; that depends on which process has the lease. */
const CLEAN_EVERY_MS = 60_000
