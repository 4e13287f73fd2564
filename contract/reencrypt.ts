import { z } from 'zod'
import { defineOperation } from './operation.ts'

/** Everything that MASTER_KEY encrypts, in alphabetical order. The values of secrets are encrypted with data keys of their own. */
export const SEALED_KINDS = ['pepper', 'project_api_keys', 'secret_data_keys', 'signing_keys', 'webhook_secrets'] as const
export type SealedKind = (typeof SEALED_KINDS)[number]

const Count = z.number().int()

export const REENCRYPT = defineOperation({
  method: 'POST',
  path: '/admin/v1/keys/rewrap',
  tag: 'admin',
  summary: 'Encrypt with MASTER_KEY what MASTER_KEY_PREVIOUS encrypted',
  description:
    'Call it when all processes have both keys. A call works for at most a minute: repeat it while `left` gets smaller. When `left` is 0, remove MASTER_KEY_PREVIOUS. If `left` stays above 0, neither key decrypts the rest. Idempotent.',
  answers: {
    200: z.object({
      rewrapped: z.object(Object.fromEntries(SEALED_KINDS.map((kind) => [kind, Count])) as Record<SealedKind, typeof Count>),
      master_key: z.string().meta({ description: 'Eight digits that identify MASTER_KEY without revealing it: docs/operating/keys.md.' }),
      previous_key: z.string().nullable().meta({ description: 'The same for MASTER_KEY_PREVIOUS; null if it is not set.' }),
      left: Count.meta({ description: 'How many are still encrypted with another key than MASTER_KEY.' }),
    }),
  },
  errors: { 400: true, 401: true, 403: true, 413: true, 415: true, 429: true, 500: true, 503: true },
  example: {
    answers: {
      200: {
        rewrapped: { pepper: 1, project_api_keys: 212, secret_data_keys: 9, signing_keys: 2, webhook_secrets: 4 },
        left: 0,
        master_key: '3f8a11c2',
        previous_key: '9d02b7e4',
      },
    },
  },
})
