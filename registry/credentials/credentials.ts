import { createHash, createHmac, randomBytes } from 'node:crypto'

/** The kinds of credentials, by the prefix that a leak scanner finds them by. */
const PREFIXES = { partnerSecret: 'mls', ingestKey: 'mli', projectKey: 'mlk' } as const

/** A new credential: prefix, 32 random bytes, and a checksum so that a mistyped one is told without a look-up. */
export function newCredential(kind: keyof typeof PREFIXES): string {
  const body = `${PREFIXES[kind]}_${randomBytes(32).toString('base64url')}`
  return `${body}_${checksum(body)}`
}

/**
 * Whether it can be a credential of this kind: a mistyped one is refused before anything is looked up. It is told from the
 * text alone, so it says the same of every partner.
 */
export function isCredential(kind: keyof typeof PREFIXES, text: string): boolean {
  const match = SHAPE.exec(text)
  return match?.groups !== undefined && match.groups['prefix'] === PREFIXES[kind] && match.groups['checksum'] === checksum(match.groups['body'] ?? '')
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
/** 32 bytes are 43 characters of base64url. */
const SHAPE = /^(?<body>(?<prefix>[a-z]{3})_[A-Za-z0-9_-]{43})_(?<checksum>[0-9a-f]{6})$/

function checksum(body: string): string {
  return createHash('sha256').update(body).digest('hex').slice(0, 6)
}
