import { z } from 'zod'
import { IN_FEBRUARY } from './example-values.ts'
import { Instant, PathId } from './fields.ts'
import { ADMIN_ROLES } from './lists.ts'
import { defineOperation } from './operation.ts'
import { NextCursor, PageQuery } from './pages.ts'

/** The admin token of an instance is no JWT and has at least so many characters. */
export const ADMIN_TOKEN_CHARACTERS_MIN = 32

export const ADMIN_TOKEN_SECONDS_MAX = 43_200
const ADMIN_TOKEN_SECONDS_MIN = 60
const ADMIN_TOKEN_SECONDS_DEFAULT = 3_600

const TOKEN_ID = '0e5d3f64-6c3e-4a4f-9a51-2f6d4b7c8e90'
const TOKEN_END = '2026-02-04T09:45:00Z'

export const CREATE_ADMIN_TOKEN = defineOperation({
  method: 'POST',
  path: '/admin/v1/tokens',
  tag: 'admin',
  summary: 'Create a short-lived admin token with one role',
  description:
    'Only the admin token may create one. The new token is returned in this answer only and stored nowhere. DELETE /admin/v1/tokens/:tokenId ends it early.',
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
      id: z.string().meta({ description: 'The id of the token in the audit log, by which it can be revoked (the claim `jti`).' }),
    }),
  },
  errors: { 400: true, 401: true, 403: true, 413: true, 415: true, 429: true, 500: true, 503: true },
  example: {
    request: { role: 'finance', expires_in: 900 },
    answers: {
      201: {
        token: 'eyJhbGciOiJSUzI1NiJ9.EXAMPLE.EXAMPLE',
        role: 'finance',
        expires_at: TOKEN_END,
        id: TOKEN_ID,
      },
    },
  },
})

const LivingToken = z.object({
  id: z.string(),
  role: z.enum(ADMIN_ROLES),
  created_at: Instant,
  expires_at: Instant,
  revoked_at: Instant.nullable(),
})

export const LIST_ADMIN_TOKENS = defineOperation({
  method: 'GET',
  path: '/admin/v1/tokens',
  tag: 'admin',
  summary: 'List the admin tokens that have not expired, oldest first',
  description: 'Revoked tokens are included. Only the admin token may list them. The tokens themselves are stored nowhere.',
  query: PageQuery,
  answers: { 200: z.object({ tokens: z.array(LivingToken), next_cursor: NextCursor }) },
  errors: { 400: true, 401: true, 403: true, 429: true, 500: true, 503: true },
  example: {
    answers: {
      200: { tokens: [{ id: TOKEN_ID, role: 'finance', created_at: IN_FEBRUARY, expires_at: TOKEN_END, revoked_at: null }], next_cursor: null },
    },
  },
})

export const REVOKE_ADMIN_TOKEN = defineOperation({
  method: 'DELETE',
  path: '/admin/v1/tokens/:tokenId',
  tag: 'admin',
  summary: 'Revoke one admin token',
  description:
    'Only the admin token may revoke one. Takes effect immediately in this process and within one second in other processes. Idempotent. A token that has expired already needs no revocation: `revoked_at` is null. What the token has created, such as ingest keys and partner secrets, stays valid.',
  params: z.object({ tokenId: PathId }),
  answers: {
    200: z.object({
      id: z.string(),
      expires_at: Instant,
      revoked_at: Instant.nullable().meta({ description: 'Null when the token had expired before it was revoked.' }),
    }),
  },
  errors: { 400: true, 401: true, 403: true, 404: 'ADMIN_TOKEN_NOT_FOUND', 413: true, 415: true, 429: true, 500: true, 503: true },
  example: { answers: { 200: { id: TOKEN_ID, expires_at: TOKEN_END, revoked_at: IN_FEBRUARY } } },
})
