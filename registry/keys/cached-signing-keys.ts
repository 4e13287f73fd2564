import { createPublicKey, type KeyObject } from 'node:crypto'
import { PROJECT_TOKEN_SECONDS } from '../../contract/authorization.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { canVerify, currentSigningKey } from './key-states.ts'
import type { MasterKeys } from './sealing.ts'
import { openPrivateKey, type PublicJwk, readSigningKeys, type SigningKey } from './signing-keys.ts'

interface CacheOptions {
  readonly clickhouse: ClickHouse
  readonly masterKeys: MasterKeys
  /** ms since 1970. */
  readonly now: () => number
}

/** The signing keys, cached for a second, so that not every token causes a query. */
export class CachedSigningKeys {
  readonly #options: CacheOptions
  #cached: { readonly keys: Promise<SigningKey[]>; readonly readMs: number } | undefined
  #lastReloadMs = Number.NEGATIVE_INFINITY
  #opened: { readonly sealed: string; readonly key: KeyObject } | undefined

  constructor(options: CacheOptions) {
    this.#options = options
  }

  /** The current signing key with its private key. Throws StoreError, and SealBroken when no master key opens it. */
  async currentKey(): Promise<{ kid: string; privateKey: KeyObject }> {
    const key = currentSigningKey(await this.#keys(), this.#options.now())
    if (key === undefined) throw new Error('There is no signing key, although every process that serves the API creates one at its start.')
    if (this.#opened?.sealed !== key.sealedPrivateKey) this.#opened = { sealed: key.sealedPrivateKey, key: openPrivateKey(this.#options, key) }
    return { kid: key.kid, privateKey: this.#opened.key }
  }

  /** The public key, if it may have signed a token of this lifetime that is still valid. Throws StoreError. */
  async verifyingKey(kid: string, lifetimeSeconds: number): Promise<KeyObject | undefined> {
    let keys = await this.#keys()
    // A key that replaces withdrawn ones signs before this process has read it. Invented kids must not cause a query each time.
    if (!keys.some((key) => key.kid === kid) && this.#mayReload()) {
      this.clear()
      keys = await this.#keys()
    }
    const key = keys.find((each) => each.kid === kid)
    if (key === undefined || !canVerify(keys, key, { nowMs: this.#options.now(), lifetimeSeconds })) return undefined
    return createPublicKey({ key: key.publicJwk, format: 'jwk' })
  }

  /** The keys in the JWKS. No other key verifies a project token. Throws StoreError. */
  async published(): Promise<{ kid: string; publicJwk: PublicJwk }[]> {
    const [keys, nowMs] = [await this.#keys(), this.#options.now()]
    return keys.filter((key) => canVerify(keys, key, { nowMs, lifetimeSeconds: PROJECT_TOKEN_SECONDS }))
  }

  /** Call this after every change of the keys. */
  clear(): void {
    this.#cached = undefined
  }

  #keys(): Promise<SigningKey[]> {
    const nowMs = this.#options.now()
    if (this.#cached !== undefined && isRecent(this.#cached.readMs, nowMs)) return this.#cached.keys
    const cached = { keys: readSigningKeys(this.#options.clickhouse), readMs: nowMs }
    this.#cached = cached
    cached.keys.catch(() => {
      if (this.#cached === cached) this.#cached = undefined
    })
    return cached.keys
  }

  #mayReload(): boolean {
    const nowMs = this.#options.now()
    if (isRecent(this.#lastReloadMs, nowMs)) return false
    this.#lastReloadMs = nowMs
    return true
  }
}

/** A withdrawn key works for at most this long in processes other than the one that withdrew it. */
const CACHE_MS = 1_000

/** False when the clock was set back, so that an old list is not used for longer. */
function isRecent(thenMs: number, nowMs: number): boolean {
  return nowMs >= thenMs && nowMs < thenMs + CACHE_MS
}
