import { readAsOf } from '../../aggregator/as-of.ts'
import { type BillingState, readBillingStates } from '../../aggregator/statements/billing-state.ts'
import { readMonthsInRebuild } from '../../aggregator/usage/months-in-rebuild.ts'
import { compareDecimals } from '../../metering/exact-decimal.ts'
import { type Month, monthOf, monthsAgo } from '../../metering/month.ts'
import { dayOf, MS_PER_DAY } from '../../metering/timestamp.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { readEndpoints } from '../webhooks/endpoints.ts'
import type { MessageQueue } from '../webhooks/message-queue.ts'
import type { Message } from '../webhooks/messages.ts'
import { type LevelState, LevelStates } from './level-states.ts'
import { valueOfLevel } from './levels.ts'
import { monthValue, readMaterializedDays, readMonthUsage, type UsageDays } from './month-usage.ts'
import { readThresholds, type Threshold } from './thresholds.ts'
import { type Crossing, transitionMessage } from './transition-message.ts'

export interface EvaluatorOptions {
  readonly clickhouse: ClickHouse
  readonly queue: MessageQueue
  /** Where the dashboard and the API are reached. */
  readonly publicUrl: string
  /** ms since 1970. */
  readonly now: () => number
}

/** `unchanged`: nothing moved since the last evaluation. `elsewhere`: another process stores messages; the next run evaluates again. */
export type EvaluationOutcome = { status: 'unchanged' } | { status: 'evaluated'; transitions: number } | { status: 'elsewhere' }

/**
 * Compares usage of open months with the levels of thresholds, and stores each transition as a message that is sent once. It reads what
 * is counted, after the partnership days of a changed day are materialized; nothing of it is on the path of an event. The order is the
 * guarantee:
 * 1. Read the states of the days and the thresholds. If neither moved since the last evaluation of this process, there is nothing to do.
 * 2. Read the usage of the months that moved, and the last transition of each level. No difference: remember step 1, and end.
 * 3. Under the lease of the queue, read both again and decide. Nothing else can store a transition between that and its insert.
 * 4. Insert the messages (message-queue.ts). A crash before or after: the next evaluation of any process compares again, and finds a
 *    transition to store only if it is not stored.
 * 5. Remember step 1. It is remembered in memory alone: a new process compares everything once.
 */
export class ThresholdEvaluator {
  readonly #options: EvaluatorOptions
  #seen: Moved | undefined

  constructor(options: EvaluatorOptions) {
    this.#options = options
  }

  /** Throws StoreError. */
  async run(): Promise<EvaluationOutcome> {
    const { clickhouse, queue } = this.#options
    const moved = await this.#readMoved()
    const months = moved.monthsSince(this.#seen)
    if (months.length === 0) return { status: 'unchanged' }
    let transitions = 0
    if ((await this.#findCrossings(clickhouse, months)).length > 0) {
      const outcome = await queue.append(() => this.#decide(months))
      if (outcome.status === 'elsewhere') return outcome
      transitions = outcome.messages.length
    }
    this.#seen = moved
    return { status: 'evaluated', transitions }
  }

  async #readMoved(): Promise<Moved> {
    const { clickhouse, now } = this.#options
    const from = dayOf(now() - EVALUATED_DAYS * MS_PER_DAY)
    const thresholds = (await readThresholds({ clickhouse })).filter(({ isActive }) => isActive)
    if (thresholds.length === 0) return new Moved([], [], new Map())
    // A month in rebuild is evaluated when it ends: meanwhile nothing that was computed from its rollup may be used.
    const inRebuild = await readMonthsInRebuild(clickhouse)
    return new Moved(thresholds, inRebuild, await readMaterializedDays(clickhouse, from))
  }

  async #decide(months: readonly Month[]): Promise<Message[]> {
    const { clickhouse, publicUrl, now } = this.#options
    const asOfMs = await readAsOf(clickhouse)
    const crossings = await this.#findCrossings(clickhouse, months)
    const endpoints = await readEndpoints({ clickhouse })
    const messages: Message[] = []
    for (const crossing of crossings) messages.push(await transitionMessage({ clickhouse, endpoints, publicUrl, asOfMs, nowMs: now() }, crossing))
    return messages
  }

  /** The levels whose usage says something else than their last transition. */
  async #findCrossings(clickhouse: ClickHouse, months: readonly Month[]): Promise<Crossing[]> {
    const { now } = this.#options
    const thresholds = (await readThresholds({ clickhouse })).filter(({ isActive }) => isActive)
    const billing = new Map((await readBillingStates(clickhouse)).map((state) => [state.partnerId, state]))
    const inRebuild = await readMonthsInRebuild(clickhouse)
    const states = await LevelStates.read(clickhouse, months)
    const crossings: Crossing[] = []
    for (const month of months.filter((each) => !inRebuild.includes(each))) {
      const open = thresholds.filter((threshold) => isOpen(threshold, billing.get(threshold.partnerId), month, now()))
      const usageOf = await readMonthUsage(clickhouse, month, open)
      for (const threshold of open) crossings.push(...crossingsOf(threshold, { month, days: usageOf(threshold) }, states))
    }
    return crossings
  }
}

/** What is evaluated reaches back so far: a month that stays open longer is no alarm any more. */
const EVALUATED_MONTHS = 12
const EVALUATED_DAYS = EVALUATED_MONTHS * 31

/** A threshold counts from the month in which it was set, and in billed months until they are closed. */
function isOpen({ createdMs }: Threshold, billing: BillingState | undefined, month: Month, nowMs: number): boolean {
  if (billing === undefined || month < monthOf(dayOf(createdMs)) || monthsAgo(month, nowMs) >= EVALUATED_MONTHS) return false
  return month >= billing.billingFrom && (billing.closedThrough === null || month > billing.closedThrough)
}

function crossingsOf(threshold: Threshold, { month, days }: { month: Month; days: UsageDays }, states: LevelStates): Crossing[] {
  const value = monthValue(threshold, days)
  return threshold.levels.flatMap((level) => {
    const levelValue = valueOfLevel(level, threshold.budget)
    const before = states.of(threshold.id, level.name, month)
    const state: LevelState['state'] = compareDecimals(value, levelValue) >= 0 ? 'alarm' : 'ok'
    return state === before.state ? [] : [{ threshold, month, level: level.name, levelValue, value, days, state, number: before.number + 1 }]
  })
}

/** What an evaluation depends on, as it was read before it. */
class Moved {
  readonly #thresholds: string
  readonly #createdIn: Month | undefined
  readonly #inRebuild: readonly Month[]
  readonly #days: ReadonlyMap<string, number>

  constructor(thresholds: readonly Threshold[], inRebuild: readonly Month[], days: ReadonlyMap<string, number>) {
    this.#thresholds = JSON.stringify(thresholds.map(({ id, revision }) => [id, revision]))
    this.#createdIn = thresholds[0] === undefined ? undefined : monthOf(dayOf(thresholds[0].createdMs))
    this.#inRebuild = inRebuild
    this.#days = days
  }

  /** The months to evaluate: those with a day that moved, or all of them when a threshold did. */
  monthsSince(seen: Moved | undefined): Month[] {
    const isNew = seen === undefined || seen.#thresholds !== this.#thresholds
    const days = [...this.#days].filter(([day, kept]) => isNew || seen.#days.get(day) !== kept).map(([day]) => day)
    // A rebuild that ended without a further change of its days.
    const rebuilt = seen === undefined ? [] : seen.#inRebuild.filter((month) => !this.#inRebuild.includes(month))
    const months = [...new Set([...days.map(monthOf), ...rebuilt])].filter((month) => !this.#inRebuild.includes(month))
    return months.filter((month) => this.#createdIn !== undefined && month >= this.#createdIn).sort()
  }
}
