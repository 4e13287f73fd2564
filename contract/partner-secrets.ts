import { z } from 'zod'
import { IN_FEBRUARY, PARTNER_SECRET } from './example-values.ts'
import { Instant, PartnerParams, PathId } from './fields.ts'
import { defineOperation } from './operation.ts'

/** Two, so that a partner can replace its secret without a moment in which none works. */
export const VALID_SECRETS_MAX = 2

export const OVERLAP_SECONDS_DEFAULT = 86_400
const OVERLAP_SECONDS_MAX = 30 * 86_400

/** The metadata of a secret, without the secret and without its hash. */
export const PartnerSecret = z.object({
  id: z.string(),
  prefix: z.string(),
  last_four: z.string(),
  created_at: Instant,
  expires_at: Instant.nullable(),
  revoked_at: Instant.nullable(),
  last_used_at: Instant.nullable(),
})

export const SECRET_ID = '3c9d6f0a-58f2-4d2b-8a26-1f1b1c7a9e55'

export const ADD_PARTNER_SECRET = defineOperation({
  method: 'POST',
  path: '/admin/v1/partners/:partnerId/secrets',
  tag: 'admin',
  summary: 'Add a secret to a partner',
  description: `The new secret works immediately and is returned in this answer only. The previous one expires after the overlap. A partner has at most ${VALID_SECRETS_MAX} valid secrets.`,
  params: PartnerParams,
  body: z
    .strictObject({
      overlap_seconds: z
        .number()
        .int()
        .min(0)
        .max(OVERLAP_SECONDS_MAX)
        .default(OVERLAP_SECONDS_DEFAULT)
        .meta({ description: '0: the previous secret expires immediately.' }),
    })
    .nullish(),
  answers: {
    201: z.object({
      id: z.string(),
      secret: z.string(),
      replaced: z.array(z.object({ id: z.string(), expires_at: Instant })).meta({ description: 'The secrets that were valid before, and when they expire.' }),
    }),
  },
  errors: { 400: true, 401: true, 403: true, 404: 'PARTNER_NOT_FOUND', 409: 'TOO_MANY_SECRETS', 413: true, 415: true, 429: true, 500: true, 503: true },
  example: {
    request: { overlap_seconds: 3600 },
    answers: { 201: { id: SECRET_ID, secret: PARTNER_SECRET, replaced: [{ id: '77b1e0c2-9b1c-4b52-a2d4-5e0c1d2f3a44', expires_at: '2026-02-04T10:30:00Z' }] } },
  },
})

export const REVOKE_PARTNER_SECRET = defineOperation({
  method: 'DELETE',
  path: '/admin/v1/partners/:partnerId/secrets/:secretId',
  tag: 'admin',
  summary: 'Revoke a secret of a partner',
  description:
    'Takes effect immediately in this process and within one second in other processes. Idempotent. The last valid secret of a partner can be revoked too.',
  params: PartnerParams.extend({ secretId: PathId }),
  answers: { 200: z.object({ id: z.string(), revoked_at: Instant }) },
  errors: { 400: true, 401: true, 403: true, 404: 'PARTNER_SECRET_NOT_FOUND', 413: true, 415: true, 429: true, 500: true, 503: true },
  example: { answers: { 200: { id: SECRET_ID, revoked_at: IN_FEBRUARY } } },
})
