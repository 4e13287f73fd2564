import { z } from 'zod'
import type { Logger } from '../../metering/logger.ts'
import { groupByMonth, periodOfMonth } from '../../metering/month.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { readAsOf } from '../as-of.ts'
import { DAY_STATES } from '../usage/day-states.ts'
import { refreshPartnershipDays } from '../usage/refresh-partnership-days.ts'
import { type AuditReport, audit, type BetweenBatches } from './audit.ts'
import type { AuditTurn } from './audit-turn.ts'
import { countDays, countUnequal, type DayCounts } from './count-days.ts'
import { type AuditedDays, type DayAudit, readAuditedDays, storeDayAudits } from './day-audits.ts'

export interface DailyAuditsOptions {
  readonly clickhouse: ClickHouse
  readonly turn: AuditTurn
  readonly betweenBatches: BetweenBatches
  readonly logger: Logger
  /** ms since 1970. */
  readonly now: () => number
}

/**
 * Audits every finished day by itself, and again whenever something of it was stored since; the results are kept. Any number
 * of processes may do it at once: the later result of a day counts.
 */
export class DailyAudits {
  readonly #options: DailyAuditsOptions
  #audited: AuditedDays | undefined

  constructor(options: DailyAuditsOptions) {
    this.#options = options
  }

  /** What is kept of all days, as of the last run; undefined before the first. */
  get audited(): AuditedDays | undefined {
    return this.#audited
  }

  /** Audits the days that are due, the newest month first. Not while another audit runs: they stay due. Throws StoreError. */
  async run(signal: AbortSignal): Promise<void> {
    const { clickhouse } = this.#options
    await this.#auditDueDays(signal)
    this.#audited = await readAuditedDays(clickhouse)
  }

  /**
   * 1. The partnership days are made fresh, so that they can be compared.
   * 2. Each due day's number of changes is noted. What is read from here on holds at least these.
   * 3. The days are compared, month by month, and the results kept under those numbers. A crash leaves what was not kept due,
   *    and whatever is stored meanwhile makes its day due again.
   */
  async #auditDueDays(signal: AbortSignal): Promise<void> {
    const { clickhouse, turn, now } = this.#options
    const asOfMs = await readAsOf(clickhouse)
    if (asOfMs === null) return
    const beganMs = now()
    await refreshPartnershipDays(clickhouse)
    const due = await clickhouse.reads.query(dueDays, {
      end: new Date(Math.min(asOfMs, beganMs)).toISOString().slice(0, 10),
      againBeforeMs: beganMs - DIFFERING_AGAIN_AFTER_MS,
    })
    for (const [month, days] of groupByMonth(due)) {
      if (signal.aborted) return
      const outcome = await turn.runInBackground(() => this.#auditDays(month, days))
      if (outcome.status === 'another_runs') return
      await storeDayAudits(
        clickhouse,
        outcome.result.map((result) => ({ ...result, audited_ms: beganMs, as_of_ms: asOfMs })),
      )
    }
  }

  async #auditDays(month: string, due: readonly DueDay[]): Promise<Omit<DayAudit, 'audited_ms' | 'as_of_ms'>[]> {
    const { clickhouse } = this.#options
    const { first: from, end } = periodOfMonth(month)
    const counts = await this.#countDays(due, { from, end })
    const days = counts.map(({ usage_date }) => usage_date)
    if (days.length === 0) return []
    const report = await audit(clickhouse, { from, end, days }, (work) => this.#lookAgain(work))
    return counts.map((counted) => {
      const differences = differencesOf(counted, report)
      if (differences > 0) this.#tell(counted, differences, report)
      const { registered_events, ...kept } = counted
      return { ...kept, differences }
    })
  }

  /**
   * What is not equal at first is counted again: a batch may be on its way. A day that changes meanwhile is left out: it is due
   * again by then.
   */
  async #countDays(due: readonly DueDay[], span: { from: string; end: string }): Promise<DayCounts[]> {
    const { clickhouse } = this.#options
    let counts = await countDays(clickhouse, { ...span, due })
    for (let looks = 1; looks < COUNTS_LOOKS; looks += 1) {
      const unequal = new Set(counts.filter((day) => countUnequal(day) > 0).map(({ usage_date }) => usage_date))
      if (unequal.size === 0) break
      const again = due.filter(({ usage_date }) => unequal.has(usage_date))
      const recounted = await this.#lookAgain(() => countDays(clickhouse, { ...span, due: again }))
      counts = [...counts.filter(({ usage_date }) => !unequal.has(usage_date)), ...recounted]
    }
    return counts
  }

  /** A project that was registered a moment ago is not in the partnership days yet, and no batch brings it. */
  async #lookAgain<T>(work: () => Promise<T>): Promise<T> {
    const { clickhouse, betweenBatches } = this.#options
    await refreshPartnershipDays(clickhouse)
    return betweenBatches(work)
  }

  #tell({ registered_events, ...counts }: DayCounts, differences: number, report: AuditReport): void {
    const ofDay = <T extends { usage_date: string }>(list: readonly T[]) => list.filter(({ usage_date }) => usage_date === counts.usage_date).slice(0, TOLD_MAX)
    this.#options.logger.error(
      { ...counts, differences, rollup: ofDay(report.differences), partnership: ofDay(report.partnershipDifferences) },
      'the audit of a day finds differences; run "meterline audit" to see all of them',
    )
  }
}

function differencesOf(counts: DayCounts, { differences, partnershipDifferences }: AuditReport): number {
  const ofDay = [...differences, ...partnershipDifferences].filter(({ usage_date }) => usage_date === counts.usage_date)
  return ofDay.length + countUnequal(counts)
}

const COUNTS_LOOKS = 5
/** A day that differs is audited again when it changes, as by a repair; else not before this, so that the store is left in peace. */
const DIFFERING_AGAIN_AFTER_MS = 10 * 60_000
const DUE_DAYS_MAX = 100
const TOLD_MAX = 3

const DueDayRow = z.object({ usage_date: z.string(), changes: z.coerce.number() })
type DueDay = z.output<typeof DueDayRow>

/**
 * Finished days that were never audited at their number of changes, or that differed. A project that is registered is a change
 * of the days it has usage on, too (refresh-partnership-days.ts). Only days whose partnership rows are fresh: the others
 * changed a moment ago, and are due when the refresh has been.
 */
const dueDays = defineQuery({
  name: 'days_to_audit',
  sql: `
    SELECT usage_date, stored.changes AS changes
    FROM (${DAY_STATES} WHERE usage_date < {end: Date}) AS stored
    LEFT JOIN (SELECT usage_date, changes, differences, audited_at FROM day_audits_v1 FINAL) AS audited USING usage_date
    WHERE stored.is_materialized
      AND (
        stored.changes != audited.changes
        OR (audited.differences > 0 AND audited.audited_at < fromUnixTimestamp64Milli({againBeforeMs: Int64}, 'UTC'))
      )
    ORDER BY usage_date DESC
    LIMIT ${DUE_DAYS_MAX}`,
  params: z.object({ end: z.string(), againBeforeMs: z.number() }),
  row: DueDayRow,
  settings: { max_execution_time: 600 },
})
