import { generateKeyPair } from 'node:crypto'
import { promisify } from 'node:util'
import { MS_PER_DAY } from '../../metering/timestamp.ts'
import { type Actor, SERVICE } from '../audit-log.ts'
import type { Change, RegistryStore } from '../changes.ts'
import type { CachedSigningKeys } from './cached-signing-keys.ts'
import { nextKid, signsFrom } from './key-states.ts'
import { type MasterKeys, seal } from './sealing.ts'
import { PublicJwk, privateKeyPurpose, readSigningKeys, type SigningKey, writeSigningKeys } from './signing-keys.ts'

/** What a function needs that creates signing keys. */
export interface SigningKeyStore extends RegistryStore {
  readonly masterKeys: MasterKeys
  readonly signingKeys: CachedSigningKeys
  /** ms since 1970. */
  readonly now: () => number
}

/**
 * Creates a key. It is published immediately and signs after PUBLISH_LEAD_MS. With `withdraw` it signs immediately, and all
 * other keys are withdrawn, which invalidates every token they have signed. Throws StoreError.
 */
export async function rotateSigningKey(registry: SigningKeyStore, actor: Actor, { withdraw }: { withdraw: boolean }): Promise<SigningKey> {
  const pair = await newPair()
  const key = await registry.changes.run(actor, async (change) => {
    const keys = await readSigningKeys(registry.clickhouse)
    return keys.find(isOf(pair)) ?? writeNewKey(registry, change, { keys, pair, withdraw })
  })
  registry.signingKeys.clear()
  return key
}

/**
 * Creates the first key, and another one when the newest is older than `days` (0: never). Concurrent calls of several processes
 * create one key. Undefined when none was due. Throws StoreError.
 */
export async function makeDueSigningKey(registry: SigningKeyStore, days: number): Promise<SigningKey | undefined> {
  if (!isDue(await readSigningKeys(registry.clickhouse), registry.now(), days)) return undefined
  const pair = await newPair()
  const key = await registry.changes.run(SERVICE, async (change) => {
    const keys = await readSigningKeys(registry.clickhouse)
    const landed = keys.find(isOf(pair))
    if (landed !== undefined || !isDue(keys, registry.now(), days)) return landed
    return writeNewKey(registry, change, { keys, pair, withdraw: false })
  })
  registry.signingKeys.clear()
  return key
}

/**
 * 2048 bits, the minimum for RS256 (RFC 7518, 3.3). Created before the change, so that a change that is decided again recognizes
 * its own key.
 */
interface KeyPair {
  readonly publicJwk: PublicJwk
  readonly privateKey: Buffer
}

async function newPair(): Promise<KeyPair> {
  const { publicKey, privateKey } = await generate('rsa', { modulusLength: MODULUS_BITS })
  return { publicJwk: PublicJwk.parse(publicKey.export({ format: 'jwk' })), privateKey: privateKey.export({ format: 'der', type: 'pkcs8' }) }
}

const generate = promisify(generateKeyPair)
const MODULUS_BITS = 2048

interface NewKey {
  readonly keys: readonly SigningKey[]
  readonly pair: KeyPair
  readonly withdraw: boolean
}

async function writeNewKey(registry: SigningKeyStore, change: Change, { keys, pair, withdraw }: NewKey): Promise<SigningKey> {
  const nowMs = registry.now()
  const kid = nextKid(keys, nowMs)
  const withdrawn = withdraw ? keys.filter(({ withdrawnMs }) => withdrawnMs === null) : []
  const key: SigningKey = {
    kid,
    revision: 1,
    publicJwk: pair.publicJwk,
    sealedPrivateKey: seal(registry.masterKeys, pair.privateKey, privateKeyPurpose(kid)),
    createdMs: nowMs,
    signsFromMs: withdraw ? nowMs : signsFrom(keys, nowMs),
    withdrawnMs: null,
  }
  const details = withdraw ? { withdrawn: withdrawn.map((each) => each.kid) } : {}
  await change.note({ action: 'signing-key.create', subject: kid, details: { signs_from_ms: key.signsFromMs, ...details } })
  await writeSigningKeys(change, [key, ...withdrawn.map((each) => ({ ...each, revision: each.revision + 1, withdrawnMs: nowMs }))])
  return key
}

function isDue(keys: readonly SigningKey[], nowMs: number, days: number): boolean {
  const living = keys.filter(({ withdrawnMs }) => withdrawnMs === null)
  if (living.length === 0) return true
  return days > 0 && Math.max(...living.map(({ createdMs }) => createdMs)) + days * MS_PER_DAY <= nowMs
}

function isOf({ publicJwk }: KeyPair): (key: SigningKey) => boolean {
  return (key) => key.publicJwk.n === publicJwk.n
}
