import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'

/** 32 bytes that seal all secrets at rest. */
export type MasterKey = Buffer & { readonly __brand: 'MasterKey' }

/** `current` seals and opens; `previous` only opens, while it is being replaced. */
export interface MasterKeys {
  readonly current: MasterKey
  readonly previous: MasterKey | undefined
}

export const MASTER_KEY_BYTES = 32

export function masterKeyFrom(base64: string): MasterKey | undefined {
  const key = Buffer.from(base64, 'base64')
  return key.length === MASTER_KEY_BYTES ? (key as MasterKey) : undefined
}

/** A key for a single value, of the same form as a master key. */
export function newDataKey(): MasterKey {
  return randomBytes(MASTER_KEY_BYTES) as MasterKey
}

/** AES-256-GCM. `purpose` is authenticated with the text: a text that was sealed for one place does not open at another. */
export function seal({ current }: Pick<MasterKeys, 'current'>, plain: Buffer, purpose: string): string {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv(ALGORITHM, current, nonce).setAAD(Buffer.from(purpose, 'utf8'))
  const sealed = Buffer.concat([cipher.update(plain), cipher.final()])
  return `${sealPrefixOf({ current })}${Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64url')}`
}

/** Throws SealBroken when neither key has sealed the text, or it was changed or moved to another place. */
export function unseal({ current, previous }: MasterKeys, text: string, purpose: string): Buffer {
  const { keyName, bytes } = partsOf(text)
  const keys = [current, ...(previous === undefined ? [] : [previous])]
  for (const key of keys) {
    if (keyName !== undefined && keyName !== keyNameOf(key)) continue
    const plain = open(key, bytes, purpose)
    if (plain !== undefined) return plain
  }
  throw new SealBroken()
}

/** The beginning of every text that this key has sealed: such a text opens without the previous key. */
export function sealPrefixOf({ current }: Pick<MasterKeys, 'current'>): string {
  return `${VERSION}.${keyNameOf(current)}.`
}

export class SealBroken extends Error {
  constructor() {
    super('The sealed text cannot be opened with this MASTER_KEY.')
    this.name = 'SealBroken'
  }
}

const ALGORITHM = 'aes-256-gcm'
const NONCE_BYTES = 12
const TAG_BYTES = 16
/** Texts of v1 do not name their key. */
const VERSION = 'v2'
const UNNAMED_VERSION = 'v1'

function partsOf(text: string): { keyName: string | undefined; bytes: Buffer } {
  const [version, ...rest] = text.split('.')
  const body = rest.at(-1)
  if (body === undefined || rest.length !== (version === VERSION ? 2 : 1) || (version !== VERSION && version !== UNNAMED_VERSION)) throw new SealBroken()
  return { keyName: version === VERSION ? rest[0] : undefined, bytes: Buffer.from(body, 'base64url') }
}

function open(key: MasterKey, bytes: Buffer, purpose: string): Buffer | undefined {
  try {
    const decipher = createDecipheriv(ALGORITHM, key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
    decipher.setAAD(Buffer.from(purpose, 'utf8')).setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
    return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()])
  } catch {
    return undefined
  }
}

/** Distinguishes keys and reveals nothing else about them. */
export function keyNameOf(key: MasterKey): string {
  return createHash('sha256').update('meterline master key').update(key).digest('hex').slice(0, 8)
}
