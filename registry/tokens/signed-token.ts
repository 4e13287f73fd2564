import { randomUUID } from 'node:crypto'
import { errors, type JWTHeaderParameters, type JWTPayload, jwtVerify, SignJWT } from 'jose'
import type { CachedSigningKeys } from '../keys/cached-signing-keys.ts'
import { CLOCK_LEEWAY_SECONDS } from '../keys/key-states.ts'

/** The kinds of tokens, by the `typ` of their header, so that none is accepted as another (RFC 8725, 3.11). */
export type TokenType = 'JWT' | 'admin+jwt' | 'partner+jwt'

/** What a function needs that creates or verifies tokens. */
export interface TokenIssuer {
  readonly signingKeys: CachedSigningKeys
  /** The URL under which the service is reached from outside: the issuer of its tokens. */
  readonly publicUrl: string
  /** In ms since 1970. */
  readonly now: () => number
}

export interface TokenRequest {
  readonly typ: TokenType
  readonly audience: string
  readonly subject: string
  readonly lifetimeSeconds: number
  /** Default: a new id. */
  readonly id?: string
  /** Claims that only this kind of token has. */
  readonly claims?: JWTPayload
}

/** Signs a JWT with the current signing key. Throws StoreError. */
export async function signToken({ signingKeys, publicUrl, now }: TokenIssuer, request: TokenRequest): Promise<{ token: string; expiresMs: number }> {
  const { kid, privateKey } = await signingKeys.currentKey()
  const issuedAt = Math.floor(now() / 1000)
  const expires = issuedAt + request.lifetimeSeconds
  const token = await new SignJWT({ ...request.claims })
    .setProtectedHeader({ alg: ALGORITHM, typ: request.typ, kid })
    .setIssuer(publicUrl)
    .setAudience(request.audience)
    .setSubject(request.subject)
    .setIssuedAt(issuedAt)
    .setNotBefore(issuedAt)
    .setExpirationTime(expires)
    .setJti(request.id ?? randomUUID())
    .sign(privateKey)
  return { token, expiresMs: expires * 1000 }
}

export interface ExpectedToken {
  readonly typ: TokenType
  /** The required audience and subject. Undefined: the caller compares them, with data that may be looked up only for a valid token. */
  readonly audience: string | undefined
  readonly subject: string | undefined
  /** The longest lifetime of tokens of this kind: their key verifies for this long after it has stopped signing. */
  readonly lifetimeSecondsMax: number
}

/**
 * The claims of a token that one of our keys has signed; undefined when it is invalid for any reason. A header with any member
 * that ours do not have is rejected, so keys that a token contains or refers to (jwk, x5c, jku, x5u) are never used. Throws
 * StoreError.
 */
export async function verifyToken({ signingKeys, publicUrl, now }: TokenIssuer, token: string, expected: ExpectedToken): Promise<JWTPayload | undefined> {
  const keyOf = async (header: JWTHeaderParameters) => {
    const key = isOurs(header, expected.typ) ? await signingKeys.verifyingKey(header.kid, expected.lifetimeSecondsMax) : undefined
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
