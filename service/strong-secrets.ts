import { z } from 'zod'
import { ADMIN_TOKEN_CHARACTERS_MIN } from '../contract/admin-tokens.ts'
import { MASTER_KEY_BYTES, masterKeyFrom } from '../registry/keys/sealing.ts'

/** Random 32 bytes have 30 different ones, and a random token of 32 hexadecimal digits has 14. */
const DISTINCT_MIN = 8

/** Also validates the key in DATA_DIR. Canonical: Node decodes any text by skipping what is not base64. */
export const MasterKeyText = z
  .string()
  .refine(
    (text) => masterKeyFrom(text)?.toString('base64') === text,
    `must be ${MASTER_KEY_BYTES} bytes in canonical base64; create one with "openssl rand -base64 ${MASTER_KEY_BYTES}"`,
  )
  .refine(
    (text) => new Set(masterKeyFrom(text) ?? RANDOM_ENOUGH).size >= DISTINCT_MIN,
    `has fewer than ${DISTINCT_MIN} different bytes, so it can be guessed; replace it, with this one as MASTER_KEY_PREVIOUS (docs/operating/keys.md)`,
  )

/** A text that is no key at all has its own message. */
const RANDOM_ENOUGH = Array.from({ length: DISTINCT_MIN }, (_, index) => index)

/** Also validates the token in DATA_DIR. It is sent in a header after "Bearer ", so a token with a space could never be used. */
export const AdminToken = z
  .string()
  .min(ADMIN_TOKEN_CHARACTERS_MIN, `must have at least ${ADMIN_TOKEN_CHARACTERS_MIN} characters`)
  .regex(/^[!-~]*$/, 'must consist of printable ASCII characters without spaces')
  .refine(
    (text) => new Set(text).size >= DISTINCT_MIN,
    `has fewer than ${DISTINCT_MIN} different characters, so it can be guessed; create one with "openssl rand -hex 32"`,
  )
