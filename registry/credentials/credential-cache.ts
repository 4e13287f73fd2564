import { LRUCache } from 'lru-cache'

/** A revoked credential works for at most this long in processes other than the one that revoked it. */
const CREDENTIAL_TTL_MS = 1_000
const CREDENTIALS_MAX = 10_000

/**
 * Caches successful look-ups of credentials, so that a busy credential does not cause a query for every request. Failed
 * look-ups are not cached: a wrong secret costs the same query whether or not the partner exists.
 */
export class CredentialCache<T extends NonNullable<unknown>> {
  readonly #entries: LRUCache<string, T>
  #clears = 0

  constructor({ ttlMs = CREDENTIAL_TTL_MS, entriesMax = CREDENTIALS_MAX } = {}) {
    this.#entries = new LRUCache({ ttl: ttlMs, max: entriesMax })
  }

  /**
   * The cached value, else what `lookUp` returns. The `fetchMethod` of lru-cache is not used here: requests that wait for a
   * look-up while the cache is cleared would fail, although nothing may be wrong with their credentials.
   */
  async find(key: string, lookUp: () => Promise<T | undefined>): Promise<T | undefined> {
    const cached = this.#entries.get(key)
    if (cached !== undefined) return cached
    const clears = this.#clears
    const found = await lookUp()
    // A look-up that began before a revocation may have read the credential as it was before. Cached, it would outlive the revocation.
    if (found !== undefined && clears === this.#clears) this.#entries.set(key, found)
    return found
  }

  /** Call this after every revocation: the next request of each credential looks it up again. */
  clear(): void {
    this.#clears += 1
    this.#entries.clear()
  }
}
