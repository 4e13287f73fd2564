import { z } from 'zod'
import type { Logger } from '../../metering/logger.ts'
import { groupByMonth, periodOfMonth } from '../../metering/month.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import type { RunBetweenBatches } from '../../sql/run-between-batches.ts'
import { readAsOf } from '../as-of.ts'
import { DAY_STATES } from '../usage/day-states.ts'
import { refreshPartnershipDays } from '../usage/refresh-partnership-days.ts'
import { type AuditReport, audit } from './audit.ts'
import type { AuditSlot } from './audit-slot.ts'
import { countDays, countUnequal, type DayCounts } from './count-days.ts'
import { type AuditedDays, type DayAudit, readAuditedDays, storeDayAudits } from './day-audits.ts'

export interface DailyAuditsOptions {
  readonly clickhouse: ClickHouse
  readonly slot: AuditSlot
  readonly runBetweenBatches: RunBetweenBatches
  readonly identityIndex: AuditedIndex
  readonly logger: Logger
  /** ms since 1970. */
  readonly now: () => number
  readonly daysPerRunMax?: number
}

/** The index by which duplicates are detected. An identity that it lacks would pass as new, and its duplicate would be billed. */
export interface AuditedIndex {
  /** Throws StoreError. */
  countMissing(): Promise<number>
  /** Has the processes that count events add what is missing before they next trust the index. Throws StoreError. */
  requestIndexing(): Promise<void>
}

/**
 * Audits every finished day automatically, and again whenever something of it was stored since. The results are stored. Any number of
 * processes may run it at the same time: the later result of a day counts.
 */
export class DailyAudits {
  readonly #options: DailyAuditsOptions
  #audited: AuditedDays | undefined
  #completeMs: number | undefined

  constructor(options: DailyAuditsOptions) {
    this.#options = options
  }

  /** A summary of the stored results of all days, as of the last run; undefined before the first. */
  get audited(): AuditedDays | undefined {
    return this.#audited
  }

  /** When this process last found every finished day audited, in ms since 1970; undefined before the first time. */
  get completeMs(): number | undefined {
    return this.#completeMs
  }

  /** Audits the days that are due, those first whose last audit is longest ago. While a requested audit runs, they stay due. Throws StoreError. */
  async run(signal: AbortSignal): Promise<void> {
    const { clickhouse } = this.#options
    await this.#auditDueDays(signal)
    await this.#auditIdentities()
    this.#audited = await readAuditedDays(clickhouse)
  }

  /**
   * 1. Refresh the partnership days, so that they can be compared.
   * 2. Read each due day's number of changes. What is read from here on includes at least these changes.
   * 3. Compare the days, month by month, and store the results under these numbers. After a crash, the days without a stored result are
   *    still due, and whatever is stored meanwhile makes its day due again.
   */
  async #auditDueDays(signal: AbortSignal): Promise<void> {
    const { clickhouse, slot, now, daysPerRunMax = DAYS_PER_RUN_MAX } = this.#options
    const asOfMs = await readAsOf(clickhouse)
    if (asOfMs === null) return
    const startedMs = now()
    await refreshPartnershipDays(clickhouse)
    const due = await clickhouse.reads.query(dueDays, {
      end: new Date(Math.min(asOfMs, startedMs)).toISOString().slice(0, 10),
      repeatBeforeMs: startedMs - REPEAT_DIFFERING_AFTER_MS,
      daysMax: daysPerRunMax,
    })
    for (const [month, days] of groupByMonth(due)) {
      if (signal.aborted) return
      const outcome = await slot.runInBackground(() => this.#auditDays(month, days))
      if (outcome.status === 'another_runs') return
      await storeDayAudits(
        clickhouse,
        outcome.result.map((result) => ({ ...result, audited_ms: startedMs, as_of_ms: asOfMs })),
      )
    }
    if (due.length < daysPerRunMax) this.#completeMs = startedMs
  }

  async #auditIdentities(): Promise<void> {
    const { identityIndex, logger } = this.#options
    const missing = await identityIndex.countMissing()
    if (missing === 0) return
    await identityIndex.requestIndexing()
    logger.error(
      { missing },
      'the index of identities has fewer rows than raw, so duplicates may count: restart the processes that count events, which completes it',
    )
  }

  async #auditDays(month: string, due: readonly DueDay[]): Promise<Omit<DayAudit, 'audited_ms' | 'as_of_ms'>[]> {
    const { clickhouse } = this.#options
    const { first: from, end } = periodOfMonth(month)
    const counts = await this.#countDays(due, { from, end })
    const days = counts.map(({ usage_date }) => usage_date)
    if (days.length === 0) return []
    const report = await audit(clickhouse, { from, end, days }, (work) => this.#recheck(work))
    return counts.map((counted) => {
      const differences = countDifferences(counted, report)
      if (differences > 0) this.#logDifferences(counted, differences, report)
      const { registered_events, ...stored } = counted
      return { ...stored, differences }
    })
  }

  /**
   * Counts that differ at first are counted again, because a batch may be in flight. A day that changes meanwhile is left out: its
   * change makes it due again.
   */
  async #countDays(due: readonly DueDay[], span: { from: string; end: string }): Promise<DayCounts[]> {
    const { clickhouse } = this.#options
    let counts = await countDays(clickhouse, { ...span, days: due })
    for (let attempts = 1; attempts < COUNT_ATTEMPTS; attempts += 1) {
      const unequal = new Set(counts.filter((day) => countUnequal(day) > 0).map(({ usage_date }) => usage_date))
      if (unequal.size === 0) break
      const days = due.filter(({ usage_date }) => unequal.has(usage_date))
      const recounted = await this.#recheck(() => countDays(clickhouse, { ...span, days }))
      counts = [...counts.filter(({ usage_date }) => !unequal.has(usage_date)), ...recounted]
    }
    return counts
  }

  /** Refreshes first: a project registered a moment ago is not in the partnership days yet, and waiting for a batch does not change that. */
  async #recheck<T>(work: () => Promise<T>): Promise<T> {
    const { clickhouse, runBetweenBatches } = this.#options
    await refreshPartnershipDays(clickhouse)
    return runBetweenBatches(work)
  }

  #logDifferences({ registered_events, ...counts }: DayCounts, differences: number, report: AuditReport): void {
    const ofDay = <T extends { usage_date: string }>(list: readonly T[]) =>
      list.filter(({ usage_date }) => usage_date === counts.usage_date).slice(0, LOGGED_MAX)
    this.#options.logger.error(
      { ...counts, differences, rollup: ofDay(report.differences), partnership: ofDay(report.partnershipDifferences) },
      'the audit of a day found differences; run "meterline audit" to list all of them',
    )
  }
}

function countDifferences(counts: DayCounts, { differences, partnershipDifferences }: AuditReport): number {
  const ofDay = [...differences, ...partnershipDifferences].filter(({ usage_date }) => usage_date === counts.usage_date)
  return ofDay.length + countUnequal(counts)
}

const COUNT_ATTEMPTS = 5
/** A day with differences is audited again when it changes, for example by a repair, and otherwise only after this time, to spare the store. */
const REPEAT_DIFFERING_AFTER_MS = 10 * 60_000
const DAYS_PER_RUN_MAX = 100
const LOGGED_MAX = 3

const DueDayRow = z.object({ usage_date: z.string(), changes: z.coerce.number() })
type DueDay = z.output<typeof DueDayRow>

/**
 * Finished days that were not audited at their current number of changes, or whose audit found differences. Registering a project also
 * changes the days on which it has usage (refresh-partnership-days.ts). Only days whose materialized rows are current: the others
 * changed a moment ago and become due after the next refresh. The days whose last audit is longest ago come first, those that were never
 * audited before all others: a day that changes all the time cannot keep another one waiting.
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
        OR (audited.differences > 0 AND audited.audited_at < fromUnixTimestamp64Milli({repeatBeforeMs: Int64}, 'UTC'))
      )
    ORDER BY audited.audited_at, usage_date
    LIMIT {daysMax: UInt64}`,
  params: z.object({ end: z.string(), repeatBeforeMs: z.number(), daysMax: z.number() }),
  row: DueDayRow,
  settings: { max_execution_time: 600 },
})
