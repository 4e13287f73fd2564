import { z } from 'zod'
import { IN_FEBRUARY, PARTNER_ID } from './example-values.ts'
import { Instant } from './fields.ts'
import { defineOperation } from './operation.ts'
import { NextCursor, PageQuery } from './pages.ts'

const FILTER_CHARACTERS_MAX = 256

/** The details of an entry, which is stored with them as JSON text. */
export const AuditDetails = z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null(), z.array(z.string())]))

const AuditEntry = z.object({
  seq: z.number().int().meta({ description: 'Starts at 1, without gaps.' }),
  at: Instant,
  actor: z.string().meta({ description: '`admin`, `admin:<role>:<token id>`, `partner:<id>`, or `service` for what the service does automatically.' }),
  action: z.string(),
  subject: z.string().meta({ description: 'The id of the changed object.' }),
  details: AuditDetails,
  request_id: z.string(),
  previous_hash: z.string(),
  hash: z.string(),
})

const ENTRY = {
  seq: 42,
  at: IN_FEBRUARY,
  actor: 'admin:operator:0e5d3f64-6c3e-4a4f-9a51-2f6d4b7c8e90',
  action: 'partner.create',
  subject: PARTNER_ID,
  details: { mode: 'white-label', secret_id: '3c9d6f0a-58f2-4d2b-8a26-1f1b1c7a9e55' },
  request_id: '5a0c3a4e-7a54-4c1f-8e3e-9a0f5a9f1c11',
  previous_hash: 'c0ffee00d15ea5e0c0ffee00d15ea5e0c0ffee00d15ea5e0c0ffee00d15ea5e0',
  hash: '8badf00dcafebabe8badf00dcafebabe8badf00dcafebabe8badf00dcafebabe',
}

export const LIST_AUDIT_LOG = defineOperation({
  method: 'GET',
  path: '/admin/v1/audit-log',
  tag: 'audit log',
  summary: 'List every change, and every read of a secret',
  description:
    'Append-only. An entry is written before the change that it describes. `hash` is the SHA-256 of the JSON list [previous_hash, seq, at, actor, action, subject, details as JSON text, request_id]; "meterline audit-log verify" checks the chain.',
  query: PageQuery.extend({
    order: z.enum(['newest', 'oldest']).default('newest').meta({ description: 'Which entries come first.' }),
    action: z.string().max(FILTER_CHARACTERS_MAX).default('').meta({ description: 'Only entries of this action, such as `partner.create`.' }),
    subject: z.string().max(FILTER_CHARACTERS_MAX).default('').meta({ description: 'Only changes of the object with this id.' }),
    cursor: z
      .string()
      .regex(/^\d{1,15}$/, 'must be `next_cursor` of the previous page')
      .transform(Number)
      .optional()
      .meta({ description: '`next_cursor` of the previous page, with the same order and filters.' }),
  }),
  answers: { 200: z.object({ entries: z.array(AuditEntry), next_cursor: NextCursor }) },
  errors: { 400: true, 401: true, 403: true, 429: true, 500: true, 503: true },
  example: { answers: { 200: { entries: [ENTRY], next_cursor: null } } },
})

/** The same list under the path where people often look for it first. */
export const LIST_AUDIT_LOG_AT_AUDIT = defineOperation({ ...LIST_AUDIT_LOG, path: '/admin/v1/audit' })
