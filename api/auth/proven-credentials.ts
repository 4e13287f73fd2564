import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'

/** Identifies what is proven, and with what: its kind first (api/auth/sent-credential.ts). */
export type Credential = readonly string[]

/**
 * The credentials that were valid within the last hour, as digests. Nothing that is merely sent gets in, so invented credentials
 * push none out. Codes of projects and tokens of partners share a set of their own: a partner can make thousands of them.
 */
export class ProvenCredentials {
  readonly #lasting: LRUCache<string, true>
  readonly #codes: LRUCache<string, true>

  constructor(now: () => number) {
    // The library keeps an entry through the last millisecond of its ttl.
    const options = { max: PROVEN_MAX, ttl: PROVEN_FOR_MS - 1, ttlResolution: 0, perf: { now } }
    this.#lasting = new LRUCache(options)
    this.#codes = new LRUCache(options)
  }

  has(credential: Credential): boolean {
    return this.#setOf(credential).has(digestOf(credential))
  }

  note(credential: Credential, isValid: boolean): void {
    const set = this.#setOf(credential)
    if (isValid) set.set(digestOf(credential), true)
    else set.delete(digestOf(credential))
  }

  /** Number of credentials that are not codes. */
  get size(): number {
    return this.#lasting.size
  }

  #setOf([kind]: Credential): LRUCache<string, true> {
    return kind === 'code' ? this.#codes : this.#lasting
  }
}

export function digestOf(credential: Credential): string {
  return createHash('sha256').update(JSON.stringify(credential)).digest('base64')
}

const PROVEN_FOR_MS = 3_600_000
const PROVEN_MAX = 10_000
