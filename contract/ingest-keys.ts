import { z } from 'zod'
import { CREDENTIAL_METADATA, IN_FEBRUARY, INGEST_KEY, PARTNER_ID } from './example-values.ts'
import { Instant, Name, PathId } from './fields.ts'
import { defineOperation } from './operation.ts'
import { NextCursor, PageQuery } from './pages.ts'

/** To how many partners a key can be limited. */
const SCOPE_PARTNERS_MAX = 100
const PARTNER_ID_CHARACTERS_MAX = 128

const NewIngestKey = z.strictObject({
  name: Name,
  partner_ids: z
    .array(z.string().min(1).max(PARTNER_ID_CHARACTERS_MAX))
    .min(1)
    .max(SCOPE_PARTNERS_MAX)
    .optional()
    .meta({ description: 'The key may send events for the registered projects of these partners only. Default: for all projects, registered or not.' }),
})

const IngestKey = z.object({
  id: z.string(),
  name: z.string(),
  prefix: z.string(),
  last_four: z.string(),
  partner_ids: z.array(z.string()).meta({ description: 'Empty when the key may send events for all projects.' }),
  created_at: Instant,
  revoked_at: Instant.nullable(),
  last_used_at: Instant.nullable(),
})

const KEY_ID = 'b2a1e7d4-0f6c-4f0e-9f3d-7c5d2e1f0a99'

export const CREATE_INGEST_KEY = defineOperation({
  method: 'POST',
  path: '/admin/v1/ingest-keys',
  tag: 'admin',
  summary: 'Create a key that may send events',
  description: 'The key is returned in this answer only. With `partner_ids` it may send events for the registered projects of these partners only.',
  body: NewIngestKey,
  answers: { 201: z.object({ id: z.string(), key: z.string() }) },
  errors: { 400: true, 401: true, 403: true, 404: 'PARTNER_NOT_FOUND', 413: true, 415: true, 429: true, 500: true, 503: true },
  example: { request: { name: 'gateway-eu', partner_ids: [PARTNER_ID] }, answers: { 201: { id: KEY_ID, key: INGEST_KEY } } },
})

export const LIST_INGEST_KEYS = defineOperation({
  method: 'GET',
  path: '/admin/v1/ingest-keys',
  tag: 'admin',
  summary: 'List all ingest keys, oldest first',
  description: 'Revoked keys are included. `last_used_at` may be up to a minute late.',
  query: PageQuery,
  answers: { 200: z.object({ ingest_keys: z.array(IngestKey), next_cursor: NextCursor }) },
  errors: { 400: true, 401: true, 403: true, 429: true, 500: true, 503: true },
  example: {
    answers: {
      200: { ingest_keys: [{ ...CREDENTIAL_METADATA, id: KEY_ID, name: 'gateway-eu', prefix: 'mli_EXAM', partner_ids: [PARTNER_ID] }], next_cursor: null },
    },
  },
})

export const REVOKE_INGEST_KEY = defineOperation({
  method: 'DELETE',
  path: '/admin/v1/ingest-keys/:keyId',
  tag: 'admin',
  summary: 'Revoke an ingest key',
  description: 'Takes effect immediately in this process and within one second in other processes. Idempotent. Events that the key has sent stay counted.',
  params: z.object({ keyId: PathId }),
  answers: { 200: z.object({ id: z.string(), revoked_at: Instant }) },
  errors: { 400: true, 401: true, 403: true, 404: 'INGEST_KEY_NOT_FOUND', 413: true, 415: true, 429: true, 500: true, 503: true },
  example: { answers: { 200: { id: KEY_ID, revoked_at: IN_FEBRUARY } } },
})
