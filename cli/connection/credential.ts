import { z } from 'zod'
import { ADMIN_TOKEN_CHARACTERS_MIN } from '../../contract/admin-tokens.ts'
import { CliError, EXIT } from '../errors.ts'

/** Whose credential it is. `project` is the ten-minute code of one project. */
export type CredentialKind = 'admin' | 'partner' | 'emitter' | 'project'

export const ALL_KINDS: readonly CredentialKind[] = ['admin', 'partner', 'emitter', 'project']

export interface Credential {
  readonly kind: CredentialKind
  readonly secret: string
  /** Of an admin token that is no JWT: whether the service could have such a one. Such a text may be anything. */
  readonly isPossible?: boolean
  /** Of an admin JWT. */
  readonly role?: string | undefined
  /** Of a JWT, ms since 1970. */
  readonly expiresMs?: number | undefined
}

/** How a secret of each kind can be distinguished from others. */
export const MARKS: Readonly<Record<CredentialKind, string>> = {
  admin: `an admin token has ${ADMIN_TOKEN_CHARACTERS_MIN} characters or more, or is a JWT of "meterline token create"`,
  partner: 'a partner secret begins with "mls_"',
  emitter: 'an ingest key begins with "mli_"',
  project: "a project's ten-minute code is a JWT",
}

export const KIND_NAMES: Readonly<Record<CredentialKind, string>> = {
  admin: 'an admin token',
  partner: 'a partner secret',
  emitter: 'an ingest key',
  project: "a project's ten-minute code",
}

/** Recognizes the kind by the prefix or the claims; whether the credential is valid, only the service knows. Throws CliError. */
export function credentialOf(secret: string, source: string): Credential {
  if (!/^[!-~]+$/.test(secret)) throw new CliError(`${source} contains spaces or characters that no credential has.`, EXIT.notAuthenticated)
  if (secret.startsWith('mls_')) return { kind: 'partner', secret }
  if (secret.startsWith('mli_')) return { kind: 'emitter', secret }
  if (secret.startsWith('mlk_'))
    throw new CliError(
      `${source} is the api_key of a project, which opens the project and not Meterline. Use the partner's secret (it begins with "mls_").`,
      EXIT.notAuthenticated,
    )
  const claims = claimsOf(secret)
  if (claims === undefined) return { kind: 'admin', secret, isPossible: secret.length >= ADMIN_TOKEN_CHARACTERS_MIN }
  if (claims.partner === undefined && claims.sub.startsWith('ps_'))
    throw new CliError(
      `${source} is a partner's token for pages, which this program does not use. Use the partner's secret (it begins with "mls_").`,
      EXIT.notAuthenticated,
    )
  const expiresMs = claims.exp * 1_000
  return claims.partner === undefined ? { kind: 'admin', secret, role: claims.sub, expiresMs } : { kind: 'project', secret, expiresMs }
}

const Claims = z.object({ sub: z.string(), exp: z.number(), partner: z.string().optional() })

/** Of a JWT, read without checking its signature. Undefined if it is none. */
function claimsOf(secret: string): z.output<typeof Claims> | undefined {
  const [, payload, signature, more] = secret.split('.')
  if (payload === undefined || signature === undefined || more !== undefined) return undefined
  try {
    return Claims.parse(JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')))
  } catch {
    return undefined
  }
}
