import { createHmac, type KeyObject, sign } from 'node:crypto'

/** The parts of a JWT. Any member may be present or missing. */
export interface TokenParts {
  readonly header: Record<string, unknown>
  readonly claims: Record<string, unknown>
}

/** Builds a JWT by hand, including ones that no library would build. */
export function craftToken({ header, claims }: TokenParts, signed: (input: string) => Buffer): string {
  const input = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  return `${input}.${signed(input).toString('base64url')}`
}

export const rs256 = (key: KeyObject) => (input: string) => sign('sha256', Buffer.from(input), key)
export const hs256 = (secret: string | Buffer) => (input: string) => createHmac('sha256', secret).update(input).digest()
export const unsigned = () => Buffer.alloc(0)

/** Decodes a token without verifying it. */
export function partsOf(token: string): TokenParts {
  const [header, claims] = token.split('.').map((part) => Buffer.from(part, 'base64url').toString('utf8'))
  return { header: JSON.parse(header ?? ''), claims: JSON.parse(claims ?? '') }
}
