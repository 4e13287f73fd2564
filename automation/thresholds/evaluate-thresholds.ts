import { readAsOf } from '../../aggregator/as-of.ts'
import { type BillingState, readBillingStates } from '../../aggregator/statements/billing-state.ts'
import { readMonthsInRebuild } from '../../aggregator/usage/months-in-rebuild.ts'
import { compareDecimals } from '../../metering/exact-decimal.ts'
import { type Month, monthOf, monthsAgo } from '../../metering/month.ts'
import { dayOf } from '../../metering/timestamp.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { readEndpoints } from '../webhooks/endpoints.ts'
import type { MessageQueue } from '../webhooks/message-queue.ts'
import type { Message } from '../webhooks/messages.ts'
import { type Candidate, findCandidates } from './candidates.ts'
import { type LevelState, LevelStates } from './level-states.ts'
import { valueOfLevel } from './levels.ts'
import { monthValue, readMonthUsage, type UsageDays } from './month-usage.ts'
import { EVALUATED_MONTHS, type Moved, monthsToEvaluate, readMoved } from './moved.ts'
import { readActiveThresholds, type Threshold } from './thresholds.ts'
import { type Crossing, transitionMessages } from './transition-message.ts'

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
 * 2. Ask for the thresholds whose last transitions differ from the usage of the months that moved. None: remember step 1, and end.
 * 3. Under the lease of the queue, read usage and transitions of these again and decide, some thresholds at a time. Nothing else can
 *    store a transition between that and its insert.
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
    const { clickhouse, queue, now } = this.#options
    const moved = await readMoved(clickhouse, now())
    const months = monthsToEvaluate(moved, this.#seen)
    if (months.length === 0) return { status: 'unchanged' }
    let transitions = 0
    for (const [month, ids] of await this.#findOpenCandidates(months)) {
      for (let first = 0; first < ids.length; first += THRESHOLDS_PER_DECISION) {
        const outcome = await queue.append(() => this.#decide(month, ids.slice(first, first + THRESHOLDS_PER_DECISION)))
        if (outcome.status === 'elsewhere') return outcome
        transitions += outcome.messages.length
      }
    }
    this.#seen = moved
    return { status: 'evaluated', transitions }
  }

  /** The ids of candidates whose month is open, by month. */
  async #findOpenCandidates(months: readonly Month[]): Promise<Map<Month, string[]>> {
    const { clickhouse } = this.#options
    const found = new Map<Month, string[]>()
    for (const month of months) {
      const candidates = await findCandidates(clickhouse, month)
      const open = candidates.length === 0 ? [] : candidates.filter(await this.#readIsOpen(month))
      if (open.length > 0)
        found.set(
          month,
          open.map(({ id }) => id),
        )
    }
    return found
  }

  async #decide(month: Month, ids: readonly string[]): Promise<Message[]> {
    const { clickhouse, publicUrl, now } = this.#options
    const asOfMs = await readAsOf(clickhouse)
    if ((await readMonthsInRebuild(clickhouse)).includes(month)) return []
    const endpoints = await readEndpoints({ clickhouse })
    const messages: Message[] = []
    for (const ofThreshold of await this.#findCrossings(month, ids))
      messages.push(...(await transitionMessages({ clickhouse, endpoints, publicUrl, asOfMs, nowMs: now() }, ofThreshold)))
    return messages
  }

  /** For each of these thresholds, the levels whose last transition differs from what usage says. */
  async #findCrossings(month: Month, ids: readonly string[]): Promise<Crossing[][]> {
    const { clickhouse } = this.#options
    const open = (await readActiveThresholds(clickhouse, ids)).filter(await this.#readIsOpen(month))
    const states = await LevelStates.read(clickhouse, ids)
    const usageOf = await readMonthUsage(clickhouse, month, open)
    return open.map((threshold) => crossingsOf(threshold, { month, days: usageOf(threshold) }, states))
  }

  async #readIsOpen(month: Month): Promise<(threshold: Candidate) => boolean> {
    const nowMs = this.#options.now()
    const billing = new Map((await readBillingStates(this.#options.clickhouse)).map((state) => [state.partnerId, state]))
    return (threshold) => isOpen(threshold, billing.get(threshold.partnerId), month, nowMs)
  }
}

/** A threshold counts from the month in which it was set, in each month until that is closed; whether the month is billed does not matter. */
function isOpen({ createdMs }: Candidate, billing: BillingState | undefined, month: Month, nowMs: number): boolean {
  if (billing === undefined || month < monthOf(dayOf(createdMs)) || monthsAgo(month, nowMs) >= EVALUATED_MONTHS) return false
  return billing.closedThrough === null || month > billing.closedThrough
}

/** The messages of so many are made under the lease at a time, so that others who store messages can do so in between. */
const THRESHOLDS_PER_DECISION = 50

function crossingsOf(threshold: Threshold, { month, days }: { month: Month; days: UsageDays }, states: LevelStates): Crossing[] {
  const value = monthValue(threshold, days)
  return threshold.levels.flatMap((level) => {
    const levelValue = valueOfLevel(level, threshold.budget)
    const before = states.of(threshold.id, level.name, month)
    const state: LevelState['state'] = compareDecimals(value, levelValue) >= 0 ? 'alarm' : 'ok'
    return state === before.state ? [] : [{ threshold, month, level: level.name, levelValue, value, days, state, number: before.number + 1 }]
  })
}
