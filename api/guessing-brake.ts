import { createHash } from 'node:crypto'
import { isIPv6 } from 'node:net'
import type { Logger } from '../metering/logger.ts'
import { ApiError } from './errors.ts'

export interface BrakeOptions {
  /** Wrong credentials from one address; 0 is no brake. */
  readonly failuresPerMinute: number
  /** ms since 1970. */
  readonly now: () => number
  readonly log: Logger
}

/** Too many guesses came from this address. The answer is the same whatever is guessed at. */
export class Braked extends ApiError {
  readonly retryAfterSeconds: number

  constructor(retryAfterSeconds: number) {
    super('GUESSING_BRAKE')
    this.retryAfterSeconds = retryAfterSeconds
  }
}

/**
 * A brake on guessing credentials. An address has so many wrong ones a minute; after that what is not known to be good is not
 * even looked up until the minute is over. What has been good of late passes: behind the same proxy others go on working.
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
    const minute = await this.#takeTurn(network)
    try {
      return this.#judge({ network, digest }, await prove())
    } finally {
      minute.underWay -= 1
      for (const goOn of minute.waiting.splice(0)) goOn()
      if (minute.failures === 0 && minute.underWay === 0 && this.#minutes.get(network) === minute) this.#minutes.delete(network)
    }
  }

  /** What is remembered. */
  size(): { addresses: number; credentials: number } {
    return { addresses: this.#minutes.size, credentials: this.#good.size }
  }

  /** As many may be under way as may still fail: else a thousand guesses at once would all be looked up before the first has failed. */
  async #takeTurn(network: string): Promise<Minute> {
    for (;;) {
      const minute = this.#minuteOf(network)
      const left = this.#options.failuresPerMinute - minute.failures
      if (left <= 0) throw new Braked(Math.max(1, Math.ceil((minute.endsMs - this.#options.now()) / 1_000)))
      if (minute.underWay < left) {
        minute.underWay += 1
        return minute
      }
      await new Promise<void>((goOn) => minute.waiting.push(goOn))
    }
  }

  #judge<T>({ network, digest }: { network: string; digest: string }, proven: T | undefined): T | undefined {
    this.#good.delete(digest)
    if (proven === undefined) this.#countFailure(network)
    else this.#remember(digest)
    return proven
  }

  #minuteOf(network: string): Minute {
    const nowMs = this.#options.now()
    const known = this.#minutes.get(network)
    if (known !== undefined && known.endsMs > nowMs) return known
    if (known === undefined && this.#minutes.size >= ADDRESSES_MAX) this.#forgetSome(nowMs)
    const minute: Minute = { endsMs: nowMs + MINUTE_MS, failures: 0, underWay: 0, waiting: [] }
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

  #countFailure(network: string): void {
    const minute = this.#minuteOf(network)
    minute.failures += 1
    if (minute.failures === this.#options.failuresPerMinute)
      this.#options.log.warn({ address: network }, 'an address sent too many wrong credentials and is braked until the minute is over')
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
  failures: number
  underWay: number
  readonly waiting: (() => void)[]
}

const MINUTE_MS = 60_000
const GOOD_FOR_MS = 3_600_000
const GOOD_MAX = 10_000
const ADDRESSES_MAX = 10_000

/** Whoever has one address of IPv6 has the 2^64 beside it. */
function networkOf(address: string): string {
  const mapped = /^::ffff:([\d.]+)$/i.exec(address)?.[1]
  if (mapped !== undefined || !isIPv6(address)) return mapped ?? address
  const [left = [], right = []] = address.split('::').map((part) => (part === '' ? [] : part.split(':')))
  const zeros = Array.from({ length: Math.max(0, GROUPS - left.length - right.length) }, () => '0')
  return [...left, ...zeros, ...right]
    .slice(0, GROUPS / 2)
    .map((group) => group.replace(/^0+(?=.)/, '').toLowerCase())
    .join(':')
}

const GROUPS = 8
