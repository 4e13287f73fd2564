import { createHash, createHmac, randomBytes } from 'node:crypto'

/** The kinds of credentials, with the prefixes that secret scanners recognize them by. */
const PREFIXES = { partnerSecret: 'mls', ingestKey: 'mli', projectKey: 'mlk' } as const

/** A new credential: prefix, 32 random bytes, and a checksum that detects a mistyped credential without a look-up. */
export function newCredential(kind: keyof typeof PREFIXES): string {
  const body = `${PREFIXES[kind]}_${randomBytes(32).toString('base64url')}`
  return `${body}_${checksum(body)}`
}

/**
 * Whether the text has the form of a credential of this kind, so that a mistyped one is rejected without a look-up. Depends on
 * the text alone, so the result reveals nothing about which partners exist.
 */
export function isCredential(kind: keyof typeof PREFIXES, text: string): boolean {
  const match = SHAPE.exec(text)
  return match?.groups !== undefined && match.groups['prefix'] === PREFIXES[kind] && match.groups['checksum'] === checksum(match.groups['body'] ?? '')
}

/** What is stored of a credential: HMAC-SHA-256 under the pepper, so that guesses cannot be tested against a stolen table. */
export function hashCredential(pepper: Buffer, credential: string): string {
  return createHmac('sha256', pepper).update(credential).digest('hex')
}

/** The kind, and enough characters to distinguish credentials in a list. */
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
