import { MONTHS_KNOWN_AFTER_MINUTES } from '../contract/health-report.ts'
import type { Logger } from '../metering/logger.ts'
import { type DiskSpace, readDiskSpace } from '../sql/disk-space.ts'
import { readStoreClock } from '../sql/store-clock.ts'
import { AuditSlot } from './audits/audit-slot.ts'
import { type AuditedIndex, DailyAudits } from './audits/daily-audits.ts'
import type { AuditedDays } from './audits/day-audits.ts'
import { type JobStats, repeat } from './repeat.ts'
import { ClockWatch, type ClockWatchOptions } from './statements/clock-watch.ts'
import { closeDueMonths, type DueOptions, type DueOutcome } from './statements/close-due-months.ts'
import { PartnershipDaysRefresh } from './usage/refresh-partnership-days.ts'
import { countUnregisteredProjects } from './usage/unregistered-projects.ts'

/** What closing months needs is enough for the other jobs too, besides the index that is audited. */
export type BackgroundJobsOptions = Omit<DueOptions, 'clockWatch'> &
  Pick<ClockWatchOptions, 'uptimeMs'> & {
    readonly identityIndex: AuditedIndex
    /** For what the audits of finished days find. */
    readonly auditLogger: Logger
  }

/**
 * The jobs that run automatically: they refresh partnership days, audit finished days, close months that are due, and count projects
 * that nobody registered. Any number of processes may run them at the same time.
 */
export interface BackgroundJobs {
  stats(): readonly JobStats[]
  /** A summary of the stored audits of finished days, as of the last run; undefined before the first. */
  audited(): AuditedDays | undefined
  /** When every finished day was last known to be audited, in ms since 1970; undefined before the first time. */
  auditedCompletelyMs(): number | undefined
  /** The disks of the store as of the last run; empty before the first. */
  disks(): readonly DiskSpace[]
  /** The outcome of the last run that closed due months; undefined before the first. */
  due(): DueOutcome | undefined
  /** The number of projects with recent usage that nobody registered, as of the last run; undefined before the first. */
  unregistered(): number | undefined
  /** What operators must know although the process works: one sentence each. It names no partner. */
  warnings(): string[]
  /** For other audits in this process. */
  readonly auditSlot: AuditSlot
  /** Waits for the runs in progress. */
  stop(): Promise<void>
}

export async function startBackgroundJobs(options: BackgroundJobsOptions): Promise<BackgroundJobs> {
  const { clickhouse, logger, auditLogger, now, uptimeMs } = options
  const clockWatch = new ClockWatch({ now, storeNow: () => readStoreClock(clickhouse.control), uptimeMs })
  const lane = await clickhouse.openLane()
  const refresh = new PartnershipDaysRefresh(clickhouse, lane)
  const auditSlot = new AuditSlot()
  const audits = new DailyAudits({ ...options, logger: auditLogger, slot: auditSlot })
  const startedUptimeMs = uptimeMs()
  let due: DueOutcome | undefined
  let disks: readonly DiskSpace[] = []
  let unregistered: number | undefined
  const jobs = [
    repeat({
      name: 'partnership_days',
      everyMs: REFRESH_EVERY_MS,
      run: async () => {
        await refresh.runRound()
      },
      logger,
    }),
    repeat({
      name: 'closings',
      everyMs: CLOSE_EVERY_MS,
      run: async (signal) => {
        if (uptimeMs() - startedUptimeMs >= FIRST_CLOSING_AFTER_MS) due = await closeDueMonths({ ...options, clockWatch }, signal)
      },
      logger,
    }),
    repeat({
      name: 'unregistered_projects',
      everyMs: UNREGISTERED_EVERY_MS,
      run: async () => {
        unregistered = await countUnregisteredProjects(clickhouse, now())
      },
      logger,
    }),
    repeat({ name: 'audits', everyMs: AUDIT_EVERY_MS, run: (signal) => audits.run(signal), logger: auditLogger }),
    repeat({
      name: 'disk_space',
      everyMs: DISKS_EVERY_MS,
      run: async () => {
        disks = await readDiskSpace(clickhouse)
      },
      logger,
    }),
  ]
  return {
    stats: () => jobs.map((job) => job.stats()),
    audited: () => audits.audited,
    auditedCompletelyMs: () => audits.completeMs,
    disks: () => disks,
    due: () => due,
    unregistered: () => unregistered,
    warnings: () => warningsOf(due),
    auditSlot,
    stop: async () => {
      await Promise.all(jobs.map((job) => job.stop()))
    },
  }
}

function warningsOf(due: DueOutcome | undefined): string[] {
  if (due?.clockDisagreement !== undefined) return [`No month is closed automatically. ${due.clockDisagreement}`]
  return due !== undefined && due.unconfirmed > 0 ? ['A due month waits for an operator, because only a clock says that it is over: the log names it.'] : []
}

const REFRESH_EVERY_MS = 1_000
const CLOSE_EVERY_MS = 60_000
/** After an outage or a restored backup, emitters first need time to resend what was not acknowledged. */
const FIRST_CLOSING_AFTER_MS = MONTHS_KNOWN_AFTER_MINUTES * 60_000
const AUDIT_EVERY_MS = 60_000
const DISKS_EVERY_MS = 60_000
const UNREGISTERED_EVERY_MS = 10 * 60_000
