import type { Logger } from 'pino'
import { Exports } from '../aggregator/exports/exports.ts'
import { Deliveries } from '../automation/deliveries/deliveries.ts'
import { runSchedule } from '../automation/schedules/run-schedule.ts'
import { type RunningScheduler, startScheduler } from '../automation/schedules/start-scheduler.ts'
import type { Build } from '../contract/health.ts'
import type { MasterKeys } from '../registry/keys/sealing.ts'
import type { ClickHouse } from '../sql/clickhouse.ts'
import type { Closers } from './closers.ts'
import type { Config } from './config.ts'

export interface SchedulerProcess {
  readonly config: Config
  readonly clickhouse: ClickHouse
  readonly logger: Logger
  readonly closers: Closers
  readonly build: Build
}

/** Runs the schedules in this process, whenever it has their lease. Its exports have a place of their own beside those of callers. */
export async function openScheduler(
  { config, clickhouse: shared, logger, closers, build }: SchedulerProcess,
  masterKeys: MasterKeys | undefined,
): Promise<RunningScheduler> {
  const { OUTGOING_ALLOW: allowed, EXPORT_DIR: exportDir, CURRENCY: currency, SCHEDULE_LOG_DAYS: logDays } = config
  const now = Date.now
  // A lane of its own: closing a month takes minutes, and claims, outcomes and revisions must not wait for it.
  const clickhouse = { ...shared, work: await shared.openLane() }
  const exports = new Exports({ registry: { clickhouse }, generator: `meterline ${build.version}`, currency, now })
  const deliveries = new Deliveries({ clickhouse, exports, exportDir, allowed, now })
  const runner = { clickhouse, masterKeys, allowed, now, deliver: deliveries.deliver.bind(deliveries) }
  const scheduler = startScheduler({
    clickhouse,
    cleaningLane: shared.work,
    run: (schedule, run) => runSchedule(runner, schedule.definition, run),
    logger: logger.child({ source: 'automation' }),
    now,
    logDays,
  })
  closers.add(() => exports.stop())
  closers.add(() => scheduler.stop())
  return scheduler
}
