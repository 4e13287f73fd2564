import { createPublicKey, type KeyObject } from 'node:crypto'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { mayVerify, PROJECT_TOKEN_SECONDS, signingAmong } from './key-states.ts'
import type { MasterKeys } from './sealing.ts'
import { openPrivateKey, type PublicJwk, readSigningKeys, type SigningKey } from './signing-keys.ts'

interface RecentOptions {
  readonly clickhouse: ClickHouse
  readonly masterKeys: MasterKeys
  /** ms since 1970. */
  readonly now: () => number
}

/** The signing keys as they were stored a moment ago, so that not every token asks the store. */
export class RecentSigningKeys {
  readonly #options: RecentOptions
  #kept: { readonly keys: Promise<SigningKey[]>; readonly readMs: number } | undefined
  #lookedAgainMs = Number.NEGATIVE_INFINITY
  #opened: { readonly sealed: string; readonly key: KeyObject } | undefined

  constructor(options: RecentOptions) {
    this.#options = options
  }

  /** The key that signs now, and its private half. Throws StoreError, and SealBroken when MASTER_KEY is not the one it was sealed with. */
  async signing(): Promise<{ kid: string; privateKey: KeyObject }> {
    const key = signingAmong(await this.#keys(), this.#options.now())
    if (key === undefined) throw new Error('There is no key to sign with: each process of the api makes one when it starts, unless there is one.')
    if (this.#opened?.sealed !== key.sealedPrivateKey) this.#opened = { sealed: key.sealedPrivateKey, key: openPrivateKey(this.#options, key) }
    return { kid: key.kid, privateKey: this.#opened.key }
  }

  /** The public half of a key that may have signed a living token of such a lifetime. Throws StoreError. */
  async verifying(kid: string, lifetimeSeconds: number): Promise<KeyObject | undefined> {
    let keys = await this.#keys()
    // A key that replaces withdrawn ones signs before this process knows it. Made-up kids must not reach the store each time.
    if (!keys.some((key) => key.kid === kid) && this.#mayLookAgain()) {
      this.forget()
      keys = await this.#keys()
    }
    const key = keys.find((each) => each.kid === kid)
    if (key === undefined || !mayVerify(keys, key, { nowMs: this.#options.now(), lifetimeSeconds })) return undefined
    return createPublicKey({ key: key.publicJwk, format: 'jwk' })
  }

  /** What the JWKS shows, and what is not in it verifies no project token. Throws StoreError. */
  async published(): Promise<{ kid: string; publicJwk: PublicJwk }[]> {
    const [keys, nowMs] = [await this.#keys(), this.#options.now()]
    return keys.filter((key) => mayVerify(keys, key, { nowMs, lifetimeSeconds: PROJECT_TOKEN_SECONDS }))
  }

  /** What was changed must not be remembered. */
  forget(): void {
    this.#kept = undefined
  }

  #keys(): Promise<SigningKey[]> {
    const nowMs = this.#options.now()
    if (this.#kept !== undefined && isRecent(this.#kept.readMs, nowMs)) return this.#kept.keys
    const kept = { keys: readSigningKeys(this.#options.clickhouse), readMs: nowMs }
    this.#kept = kept
    kept.keys.catch(() => {
      if (this.#kept === kept) this.#kept = undefined
    })
    return kept.keys
  }

  #mayLookAgain(): boolean {
    const nowMs = this.#options.now()
    if (isRecent(this.#lookedAgainMs, nowMs)) return false
    this.#lookedAgainMs = nowMs
    return true
  }
}

/** A withdrawn key works for at most this long in processes other than the one that withdrew it. */
const KEEP_MS = 1_000

/** A clock that was set back must not keep what is old. */
function isRecent(thenMs: number, nowMs: number): boolean {
  return nowMs >= thenMs && nowMs < thenMs + KEEP_MS
}
