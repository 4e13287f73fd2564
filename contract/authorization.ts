import { z } from 'zod'
import { PartnerProjectParams } from './fields.ts'
import { defineOperation } from './operation.ts'

/** How long the code of a project is valid. */
export const PROJECT_TOKEN_SECONDS = 600
/** How long the hosts that verify codes may cache the JWKS. */
export const JWKS_CACHE_SECONDS = 300

const PublishedKey = z.object({
  kty: z.literal('RSA'),
  n: z.string(),
  e: z.string(),
  kid: z.string(),
  alg: z.literal('RS256'),
  use: z.literal('sig'),
})

/** Source of the shape: partner API documentation, "Generate Project Authorization". */
export const AUTHORIZE_PROJECT = defineOperation({
  method: 'POST',
  path: '/partnership/v1/:partnerId/:projectId/authorization',
  tag: 'projects',
  summary: 'Create a ten-minute code for a project',
  description:
    'An RS256 JWT for the project’s access_host, which verifies it with the keys of /.well-known/jwks.json. Paused projects get a code too. White-label partnerships only.',
  params: PartnerProjectParams,
  body: z.strictObject({}).nullish(),
  answers: {
    200: z.object({
      code: z.string(),
      expires_in: z.number().meta({ description: 'Seconds.', example: PROJECT_TOKEN_SECONDS }),
      type: z.literal('Bearer'),
    }),
  },
  errors: { 400: true, 401: true, 403: true, 404: 'PROJECT_NOT_FOUND', 413: true, 415: true, 429: true, 500: true, 503: true },
  example: {
    request: {},
    answers: { 200: { code: 'eyJhbGciOiJSUzI1NiIsImtpZCI6Im1ldGVybGluZS1rZXktMjAyNi0wMi0wMSJ9.EXAMPLE.EXAMPLE', expires_in: 600, type: 'Bearer' } },
  },
})

export const GET_JWKS = defineOperation({
  method: 'GET',
  path: '/.well-known/jwks.json',
  tag: 'projects',
  summary: 'Get the keys that verify project codes',
  description: 'A JWK Set (RFC 7517). A key is published at least ten minutes before it signs, and until the last code that it signed has expired.',
  answers: { 200: z.object({ keys: z.array(PublishedKey) }) },
  errors: { 429: true, 500: true, 503: true },
  example: { answers: { 200: { keys: [{ kty: 'RSA', n: 'EXAMPLE', e: 'AQAB', kid: 'meterline-key-2026-02-01', alg: 'RS256', use: 'sig' }] } } },
})
