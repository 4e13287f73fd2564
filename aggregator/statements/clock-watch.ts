export interface ClockWatchOptions {
  /** The host's clock, in ms since 1970. */
  readonly now: () => number
  /** The store's clock, in ms since 1970. Throws StoreError. */
  readonly storeNow: () => Promise<number>
  /** A clock in ms that nobody can set. It must go on while the machine sleeps, or each night of a laptop would look like a step. */
  readonly uptimeMs: () => number
}

/**
 * Compares the host's clock with the time since the process started and with the store's clock. While they disagree, no month may be
 * closed automatically: a clock that is wrong by some days would close the running month, and a closed month never changes (P4).
 */
export class ClockWatch {
  readonly #options: ClockWatchOptions
  /** The host's clock minus the uptime when the process started. Never adjusted, so that several small steps add up. */
  readonly #offsetMs: number
  #last: { readonly reason: string; readonly seenUptimeMs: number } | undefined

  constructor(options: ClockWatchOptions) {
    this.#options = options
    this.#offsetMs = options.now() - options.uptimeMs()
  }

  /**
   * Why the clocks are not trusted; undefined when they are. After a disagreement they are trusted again once they have agreed for an
   * hour, or after a restart, which takes the host's clock as it is then. A step to the right time, as by NTP, needs the restart: the
   * store may be on this host and step with it, so its agreement does not tell such a step from one to a wrong time. Throws StoreError.
   */
  async findDisagreement(): Promise<string | undefined> {
    const { now, storeNow, uptimeMs } = this.#options
    const storeMs = await storeNow()
    const [hostMs, seenUptimeMs] = [now(), uptimeMs()]
    const reason = disagreementOf({ steppedMs: hostMs - seenUptimeMs - this.#offsetMs, aheadOfStoreMs: hostMs - storeMs })
    if (reason !== undefined) this.#last = { reason, seenUptimeMs }
    if (this.#last === undefined || seenUptimeMs - this.#last.seenUptimeMs >= TRUSTED_AFTER_MS) return undefined
    return this.#last.reason
  }
}

function disagreementOf({ steppedMs, aheadOfStoreMs }: { steppedMs: number; aheadOfStoreMs: number }): string | undefined {
  if (Math.abs(steppedMs) > CLOCKS_APART_MS_MAX)
    return `The clock of this host was set ${steppedMs > 0 ? 'forward' : 'back'} by ${durationText(steppedMs)} since this process started. If it is right now, restart this process.`
  if (Math.abs(aheadOfStoreMs) > CLOCKS_APART_MS_MAX)
    return `The clock of this host is ${durationText(aheadOfStoreMs)} ${aheadOfStoreMs > 0 ? 'ahead of' : 'behind'} the clock of ClickHouse.`
  return undefined
}

/** A span of time for a message, in the largest unit that gives at least two of it. The sign is left out. */
function durationText(ms: number): string {
  const minutes = Math.round(Math.abs(ms) / MS_PER_MINUTE)
  if (minutes < 2 * MINUTES_PER_HOUR) return `${minutes} minutes`
  const hours = Math.round(minutes / MINUTES_PER_HOUR)
  return hours < 2 * HOURS_PER_DAY ? `${hours} hours` : `${Math.round(hours / HOURS_PER_DAY)} days`
}

const CLOCKS_APART_MS_MAX = 5 * 60_000
const TRUSTED_AFTER_MS = 60 * 60_000

const MS_PER_MINUTE = 60_000
const MINUTES_PER_HOUR = 60
const HOURS_PER_DAY = 24
