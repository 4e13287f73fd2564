import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Logger } from '../../metering/logger.ts'
import { ApiError } from '../errors/errors.ts'
import { networkOf } from './network-of.ts'

export interface BrakeOptions {
  /** Different wrong credentials from one address per minute; 0 disables the brake. */
  readonly failuresPerMinute: number
  /** ms since 1970. */
  readonly now: () => number
  readonly logger: Logger
}

/** Too many guesses came from this address. The answer does not depend on what is guessed. */
export class Braked extends ApiError {
  override readonly retryAfterSeconds: number

  constructor(retryAfterSeconds: number) {
    super('GUESSING_BRAKE')
    this.retryAfterSeconds = retryAfterSeconds
  }
}

/**
 * Slows down guessing of credentials. After a number of wrong credentials from an address, unknown ones from there are not even
 * looked up until the minute is over. Credentials that were valid within the last hour bypass the brake, so that other users of
 * the same proxy can go on. Repeating the same wrong credential is no new guess: an emitter that keeps sending with a revoked
 * key blocks no other caller.
 */
export class GuessingBrake {
  readonly #options: BrakeOptions
  readonly #minutes = new Map<string, Minute>()
  /** Digests of credentials that were valid within the last hour. */
  readonly #good: LRUCache<string, true>

  constructor(options: BrakeOptions) {
    this.#options = options
    // The library keeps an entry through the last millisecond of its ttl.
    this.#good = new LRUCache({ max: GOOD_MAX, ttl: GOOD_FOR_MS - 1, ttlResolution: 0, perf: { now: options.now } })
  }

  /** The result of `prove`; undefined is a wrong credential. `credential` identifies what is proven, and with what. Throws Braked. */
  async guard<T>(address: string, credential: readonly string[], prove: () => Promise<T | undefined>): Promise<T | undefined> {
    if (this.#options.failuresPerMinute === 0) return prove()
    const digest = createHash('sha256').update(JSON.stringify(credential)).digest('base64')
    const network = networkOf(address)
    if (this.#good.has(digest)) return this.#recordOutcome({ network, digest }, await prove())
    const minute = await this.#acquireSlot(network, digest)
    if (minute === undefined) return this.#recordOutcome({ network, digest }, await prove())
    try {
      return this.#recordOutcome({ network, digest }, await prove())
    } finally {
      minute.inFlight -= 1
      for (const resume of minute.waiting.splice(0)) resume()
      if (minute.wrong.size === 0 && minute.inFlight === 0 && this.#minutes.get(network) === minute) this.#minutes.delete(network)
    }
  }

  /** Number of cached entries. */
  size(): { addresses: number; credentials: number } {
    return { addresses: this.#minutes.size, credentials: this.#good.size }
  }

  /**
   * As many look-ups may be in flight as may still fail; otherwise a thousand simultaneous guesses would all be looked up before
   * the first has failed. Undefined if no slot is needed because this credential has failed already: it is looked up again,
   * because it may have been created since.
   */
  async #acquireSlot(network: string, digest: string): Promise<Minute | undefined> {
    for (;;) {
      const minute = this.#minuteOf(network)
      const left = this.#options.failuresPerMinute - minute.wrong.size
      if (left <= 0) throw new Braked(Math.max(1, Math.ceil((minute.endsMs - this.#options.now()) / 1_000)))
      if (minute.wrong.has(digest)) return undefined
      if (minute.inFlight < left) {
        minute.inFlight += 1
        return minute
      }
      await new Promise<void>((resume) => minute.waiting.push(resume))
    }
  }

  #recordOutcome<T>({ network, digest }: { network: string; digest: string }, proven: T | undefined): T | undefined {
    this.#good.delete(digest)
    if (proven === undefined) this.#countFailure(network, digest)
    else this.#good.set(digest, true)
    return proven
  }

  #minuteOf(network: string): Minute {
    const nowMs = this.#options.now()
    const known = this.#minutes.get(network)
    if (known !== undefined && known.endsMs > nowMs) return known
    if (known === undefined && this.#minutes.size >= ADDRESSES_MAX) this.#evict(nowMs)
    const minute: Minute = { endsMs: nowMs + MINUTE_MS, wrong: new Set(), inFlight: 0, waiting: [] }
    this.#minutes.delete(network)
    this.#minutes.set(network, minute)
    return minute
  }

  /** Entries whose minute is over come first. If there are none, the oldest is dropped: a caller with that many addresses cannot be slowed down this way. */
  #evict(nowMs: number): void {
    for (const [network, { endsMs }] of this.#minutes) {
      if (endsMs > nowMs && this.#minutes.size < ADDRESSES_MAX) return
      this.#minutes.delete(network)
    }
  }

  #countFailure(network: string, digest: string): void {
    const { wrong } = this.#minuteOf(network)
    const { failuresPerMinute, logger } = this.#options
    if (wrong.has(digest) || wrong.size >= failuresPerMinute) return
    wrong.add(digest)
    if (wrong.size === failuresPerMinute)
      logger.warn(
        { address: network },
        'an address sent too many wrong credentials; unknown ones from there are rejected until the minute is over. If it is a proxy, add it to TRUSTED_PROXIES',
      )
  }
}

interface Minute {
  readonly endsMs: number
  /** Digests of the wrong credentials of this minute. */
  readonly wrong: Set<string>
  inFlight: number
  readonly waiting: (() => void)[]
}

const MINUTE_MS = 60_000
const GOOD_FOR_MS = 3_600_000
const GOOD_MAX = 10_000
const ADDRESSES_MAX = 10_000
