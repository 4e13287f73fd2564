import { LRUCache } from 'lru-cache'
import { z } from 'zod'
import { isKindOfStates, METRIC_NAMES } from '../../metering/metrics.ts'
import { monthOf, periodOfMonth } from '../../metering/month.ts'
import type { Period } from '../../metering/period.ts'
import { dayOf } from '../../metering/timestamp.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { StoreError } from '../../sql/errors.ts'
import { MONTHS_IN_REBUILD } from '../../sql/months-in-rebuild.ts'
import { defineQuery, IN_ONE_THREAD } from '../../sql/query.ts'
import { readUnlessWritten } from '../../sql/read-by-key.ts'
import type { CombinedDays } from './combine-days.ts'

/** What is asked for: days of a partner, or of one of its projects. */
export interface UsageScope {
  readonly partnerId: string
  /** Undefined for all projects of the partner. */
  readonly projectId?: string | undefined
  readonly period: Period
}

/**
 * Usage that was computed before. It is used again only while nothing has changed that it depends on. On the embedded engine that is so while
 * nothing at all was written (sql/writes.ts), and costs no statement. Otherwise one small statement finds it out for all callers of a partner
 * that wait. The order is the guarantee:
 * 1. Read the state: how often something of the days was stored, the partner's projects, its closed months, rebuilds, and the metrics.
 * 2. Compute the usage. It includes at least what the state stands for.
 * A later caller reads the state again, after it called. If it is the same, nothing was stored since.
 * For what changes all the time, such as the current day, no state is read: its callers would wait for it and compute then.
 */
export class RememberedUsage {
  readonly #clickhouse: Pick<ClickHouse, 'reads'>
  readonly #now: () => number
  readonly #remembered = new LRUCache<string, Remembered>({ maxSize: REMEMBERED_VALUES_MAX })
  /** The state of a partner's days as it was read last. */
  readonly #states = new LRUCache<string, State>({ max: KNOWN_STATES_MAX })

  constructor(clickhouse: Pick<ClickHouse, 'reads'>, now: () => number) {
    this.#clickhouse = clickhouse
    this.#now = now
  }

  /** For one caller, who reads the state once for all parts of the usage. */
  of({ partnerId, projectId, period }: UsageScope): UsageOfCaller {
    const state = this.#stateFor(partnerId, period)
    const scope = JSON.stringify([partnerId, projectId, period.first, period.last])
    return {
      readDays: (compute) => this.#read('days', scope, state, compute, sizeOfDays),
      readLastActivity: (compute) => this.#read('lastActivity', JSON.stringify([projectId]), state, compute, () => 1),
    }
  }

  /** The last activity of a project for callers that ask for no days. Throws what `compute` throws. */
  readLastActivity(projectId: string, compute: () => Promise<number | null>): Promise<number | null> {
    return this.#read('lastActivity', JSON.stringify([projectId]), undefined, compute, () => 1)
  }

  #stateFor(partnerId: string, period: Period): StateOfCaller | undefined {
    const today = dayOf(this.#now())
    if (period.last >= today) return undefined
    const span = { partnerId, ...spanOfState(period, today) }
    let reading: Promise<State | undefined> | undefined
    return { before: this.#states.get(JSON.stringify(span)), read: () => (reading ??= this.#readState(span)) }
  }

  async #read<T>(
    what: keyof State,
    scope: string,
    state: StateOfCaller | undefined,
    compute: () => Promise<T>,
    sizeOf: (value: T) => number | undefined,
  ): Promise<T> {
    const key = `${what} ${scope}`
    const written = this.#written()
    const known = this.#remembered.get(key)
    if (known !== undefined && written !== undefined && written === known.written) return known.value as T
    const remember = (under: string | undefined, value: T): T => {
      const size = sizeOf(value)
      const isUnwritten = written !== undefined && written === this.#written()
      if (size === undefined || (under === undefined && !isUnwritten)) this.#remembered.delete(key)
      else this.#remembered.set(key, { state: under, written: isUnwritten ? written : undefined, value }, { size })
      return value
    }
    if (known?.state !== undefined && state !== undefined) {
      const now = (await state.read())?.[what]
      return remember(now, now === known.state ? (known.value as T) : await compute())
    }
    // Beside the computation, so that nobody waits for it: what was computed is remembered if nothing has changed since the time before.
    const [value, after] = await Promise.all([compute(), state?.read()])
    const before = state?.before?.[what]
    return remember(before === after?.[what] ? before : undefined, value)
  }

  /** Equal while nothing is written on the same day, which decides what is a past month. Undefined where only the state can tell. */
  #written(): string | undefined {
    const state = this.#clickhouse.reads.writes?.state()
    return state === undefined ? undefined : `${dayOf(this.#now())} ${state}`
  }

  /** Undefined while a month is in rebuild, and while a shard is down, which the usage may not need. */
  async #readState(span: z.input<(typeof stateOfPastUsage)['params']>): Promise<State | undefined> {
    const rows = await readUnlessWritten(this.#clickhouse.reads, stateOfPastUsage, span).catch(ofNoUse)
    if (rows === undefined) return undefined
    const numbers = new Map(rows.map(({ what, number }) => [what, number]))
    const ofAllDays = rows.find(({ what }) => what === 'days')?.ofAllDays
    if (numbers.size !== STATE_NUMBERS.length || ofAllDays === undefined) throw new StoreError('fault', 'The state of past usage is not complete.')
    if (numbers.get('rebuilds') !== '0') return undefined
    const state = { days: JSON.stringify([...numbers].sort()), lastActivity: ofAllDays }
    this.#states.set(JSON.stringify(span), state)
    return state
  }
}

/** The parts of the usage of one caller. Each throws StoreError, and what `compute` throws. */
interface UsageOfCaller {
  /**
   * What `compute` returns for the days, or returned before. Usage of the kinds `last` and `unique` is not remembered: their states may be stored
   * after the change of the day was counted.
   */
  readDays<T extends CombinedDays>(compute: () => Promise<T>): Promise<T>
  /** The same for the last activity of a project, which depends on all days. */
  readLastActivity(compute: () => Promise<number | null>): Promise<number | null>
}

interface StateOfCaller {
  /** As it was read last, before this caller. */
  readonly before: State | undefined
  /** Reads it once, when it is needed first. */
  readonly read: () => Promise<State | undefined>
}

function sizeOfDays({ days, others }: CombinedDays): number | undefined {
  if ([...others.values()].some(({ kind }) => isKindOfStates(kind))) return undefined
  return (days.length + 1) * (METRIC_NAMES.length + others.size)
}

/** Then the usage is computed, and that fails if the store cannot be read. */
function ofNoUse(thrown: unknown): undefined {
  if (!(thrown instanceof StoreError)) throw thrown
}

/** What the days and the last activity depend on. */
interface State {
  readonly days: string
  readonly lastActivity: string
}

interface Remembered {
  /** What it was computed under: the state, the writes, or both. */
  readonly state: string | undefined
  readonly written: string | undefined
  readonly value: unknown
}

/** Values of a metric on a day; a value takes some 50 bytes. A week of the nine metrics of 10,000 projects are fewer. */
const REMEMBERED_VALUES_MAX = 1_000_000
const KNOWN_STATES_MAX = 10_000
const STATE_NUMBERS = ['days', 'projects', 'closed months', 'metrics', 'rebuilds'] as const

/** Whether a closed month has something unbilled depends on all its days. The current month is never closed. */
function spanOfState({ first, last, end }: Period, today: string): { from: string; end: string } {
  if (monthOf(last) >= monthOf(today)) return { from: first, end }
  return { from: periodOfMonth(monthOf(first)).first, end: periodOfMonth(monthOf(last)).end }
}

/**
 * Each number but that of the rebuilds only grows. The end of a rebuild counts as a change of all days of its month. Rows instead of scalar
 * subqueries, and one thread: the tables are small, so planning and threads are what such a statement costs.
 */
const stateOfPastUsage = defineQuery({
  name: 'state_of_past_usage',
  sql: `SELECT 'days' AS what, sumIf(changes, usage_date >= {from: Date} AND usage_date < {end: Date}) AS number, sum(changes) AS ofAllDays FROM usage_day_changes_v1
        UNION ALL SELECT 'projects', uniqExact(project_id), 0 FROM projects_v1 WHERE partner_id = {partnerId: String}
        UNION ALL SELECT 'closed months', count(), 0 FROM statements_v1 WHERE partner_id = {partnerId: String}
        UNION ALL SELECT 'metrics', uniqExact(metric), 0 FROM metrics_v1
        UNION ALL SELECT 'rebuilds', count(), 0 FROM (${MONTHS_IN_REBUILD})`,
  params: z.object({ partnerId: z.string(), from: z.string(), end: z.string() }),
  row: z.object({ what: z.enum(STATE_NUMBERS), number: z.string(), ofAllDays: z.string() }),
  settings: IN_ONE_THREAD,
})
