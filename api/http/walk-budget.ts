import { LRUCache } from 'lru-cache'
import { ApiError } from '../errors/errors.ts'

/** A partner began too many walks over long lists. */
class WalksLimited extends ApiError {
  override readonly retryAfterSeconds: number

  constructor(retryAfterSeconds: number) {
    super('RATE_LIMITED', 'Too many long lists were begun with these credentials. Wait, then request the page again.')
    this.retryAfterSeconds = retryAfterSeconds
  }
}

/**
 * How many rows the walks of one partner may store per minute (registry/projects/walk-projects.ts). They are kept for a day, and the
 * requests that store them are cheap to send. A walk may overdraw what is left, so that one of any length is possible.
 */
export class WalkBudget {
  readonly #rowsPerMinute: number
  readonly #nowMs: () => number
  readonly #accounts = new LRUCache<string, { left: number; atMs: number }>({ max: ACCOUNTS_MAX })

  constructor({ rowsPerMinute = ROWS_PER_MINUTE, nowMs = () => performance.now() }: { rowsPerMinute?: number; nowMs?: () => number } = {}) {
    this.#rowsPerMinute = rowsPerMinute
    this.#nowMs = nowMs
  }

  /** Throws WalksLimited. */
  spend(partnerId: string, rows: number): void {
    const nowMs = this.#nowMs()
    const { left, atMs } = this.#accounts.get(partnerId) ?? { left: this.#rowsPerMinute, atMs: nowMs }
    const refilled = Math.min(left + ((nowMs - atMs) / MS_PER_MINUTE) * this.#rowsPerMinute, this.#rowsPerMinute)
    if (refilled <= 0) throw new WalksLimited(Math.ceil(((1 - refilled) * SECONDS_PER_MINUTE) / this.#rowsPerMinute))
    this.#accounts.set(partnerId, { left: refilled - rows, atMs: nowMs })
  }
}

/** At most some 5 GB a day on disk for a partner that does nothing else. */
const ROWS_PER_MINUTE = 200_000
/** Beyond this number of partners the least recently used budget is full again. */
const ACCOUNTS_MAX = 10_000
const SECONDS_PER_MINUTE = 60
const MS_PER_MINUTE = 60_000
