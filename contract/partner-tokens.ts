import { z } from 'zod'
import { Instant, PartnerParams } from './fields.ts'
import { defineOperation } from './operation.ts'

/** A key that has stopped signing verifies for as long as the longest token lives. */
export const PARTNER_TOKEN_SECONDS_MAX = 3_600
const PARTNER_TOKEN_SECONDS_MIN = 60
export const PARTNER_TOKEN_SECONDS_DEFAULT = 600

export const CREATE_PARTNER_TOKEN = defineOperation({
  method: 'POST',
  path: '/partnership/v1/:partnerId/tokens',
  tag: 'usage',
  summary: 'Create a short-lived token that reads usage and bills',
  description:
    'For a web page that shows the partner’s usage without knowing its secret. Sent as "Authorization: Bearer", the token reads usage, projects and statements of this partner; it reads no API key and changes nothing. It is returned in this answer only and stored nowhere. Revoking the secret does not end it; disabling the partner does.',
  params: PartnerParams,
  body: z
    .strictObject({
      expires_in: z
        .number()
        .int()
        .min(PARTNER_TOKEN_SECONDS_MIN)
        .max(PARTNER_TOKEN_SECONDS_MAX)
        .optional()
        .meta({ description: `Seconds. Default: ${PARTNER_TOKEN_SECONDS_DEFAULT}.` }),
    })
    .nullish(),
  answers: {
    200: z.object({
      token: z.string(),
      expires_in: z.number().meta({ description: 'Seconds.', example: PARTNER_TOKEN_SECONDS_DEFAULT }),
      expires_at: Instant,
      type: z.literal('Bearer'),
    }),
  },
  errors: { 400: true, 401: true, 404: 'NOT_FOUND', 413: true, 415: true, 429: true, 500: true, 503: true },
  example: {
    request: { expires_in: 900 },
    answers: { 200: { token: 'eyJhbGciOiJSUzI1NiJ9.EXAMPLE.EXAMPLE', expires_in: 900, expires_at: '2026-02-04T09:45:00Z', type: 'Bearer' } },
  },
})
