import { generateKeyPair } from 'node:crypto'
import { promisify } from 'node:util'
import { MS_PER_DAY } from '../../metering/timestamp.ts'
import { type Actor, SERVICE } from '../audit-log.ts'
import type { Change, RegistryStore } from '../changes.ts'
import { nextKid, signsFrom } from './key-states.ts'
import type { RecentSigningKeys } from './recent-signing-keys.ts'
import { type MasterKeys, seal } from './sealing.ts'
import { PublicJwk, privateKeyPurpose, readSigningKeys, type SigningKey, writeSigningKeys } from './signing-keys.ts'

/** What a function needs that makes signing keys. */
export interface SigningKeyStore extends RegistryStore {
  readonly masterKeys: MasterKeys
  readonly signingKeys: RecentSigningKeys
  /** ms since 1970. */
  readonly now: () => number
}

/**
 * Makes a key. It is published at once and signs after PUBLISH_LEAD; with `withdraw` it signs at once, and all others are
 * withdrawn with every token they have signed. Throws StoreError.
 */
export async function rotateSigningKey(registry: SigningKeyStore, actor: Actor, { withdraw }: { withdraw: boolean }): Promise<SigningKey> {
  const pair = await newPair()
  const key = await registry.changes.run(actor, async (change) => {
    const keys = await readSigningKeys(registry.clickhouse)
    return keys.find(isOf(pair)) ?? writeNewKey(registry, change, { keys, pair, withdraw })
  })
  registry.signingKeys.forget()
  return key
}

/**
 * Makes the first key, and another when the youngest is older than `days`; 0 is never. However many processes ask at once,
 * one is made. Undefined when there was nothing to do. Throws StoreError.
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
  registry.signingKeys.forget()
  return key
}

/** Of 2048 bits, as RS256 wants at least (RFC 7518, 3.3). Made before the change: a change that is run again finds its key by it. */
interface Pair {
  readonly publicJwk: PublicJwk
  readonly privateKey: Buffer
}

async function newPair(): Promise<Pair> {
  const { publicKey, privateKey } = await generate('rsa', { modulusLength: MODULUS_BITS })
  return { publicJwk: PublicJwk.parse(publicKey.export({ format: 'jwk' })), privateKey: privateKey.export({ format: 'der', type: 'pkcs8' }) }
}

const generate = promisify(generateKeyPair)
const MODULUS_BITS = 2048

interface NewKey {
  readonly keys: readonly SigningKey[]
  readonly pair: Pair
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

function isOf({ publicJwk }: Pair): (key: SigningKey) => boolean {
  return (key) => key.publicJwk.n === publicJwk.n
}
