import { z } from 'zod'
import { CREATED_AT, CREDENTIAL_METADATA, PARTNER_ID, PARTNER_SECRET } from './example-values.ts'
import { Instant, MonthText, Name, PartnerParams } from './fields.ts'
import { PARTNER_MODES } from './lists.ts'
import { defineOperation } from './operation.ts'
import { NextCursor, PageQuery } from './pages.ts'
import { PartnerSecret, SECRET_ID } from './partner-secrets.ts'

/** A first billed month further back than this must be confirmed. */
export const MONTHS_BACK_MAX = 24

const FIRST_MONTH = '2000-01'

const Partner = z.object({
  id: z.string(),
  name: z.string(),
  mode: z.enum(PARTNER_MODES),
  disabled_at: Instant.nullable().meta({ description: 'When the partner was disabled; null if it is enabled.' }),
  billing_from: z.string().nullable().meta({ description: 'The first month that has a statement.' }),
  closed_through: z.string().nullable().meta({ description: 'The last month that is closed.' }),
  created_at: Instant,
})

const PartnerChange = z
  .strictObject({
    billing_from: MonthText.refine((text) => text >= FIRST_MONTH, `must not be before ${FIRST_MONTH}: no event can be older`).optional(),
    confirm: z
      .literal(true)
      .optional()
      .meta({ description: `Required for a month more than ${MONTHS_BACK_MAX} months ago.` }),
    disabled: z.boolean().optional(),
  })
  .refine((body) => body.billing_from !== undefined || body.disabled !== undefined, 'must have billing_from or disabled')
  .meta({ anyOf: [{ required: ['billing_from'] }, { required: ['disabled'] }] })

const PARTNER = {
  id: PARTNER_ID,
  name: 'Acme Cloud',
  mode: 'white-label',
  disabled_at: null,
  billing_from: '2026-01',
  closed_through: '2026-01',
  created_at: CREATED_AT,
}

export const CREATE_PARTNER = defineOperation({
  method: 'POST',
  path: '/admin/v1/partners',
  tag: 'admin',
  summary: 'Create a partner',
  description: 'The secret is returned in this answer only.',
  body: z.strictObject({ name: Name, mode: z.enum(PARTNER_MODES).default('white-label') }),
  answers: { 201: z.object({ partner: z.object({ id: z.string(), name: z.string() }), secret: z.string() }) },
  errors: { 400: true, 401: true, 403: true, 413: true, 415: true, 429: true, 500: true, 503: true },
  example: {
    request: { name: PARTNER.name, mode: PARTNER.mode },
    answers: { 201: { partner: { id: PARTNER_ID, name: PARTNER.name }, secret: PARTNER_SECRET } },
  },
})

export const LIST_PARTNERS = defineOperation({
  method: 'GET',
  path: '/admin/v1/partners',
  tag: 'admin',
  summary: 'List all partners by name',
  query: PageQuery,
  answers: { 200: z.object({ partners: z.array(Partner), next_cursor: NextCursor }) },
  errors: { 400: true, 401: true, 403: true, 429: true, 500: true, 503: true },
  example: { answers: { 200: { partners: [PARTNER], next_cursor: null } } },
})

export const GET_PARTNER = defineOperation({
  method: 'GET',
  path: '/admin/v1/partners/:partnerId',
  tag: 'admin',
  summary: 'Get a partner and the metadata of its secrets',
  description: 'Valid secrets come first, then expired and revoked ones; newest first, at most 100. `last_used_at` may be up to a minute late.',
  params: PartnerParams,
  answers: { 200: z.object({ partner: Partner, secrets: z.array(PartnerSecret) }) },
  errors: { 400: true, 401: true, 403: true, 404: 'PARTNER_NOT_FOUND', 429: true, 500: true, 503: true },
  example: { answers: { 200: { partner: PARTNER, secrets: [{ id: SECRET_ID, expires_at: null, ...CREDENTIAL_METADATA }] } } },
})

export const UPDATE_PARTNER = defineOperation({
  method: 'PATCH',
  path: '/admin/v1/partners/:partnerId',
  tag: 'admin',
  summary: 'Set a partner’s first billed month, or disable or enable the partner',
  description:
    'The first billed month can be changed until it is closed. Usage of earlier months can be read, but has no statement. A disabled partner cannot call the API; its usage still counts and its months still close.',
  params: PartnerParams,
  body: PartnerChange,
  answers: { 200: z.object({ partner: Partner }) },
  errors: { 400: true, 401: true, 403: true, 404: 'PARTNER_NOT_FOUND', 409: 'ALREADY_BILLED', 413: true, 415: true, 429: true, 500: true, 503: true },
  example: { request: { billing_from: '2026-01' }, answers: { 200: { partner: PARTNER } } },
})
