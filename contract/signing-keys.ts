import { z } from 'zod'
import { Instant } from './fields.ts'
import { defineOperation } from './operation.ts'
import { NextCursor, PageQuery } from './pages.ts'

/**
 * A `next` key is published and signs later; a `retiring` key is published for the codes that it has signed. `retired` and
 * `withdrawn` keys are not published.
 */
export const KEY_STATES = ['next', 'signing', 'retiring', 'retired', 'withdrawn'] as const
export type KeyState = (typeof KEY_STATES)[number]

const SigningKey = z.object({
  kid: z.string(),
  created_at: Instant,
  signs_from: Instant,
  withdrawn_at: Instant.nullable(),
  state: z.enum(KEY_STATES),
})

export const ROTATE_SIGNING_KEY = defineOperation({
  method: 'POST',
  path: '/admin/v1/signing-keys',
  tag: 'admin',
  summary: 'Rotate the key that signs tokens',
  description:
    'The new key is published immediately and signs ten minutes later; tokens of the old key stay valid until they expire. Use `withdraw` after a key leak: the new key signs immediately, and all other keys are withdrawn, which invalidates every token that they have signed, project codes and admin tokens alike. A host that verifies codes with a cached JWKS may accept old codes for up to five minutes more.',
  body: z.strictObject({ withdraw: z.boolean().default(false) }).nullish(),
  answers: { 201: z.object({ kid: z.string(), signs_from: Instant }) },
  errors: { 400: true, 401: true, 403: true, 413: true, 415: true, 429: true, 500: true, 503: true },
  example: { request: {}, answers: { 201: { kid: 'meterline-key-2026-02-04', signs_from: '2026-02-04T09:50:00Z' } } },
})

export const LIST_SIGNING_KEYS = defineOperation({
  method: 'GET',
  path: '/admin/v1/signing-keys',
  tag: 'admin',
  summary: 'List all signing keys, past and present, oldest first',
  description:
    'Keys that are `next`, `signing` or `retiring` are published; a `retiring` one until the codes that it signed have expired. A `retired` key verifies only the admin tokens that it signed, until they expire. A `withdrawn` key verifies nothing.',
  query: PageQuery,
  answers: { 200: z.object({ signing_keys: z.array(SigningKey), next_cursor: NextCursor }) },
  errors: { 400: true, 401: true, 403: true, 429: true, 500: true, 503: true },
  example: {
    answers: {
      200: {
        signing_keys: [
          { kid: 'meterline-key-2026-02-01', created_at: '2026-02-01T00:00:00Z', signs_from: '2026-02-01T00:20:00Z', withdrawn_at: null, state: 'signing' },
        ],
        next_cursor: null,
      },
    },
  },
})
