import { AuditTurn } from './audits/audit-turn.ts'
import { DailyAudits } from './audits/daily-audits.ts'
import type { AuditedDays } from './audits/day-audits.ts'
import { type RepeatStats, repeat } from './repeat.ts'
import { closeDueMonths, type DueOptions, type DueOutcome } from './statements/close-due-months.ts'
import { refreshPartnershipDays } from './usage/refresh-partnership-days.ts'

/** With what closing months needs. */
export type BackgroundJobsOptions = DueOptions

/** What goes on by itself: partnership days are kept fresh, finished days are audited, months are closed when they are due. Any number of processes may do it at once. */
export interface BackgroundJobs {
  stats(): readonly RepeatStats[]
  /** The kept audits of finished days, as of the last run; undefined before the first. */
  audited(): AuditedDays | undefined
  /** What the last look for due months came to; undefined before the first. */
  due(): DueOutcome | undefined
  /** For whoever else audits in this process. */
  readonly auditTurn: AuditTurn
  /** Ends what has begun. */
  stop(): Promise<void>
}

export async function startBackgroundJobs(options: BackgroundJobsOptions): Promise<BackgroundJobs> {
  const { clickhouse, logger } = options
  const lane = await clickhouse.openLane()
  const auditTurn = new AuditTurn()
  const audits = new DailyAudits({ ...options, turn: auditTurn })
  const startedMs = options.now()
  let due: DueOutcome | undefined
  const works = [
    repeat({
      name: 'partnership_days',
      everyMs: REFRESH_EVERY_MS,
      run: async () => {
        await refreshPartnershipDays(clickhouse, lane)
      },
      logger,
    }),
    repeat({
      name: 'closings',
      everyMs: CLOSE_EVERY_MS,
      run: async (signal) => {
        if (options.now() - startedMs >= QUIET_AFTER_START_MS) due = await closeDueMonths(options, signal)
      },
      logger,
    }),
    repeat({ name: 'audits', everyMs: AUDIT_EVERY_MS, run: (signal) => audits.run(signal), logger }),
  ]
  return {
    stats: () => works.map((work) => work.stats()),
    audited: () => audits.audited,
    due: () => due,
    auditTurn,
    stop: async () => {
      await Promise.all(works.map((work) => work.stop()))
    },
  }
}

const REFRESH_EVERY_MS = 1_000
const CLOSE_EVERY_MS = 60_000
/** After an outage, or a restored backup, emitters first send again what was not acknowledged. */
const QUIET_AFTER_START_MS = 15 * 60_000
const AUDIT_EVERY_MS = 60_000
