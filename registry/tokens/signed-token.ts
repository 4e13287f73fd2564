import { randomUUID } from 'node:crypto'
import { errors, type JWTHeaderParameters, type JWTPayload, jwtVerify, SignJWT } from 'jose'
import { CLOCK_LEEWAY_SECONDS } from '../keys/key-states.ts'
import type { RecentSigningKeys } from '../keys/recent-signing-keys.ts'

/** The kinds of tokens, by the `typ` of their header: neither passes as the other (RFC 8725, 3.11). */
export type TokenType = 'JWT' | 'admin+jwt'

/** What a function needs that makes or checks tokens. */
export interface TokenIssuer {
  readonly signingKeys: RecentSigningKeys
  /** Where the service is reached from outside: the issuer of its tokens. */
  readonly publicUrl: string
  /** ms since 1970. */
  readonly now: () => number
}

export interface TokenRequest {
  readonly typ: TokenType
  readonly audience: string
  readonly subject: string
  readonly lifetimeSeconds: number
  /** Default: a new one. */
  readonly id?: string
  /** Claims of this kind alone. */
  readonly more?: JWTPayload
}

/** A JWT of our newest key that signs. Throws StoreError. */
export async function signToken({ signingKeys, publicUrl, now }: TokenIssuer, asked: TokenRequest): Promise<{ token: string; expiresMs: number }> {
  const { kid, privateKey } = await signingKeys.signing()
  const issuedAt = Math.floor(now() / 1000)
  const expires = issuedAt + asked.lifetimeSeconds
  const token = await new SignJWT({ ...asked.more })
    .setProtectedHeader({ alg: ALGORITHM, typ: asked.typ, kid })
    .setIssuer(publicUrl)
    .setAudience(asked.audience)
    .setSubject(asked.subject)
    .setIssuedAt(issuedAt)
    .setNotBefore(issuedAt)
    .setExpirationTime(expires)
    .setJti(asked.id ?? randomUUID())
    .sign(privateKey)
  return { token, expiresMs: expires * 1000 }
}

export interface ExpectedToken {
  readonly typ: TokenType
  /** Whom it must be for and about; undefined: the caller compares it with what only then may be looked up. */
  readonly audience: string | undefined
  readonly subject: string | undefined
  /** The longest that tokens of this kind live: so long after it signed no more, their key is of use. */
  readonly lifetimeSecondsMax: number
}

/**
 * The claims of a token that one of our keys has signed, or undefined, whatever is wrong with it. A header with any other
 * member than ours is not ours: keys that it brings or points to (jwk, x5c, jku, x5u) are never looked at. Throws StoreError.
 */
export async function verifyToken({ signingKeys, publicUrl, now }: TokenIssuer, token: string, expected: ExpectedToken): Promise<JWTPayload | undefined> {
  const keyOf = async (header: JWTHeaderParameters) => {
    const key = isOurs(header, expected.typ) ? await signingKeys.verifying(header.kid, expected.lifetimeSecondsMax) : undefined
    if (key === undefined) throw new errors.JWKSNoMatchingKey()
    return key
  }
  try {
    const { payload } = await jwtVerify(token, keyOf, {
      algorithms: [ALGORITHM],
      issuer: publicUrl,
      ...(expected.audience === undefined ? {} : { audience: expected.audience }),
      ...(expected.subject === undefined ? {} : { subject: expected.subject }),
      requiredClaims: ['aud', 'sub', 'iat', 'nbf', 'exp', 'jti'],
      clockTolerance: CLOCK_LEEWAY_SECONDS,
      currentDate: new Date(now()),
    })
    return payload
  } catch (thrown) {
    if (thrown instanceof errors.JOSEError) return undefined
    throw thrown
  }
}

const ALGORITHM = 'RS256'
const HEADER_MEMBERS = ['alg', 'kid', 'typ']

function isOurs(header: JWTHeaderParameters, typ: TokenType): header is JWTHeaderParameters & { kid: string } {
  const members = Object.keys(header).sort()
  return members.join() === HEADER_MEMBERS.join() && header.typ === typ && typeof header.kid === 'string'
}
