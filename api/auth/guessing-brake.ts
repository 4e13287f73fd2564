import type { Logger } from '../../metering/logger.ts'
import { ApiError } from '../errors/errors.ts'
import { networkOf } from './network-of.ts'
import { type Credential, digestOf, ProvenCredentials } from './proven-credentials.ts'

export interface BrakeOptions {
  /** Different wrong credentials from one address per minute; 0 disables the brake. */
  readonly failuresPerMinute: number
  /** ms since 1970. */
  readonly now: () => number
  readonly logger: Logger
  readonly proven?: ProvenCredentials
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
  readonly #proven: ProvenCredentials

  constructor(options: BrakeOptions) {
    this.#options = options
    this.#proven = options.proven ?? new ProvenCredentials(options.now)
  }

  /** The result of `prove`; undefined is a wrong credential. `credential` identifies what is proven, and with what. Throws Braked. */
  async guard<T>(address: string, credential: Credential, prove: () => Promise<T | undefined>): Promise<T | undefined> {
    const network = networkOf(address)
    const mayPass = this.#options.failuresPerMinute === 0 || this.#proven.has(credential)
    const minute = mayPass ? undefined : await this.#acquireSlot(network, digestOf(credential))
    if (minute === undefined) return this.#recordOutcome({ network, credential }, await prove())
    try {
      return this.#recordOutcome({ network, credential }, await prove())
    } finally {
      minute.inFlight -= 1
      for (const resume of minute.waiting.splice(0)) resume()
      if (minute.wrong.size === 0 && minute.inFlight === 0 && this.#minutes.get(network) === minute) this.#minutes.delete(network)
    }
  }

  /** Number of cached entries. */
  size(): { addresses: number; credentials: number } {
    return { addresses: this.#minutes.size, credentials: this.#proven.size }
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

  #recordOutcome<T>({ network, credential }: { network: string; credential: Credential }, proven: T | undefined): T | undefined {
    this.#proven.note(credential, proven !== undefined)
    if (proven === undefined) this.#countFailure(network, digestOf(credential))
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
    const { failuresPerMinute, logger } = this.#options
    if (failuresPerMinute === 0) return
    const { wrong } = this.#minuteOf(network)
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
const ADDRESSES_MAX = 10_000
