import { z } from 'zod'
import { groupByMonth } from '../../metering/month.ts'
import { dayAfter } from '../../metering/period.ts'
import { DAY_AFTER_LAST } from '../../metering/storable-days.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery, defineStatement } from '../../sql/query.ts'
import { queryOne } from '../../sql/query-one.ts'
import { row } from '../../sql/tab-separated.ts'
import { METRIC_OF_STATES } from '../../sql/usage-states.ts'
import { readAsOf } from '../as-of.ts'
import { DAY_STATES } from './day-states.ts'
import { EVENTS_THAT_COUNT, perSource, readSource } from './effective-usage.ts'
import { PROJECT_VALUE_FROM_ROLLUP } from './peak-or-sum.ts'
import { PROJECT_OWNERS } from './projects-of-partner.ts'

/**
 * Recomputes all partnership days that have changed, for all partners, and returns their number. The rounds end early if days change
 * faster than they are recomputed; readers compute what is left themselves. Throws StoreError.
 */
export async function refreshPartnershipDays(clickhouse: ClickHouse, lane: ClickHouse['reads'] = clickhouse.reads): Promise<number> {
  const refresh = new PartnershipDaysRefresh(clickhouse, lane)
  let days = 0
  for (let rounds = 0; rounds < ROUNDS_MAX; rounds += 1) {
    const round = await refresh.runRound()
    days += round.days
    if (round.complete) break
  }
  return days
}

/**
 * Recomputes changed partnership days in rounds of a limited number, the newest first: events of thousands of past days must not keep
 * the days that everybody reads from being recomputed. A part of each round is for the older days in turn: days that change again and
 * again must not keep them from being recomputed and audited. Several processes may do it at the same time.
 */
export class PartnershipDaysRefresh {
  readonly #clickhouse: ClickHouse
  readonly #lane: ClickHouse['reads']
  /** This process has recorded the days of the projects created up to this time, in ms since 1970, as changed. */
  #recordedThroughMs = 0
  /** The older days' turn has come down to this day. */
  #turn = DAY_AFTER_LAST

  constructor(clickhouse: ClickHouse, lane: ClickHouse['reads']) {
    this.#clickhouse = clickhouse
    this.#lane = lane
  }

  /**
   * Recomputes the newest changed days and some older ones; `complete` means that no others were left. The order is the guarantee:
   * 1. Read when the newest project was created. Increment the number of changes of each day with usage of a project that was
   *    registered since the last refresh, so that the recomputed rows supersede the old ones. After a crash here the days are recomputed
   *    without need.
   * 2. Read each changed day's number of changes, then compute its rows: they include at least the events of these changes.
   * 3. Record that the rows of these days are complete at those numbers. After a crash before this, readers keep computing the days
   *    themselves.
   * 4. When no changed day is left, record when the newest project of step 1 was created. After a crash before this, the same days are
   *    recomputed once more.
   * Throws StoreError.
   */
  async runRound(): Promise<{ days: number; complete: boolean }> {
    const lane = this.#lane
    const { newestMs, materializedMs, changedDaysCount } = await queryOne(lane, whatHasChanged, {})
    // Most rounds end here: one statement a second is what an idle service costs.
    if (changedDaysCount === 0 && newestMs <= (materializedMs ?? 0)) return { days: 0, complete: true }
    const asOfMs = (await readAsOf(this.#clickhouse)) ?? 0
    await this.#recordDaysOfProjects(newestMs, materializedMs)
    const { days: changed, areAll } = await this.#nextDays()
    // One month at a time limits the memory.
    for (const days of groupByMonth(changed).values()) {
      const changes = days.map((day) => row([day.usage_date, day.changes])).join('')
      // After the numbers of changes: a correction that is not seen here changes its day again.
      const source = await readSource(lane, spanOf(days.map(({ usage_date }) => usage_date)))
      await lane.execute(computePartnershipDays[source], { days: days.map(({ usage_date }) => usage_date), changes, asOfMs })
      await lane.insert({ table: 'usage_day_changes_v1', columns: ['usage_date', 'kept'], text: changes })
    }
    const throughMs = this.#recordedThroughMs
    if (areAll && throughMs > (materializedMs ?? 0))
      await lane.insert({ table: 'partnership_projects_kept_v1', columns: ['scope', 'through'], text: row(['all', throughMs / 1000]) })
    return { days: changed.length, complete: areAll }
  }

  /** All changed days, or the newest ones and the older ones whose turn it is. */
  async #nextDays(): Promise<{ days: ChangedDay[]; areAll: boolean }> {
    const changed = await this.#changedBefore(DAY_AFTER_LAST, ROUND_MAX.days)
    if (changed.length < ROUND_MAX.days && groupByMonth(changed).size <= ROUND_MAX.months) return { days: changed, areAll: true }
    const newest = firstOf(changed, { days: ROUND_MAX.days - OLDER_MAX.days, months: ROUND_MAX.months - OLDER_MAX.months })
    const olderThan = newest.at(-1)?.usage_date ?? DAY_AFTER_LAST
    let older = this.#turn < olderThan ? await this.#changedBefore(this.#turn, OLDER_MAX.days) : []
    if (older.length === 0) older = await this.#changedBefore(olderThan, OLDER_MAX.days)
    const inTurn = firstOf(older, OLDER_MAX)
    this.#turn = inTurn.at(-1)?.usage_date ?? DAY_AFTER_LAST
    return { days: [...newest, ...inTurn], areAll: false }
  }

  #changedBefore(end: string, daysMax: number): Promise<ChangedDay[]> {
    return this.#lane.query(changedDays, { end, daysMax })
  }

  async #recordDaysOfProjects(newestMs: number, materializedMs: number | null): Promise<void> {
    const createdAfterMs = Math.max(materializedMs ?? 0, this.#recordedThroughMs)
    if (newestMs <= createdAfterMs) return
    if (materializedMs === null) await this.#lane.execute(recordDaysWithoutChanges, {})
    await this.#lane.execute(recordDaysOfNewProjects, { createdAfterMs })
    this.#recordedThroughMs = newestMs
  }
}

interface DaysMax {
  readonly days: number
  readonly months: number
}

/** A round of one day in each of its months takes about a second on two cores. */
const ROUND_MAX: DaysMax = { days: 400, months: 24 }
/** The part of a round that is for the older days. */
const OLDER_MAX: DaysMax = { days: 100, months: 6 }

/** As many of the first days as the limits admit. */
function firstOf(changed: readonly ChangedDay[], { days, months }: DaysMax): ChangedDay[] {
  return [...groupByMonth(changed.slice(0, days)).values()].slice(0, months).flat()
}

/** From the first of the days to the last. */
function spanOf(days: readonly string[]): { from: string; end: string } {
  const [from, ...later] = [...days].sort()
  if (from === undefined) throw new Error('There are no days to compute.')
  return { from, end: dayAfter(later.at(-1) ?? from) }
}

/** Enough for every day that can have usage. */
const ROUNDS_MAX = 200

const whatHasChanged = defineQuery({
  name: 'what_has_changed',
  sql: `SELECT
          (SELECT toUnixTimestamp64Milli(max(created_at)) FROM projects_v1) AS newestMs,
          (SELECT if(count() = 0, NULL, toUnixTimestamp64Milli(max(through))) FROM partnership_projects_kept_v1) AS materializedMs,
          (SELECT count() FROM (${DAY_STATES}) WHERE NOT is_materialized) AS changedDaysCount`,
  params: z.object({}),
  row: z.object({ newestMs: z.coerce.number(), materializedMs: z.coerce.number().nullable(), changedDaysCount: z.coerce.number() }),
})

/** For usage that was stored before changes were recorded at all. Running it again only has days recomputed once more. */
const recordDaysWithoutChanges = defineStatement({
  name: 'record_days_without_changes',
  sql: `INSERT INTO usage_day_changes_v1 (usage_date, changes)
        SELECT DISTINCT usage_date, 1 FROM project_usage_per_day_v1 WHERE usage_date NOT IN (SELECT usage_date FROM usage_day_changes_v1)`,
  params: z.object({}),
})

/**
 * A new project changes the days on which it has usage. If the number of changes stayed the same, the rows with and without the new
 * project would tie, and those with the later watermark would win. The watermark can move backwards when a topic gets new logs, so the
 * rows without the project could win, and it would not be billed.
 */
const recordDaysOfNewProjects = defineStatement({
  name: 'record_days_of_new_projects',
  sql: `INSERT INTO usage_day_changes_v1 (usage_date, changes)
        SELECT DISTINCT usage_date, 1 FROM project_usage_per_day_v1
        WHERE project_id IN (SELECT project_id FROM projects_v1 WHERE created_at > fromUnixTimestamp64Milli({createdAfterMs: Int64}))`,
  params: z.object({ createdAfterMs: z.number() }),
})

type ChangedDay = z.infer<typeof ChangedDay>
const ChangedDay = z.object({ usage_date: z.string(), changes: z.coerce.number() })

const changedDays = defineQuery({
  name: 'changed_days',
  sql: `SELECT usage_date, changes FROM (${DAY_STATES}) WHERE NOT is_materialized AND usage_date < {end: Date}
        ORDER BY usage_date DESC LIMIT {daysMax: UInt64}`,
  params: z.object({ end: z.string(), daysMax: z.number() }),
  row: ChangedDay,
})

/**
 * The value of each project's day first, then their sum: a partnership's peak is reached by its projects together. Of the kinds `last` and `unique`
 * only the number of events is materialized: readers compute their values from the states.
 */
const computePartnershipDays = perSource((from) =>
  defineStatement({
    name: 'compute_partnership_days',
    sql: `
    INSERT INTO partnership_usage_per_day_v1 (partner_id, usage_date, metric, newest)
    SELECT partner_id, usage_date, metric,
      CAST((any(changes), fromUnixTimestamp64Milli({asOfMs: Int64}, 'UTC'), sum(project_value), sum(project_events)),
           'Tuple(changes UInt64, as_of DateTime64(3, \\'UTC\\'), value Decimal(76, 9), events Int64)')
    FROM (
      SELECT project_id, usage_date, metric, ${EVENTS_THAT_COUNT} AS project_events,
        if(${METRIC_OF_STATES}, toDecimal256(0, 9), ${PROJECT_VALUE_FROM_ROLLUP}) AS project_value
      FROM ${from('usage_date IN {days: Array(Date)}', 'nothing')}
      GROUP BY project_id, usage_date, metric HAVING project_events > 0
    ) AS project_days
    INNER JOIN (${PROJECT_OWNERS}) AS owners USING project_id
    INNER JOIN (SELECT usage_date, changes FROM format(TabSeparated, 'usage_date Date, changes UInt64', {changes: String})) AS changed USING usage_date
    GROUP BY partner_id, usage_date, metric`,
    params: z.object({ days: z.array(z.string()), changes: z.string(), asOfMs: z.number() }),
    settings: { max_execution_time: 600 },
  }),
)
