import { z } from 'zod'
import { ADMIN_ROLES, Instant } from './fields.ts'
import { defineOperation } from './operation.ts'

export const ADMIN_TOKEN_SECONDS_MAX = 43_200
const ADMIN_TOKEN_SECONDS_MIN = 60
const ADMIN_TOKEN_SECONDS_DEFAULT = 3_600

export const CREATE_ADMIN_TOKEN = defineOperation({
  method: 'POST',
  path: '/admin/v1/tokens',
  tag: 'admin',
  summary: 'Create a short-lived admin token with one role',
  description:
    'Only the admin token may create one. The new token is returned in this answer only and stored nowhere. To end it early, withdraw the signing keys (POST /admin/v1/signing-keys with `withdraw`), which ends all other tokens too.',
  body: z.strictObject({
    role: z.enum(ADMIN_ROLES),
    expires_in: z
      .number()
      .int()
      .min(ADMIN_TOKEN_SECONDS_MIN)
      .max(ADMIN_TOKEN_SECONDS_MAX)
      .default(ADMIN_TOKEN_SECONDS_DEFAULT)
      .meta({ description: 'Seconds.' }),
  }),
  answers: {
    201: z.object({
      token: z.string(),
      role: z.enum(ADMIN_ROLES),
      expires_at: Instant,
      id: z.string().meta({ description: 'The id of the token in the audit log.' }),
    }),
  },
  errors: { 400: true, 401: true, 403: true, 413: true, 415: true, 429: true, 500: true, 503: true },
  example: {
    request: { role: 'finance', expires_in: 900 },
    answers: {
      201: {
        token: 'eyJhbGciOiJSUzI1NiJ9.EXAMPLE.EXAMPLE',
        role: 'finance',
        expires_at: '2026-02-04T09:45:00Z',
        id: '0e5d3f64-6c3e-4a4f-9a51-2f6d4b7c8e90',
      },
    },
  },
})
