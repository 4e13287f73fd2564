import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'

/** 32 bytes that seal everything secret at rest. */
export type MasterKey = Buffer & { readonly __brand: 'MasterKey' }

export const MASTER_KEY_BYTES = 32

export function masterKeyFrom(base64: string): MasterKey | undefined {
  const key = Buffer.from(base64, 'base64')
  return key.length === MASTER_KEY_BYTES ? (key as MasterKey) : undefined
}

/** AES-256-GCM. `purpose` is bound to the text: what was sealed for one place cannot be opened at another. */
export function seal(key: MasterKey, plain: Buffer, purpose: string): string {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv(ALGORITHM, key, nonce).setAAD(Buffer.from(purpose, 'utf8'))
  const sealed = Buffer.concat([cipher.update(plain), cipher.final()])
  return `${VERSION}.${Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64url')}`
}

/** Throws SealBroken when the key is another one, or the text was changed or moved. */
export function unseal(key: MasterKey, text: string, purpose: string): Buffer {
  const [version, body] = text.split('.')
  if (version !== VERSION || body === undefined) throw new SealBroken()
  const bytes = Buffer.from(body, 'base64url')
  try {
    const decipher = createDecipheriv(ALGORITHM, key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
    decipher.setAAD(Buffer.from(purpose, 'utf8')).setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
    return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()])
  } catch {
    throw new SealBroken()
  }
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
const VERSION = 'v1'
