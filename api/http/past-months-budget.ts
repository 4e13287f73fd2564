import { LRUCache } from 'lru-cache'
import { touchedMs, type ValidatedEvent } from '../../ingest/event/pipeline.ts'
import { monthNumberOf } from '../../metering/month.ts'
import { MS_PER_DAY } from '../../metering/timestamp.ts'
import { ApiError } from '../errors/errors.ts'

/** A key's events touch too many past months. */
class PastMonthsLimited extends ApiError {
  override readonly retryAfterSeconds: number

  constructor(retryAfterSeconds: number) {
    super('PAST_MONTHS_LIMITED')
    this.retryAfterSeconds = retryAfterSeconds
  }
}

export interface PastMonthsOptions {
  /** 0 is no limit. */
  readonly monthsPerMinute: number
  /** A clock that never goes back, in ms. */
  readonly nowMs?: () => number
}

/**
 * How many past months the events and corrections of one ingest key may touch per minute. The store writes a part for each month of an insert, so a few
 * events of many months cost as much as a million of today. What arrives within a second shares an insert, so a month costs once a
 * second: loading years of old events sorted by time is as fast as ever. The current month and the one before are free.
 */
export class PastMonthsBudget {
  readonly #monthsPerMinute: number
  readonly #nowMs: () => number
  readonly #accounts = new LRUCache<string, Account>({ max: ACCOUNTS_MAX })

  constructor({ monthsPerMinute, nowMs = () => performance.now() }: PastMonthsOptions) {
    this.#monthsPerMinute = monthsPerMinute
    this.#nowMs = nowMs
  }

  /** Spends the months of a request. A request may overdraw what is left, and the next ones wait. Throws PastMonthsLimited. */
  spend(ingestKeyId: string, events: readonly ValidatedEvent[], receivedMs: number): void {
    const months = this.#monthsPerMinute === 0 ? [] : pastMonthsOf(events, receivedMs)
    if (months.length === 0) return
    const account = this.#accountOf(ingestKeyId)
    const spent = months.filter((month) => !account.months.has(month))
    if (spent.length > 0 && account.left <= 0) throw new PastMonthsLimited(Math.ceil(((1 - account.left) * SECONDS_PER_MINUTE) / this.#monthsPerMinute))
    account.left -= spent.length
    for (const month of spent) account.months.add(month)
  }

  #accountOf(ingestKeyId: string): Account {
    const nowMs = this.#nowMs()
    const account = this.#accounts.get(ingestKeyId) ?? { left: this.#monthsPerMinute, atMs: nowMs, months: new Set() }
    const minutes = (nowMs - account.atMs) / MS_PER_MINUTE
    account.left = Math.min(account.left + minutes * this.#monthsPerMinute, this.#monthsPerMinute)
    if (Math.floor(nowMs / MS_PER_SECOND) !== Math.floor(account.atMs / MS_PER_SECOND)) account.months.clear()
    account.atMs = nowMs
    this.#accounts.set(ingestKeyId, account)
    return account
  }
}

interface Account {
  /** Months that may be spent now; below 0 after a request that overdrew it. */
  left: number
  atMs: number
  /** Spent within the current second. */
  readonly months: Set<number>
}

/** Beyond this number of keys the least recently used budget is full again. */
const ACCOUNTS_MAX = 10_000
const SECONDS_PER_MINUTE = 60
const MS_PER_SECOND = 1_000
const MS_PER_MINUTE = 60_000

/** The months before the one that precedes the time of receipt. */
function pastMonthsOf(events: readonly ValidatedEvent[], receivedMs: number): number[] {
  const received = new Date(receivedMs)
  const pastBeforeMs = Date.UTC(received.getUTCFullYear(), received.getUTCMonth() - 1, 1)
  const months = new Set<number>()
  let lastDay: number | undefined
  for (const each of events) {
    const timestampMs = touchedMs(each)
    if (timestampMs === undefined || timestampMs >= pastBeforeMs) continue
    const day = Math.floor(timestampMs / MS_PER_DAY)
    if (day !== lastDay) months.add(monthNumberOf(timestampMs))
    lastDay = day
  }
  return [...months]
}
