import { createHash, createHmac, randomBytes } from 'node:crypto'

/** The kinds of credentials, by the prefix that a leak scanner finds them by. */
const PREFIXES = { partnerSecret: 'mls', ingestKey: 'mli', projectKey: 'mlk' } as const

/** A new credential: prefix, 32 random bytes, and a checksum so that a mistyped one is told without a look-up. */
export function newCredential(kind: keyof typeof PREFIXES): string {
  const body = `${PREFIXES[kind]}_${randomBytes(32).toString('base64url')}`
  return `${body}_${checksum(body)}`
}

/** What is stored of a credential: HMAC-SHA-256 under the pepper, so that a stolen table can be tried against nothing. */
export function hashCredential(pepper: Buffer, credential: string): string {
  return createHmac('sha256', pepper).update(credential).digest('hex')
}

/** Its kind, and enough of it to tell it from others in a list. */
export function prefixOf(credential: string): string {
  return credential.slice(0, PREFIX_CHARACTERS)
}

export function lastFour(credential: string): string {
  return credential.slice(-4)
}

const PREFIX_CHARACTERS = 8

function checksum(body: string): string {
  return createHash('sha256').update(body).digest('hex').slice(0, 6)
}
