import { createHash } from 'node:crypto'
import type { Logger } from '../../metering/logger.ts'
import { ApiError } from '../errors/errors.ts'
import { networkOf } from './network-of.ts'

export interface BrakeOptions {
  /** Wrong credentials, each counted once, from one address; 0 is no brake. */
  readonly failuresPerMinute: number
  /** ms since 1970. */
  readonly now: () => number
  readonly logger: Logger
}

/** Too many guesses came from this address. The answer is the same whatever is guessed at. */
export class Braked extends ApiError {
  override readonly retryAfterSeconds: number

  constructor(retryAfterSeconds: number) {
    super('GUESSING_BRAKE')
    this.retryAfterSeconds = retryAfterSeconds
  }
}

/**
 * A brake on guessing credentials. An address has so many wrong ones a minute; after that what is not known to be good is not
 * even looked up until the minute is over. What has been good of late passes: behind the same proxy others go on working. The
 * same wrong one again is no new guess: an emitter that goes on with a revoked key holds up nobody.
 */
export class GuessingBrake {
  readonly #options: BrakeOptions
  readonly #minutes = new Map<string, Minute>()
  /** Digests of credentials, with the time of their last success, the latest last. */
  readonly #good = new Map<string, number>()

  constructor(options: BrakeOptions) {
    this.#options = options
  }

  /** What `prove` finds; undefined is a wrong credential. `credential` names what is proven, and by what. Throws Braked. */
  async guard<T>(address: string, credential: readonly string[], prove: () => Promise<T | undefined>): Promise<T | undefined> {
    if (this.#options.failuresPerMinute === 0) return prove()
    const digest = createHash('sha256').update(JSON.stringify(credential)).digest('base64')
    const network = networkOf(address)
    if (this.#isGood(digest)) return this.#judge({ network, digest }, await prove())
    const minute = await this.#takeTurn(network, digest)
    if (minute === undefined) return this.#judge({ network, digest }, await prove())
    try {
      return this.#judge({ network, digest }, await prove())
    } finally {
      minute.underWay -= 1
      for (const goOn of minute.waiting.splice(0)) goOn()
      if (minute.wrong.size === 0 && minute.underWay === 0 && this.#minutes.get(network) === minute) this.#minutes.delete(network)
    }
  }

  /** What is remembered. */
  size(): { addresses: number; credentials: number } {
    return { addresses: this.#minutes.size, credentials: this.#good.size }
  }

  /**
   * As many may be under way as may still fail: else a thousand guesses at once would all be looked up before the first has
   * failed. Undefined: no turn is needed, because this one failed already. It is looked up again, for it may have been made since.
   */
  async #takeTurn(network: string, digest: string): Promise<Minute | undefined> {
    for (;;) {
      const minute = this.#minuteOf(network)
      const left = this.#options.failuresPerMinute - minute.wrong.size
      if (left <= 0) throw new Braked(Math.max(1, Math.ceil((minute.endsMs - this.#options.now()) / 1_000)))
      if (minute.wrong.has(digest)) return undefined
      if (minute.underWay < left) {
        minute.underWay += 1
        return minute
      }
      await new Promise<void>((goOn) => minute.waiting.push(goOn))
    }
  }

  #judge<T>({ network, digest }: { network: string; digest: string }, proven: T | undefined): T | undefined {
    this.#good.delete(digest)
    if (proven === undefined) this.#countFailure(network, digest)
    else this.#remember(digest)
    return proven
  }

  #minuteOf(network: string): Minute {
    const nowMs = this.#options.now()
    const known = this.#minutes.get(network)
    if (known !== undefined && known.endsMs > nowMs) return known
    if (known === undefined && this.#minutes.size >= ADDRESSES_MAX) this.#forgetSome(nowMs)
    const minute: Minute = { endsMs: nowMs + MINUTE_MS, wrong: new Set(), underWay: 0, waiting: [] }
    this.#minutes.delete(network)
    this.#minutes.set(network, minute)
    return minute
  }

  /** Those whose minute is over stand first. If there are none the oldest goes: whoever has that many addresses is not held up by this. */
  #forgetSome(nowMs: number): void {
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
      logger.warn({ address: network }, 'an address sent too many wrong credentials and is braked until the minute is over; a proxy belongs in TRUSTED_PROXIES')
  }

  #isGood(digest: string): boolean {
    const lastMs = this.#good.get(digest)
    return lastMs !== undefined && lastMs > this.#options.now() - GOOD_FOR_MS
  }

  #remember(digest: string): void {
    this.#good.set(digest, this.#options.now())
    const [oldest] = this.#good.keys()
    if (this.#good.size > GOOD_MAX && oldest !== undefined) this.#good.delete(oldest)
  }
}

interface Minute {
  readonly endsMs: number
  /** Digests, at most as many as may fail. */
  readonly wrong: Set<string>
  underWay: number
  readonly waiting: (() => void)[]
}

const MINUTE_MS = 60_000
const GOOD_FOR_MS = 3_600_000
const GOOD_MAX = 10_000
const ADDRESSES_MAX = 10_000
