import { ACCOUNT_ID, IN_FEBRUARY, INGEST_KEY, PARTNER_ID, PARTNER_SECRET, PROJECT_ID, PROJECT_NAME } from '../../../contract/example-values.ts'
import type { Examples } from './refusals.ts'

const MADE_AT = '2026-01-02T08:00:00Z'
const PARTNER = {
  id: PARTNER_ID,
  name: 'Acme Cloud',
  mode: 'white-label',
  disabled_at: null,
  billing_from: '2026-01',
  closed_through: '2026-01',
  created_at: MADE_AT,
}
const SECRET_ID = '3c9d6f0a-58f2-4d2b-8a26-1f1b1c7a9e55'
const CREDENTIAL = { prefix: 'mls_EXAM', last_four: '0000', created_at: MADE_AT, revoked_at: null, last_used_at: IN_FEBRUARY }
const KEY_ID = 'b2a1e7d4-0f6c-4f0e-9f3d-7c5d2e1f0a99'
const ACCOUNT = { id: ACCOUNT_ID, partner_id: PARTNER_ID, email: 'ada@example.com', name: 'Ada Lovelace', plan: 'paid', created_at: MADE_AT }
const PROJECT = {
  id: PROJECT_ID,
  partner_id: PARTNER_ID,
  name: PROJECT_NAME,
  status: 'active',
  region: 'eu-central',
  instance_type: 'small',
  deleted_at: null,
}

export const ADMIN_EXAMPLES: Examples = {
  'POST /admin/v1/partners': {
    request: { name: PARTNER.name, mode: PARTNER.mode },
    answers: { 201: { partner: { id: PARTNER_ID, name: PARTNER.name }, secret: PARTNER_SECRET } },
  },
  'GET /admin/v1/partners': { answers: { 200: { partners: [PARTNER], next_cursor: null } } },
  'GET /admin/v1/partners/{partnerId}': { answers: { 200: { partner: PARTNER, secrets: [{ id: SECRET_ID, expires_at: null, ...CREDENTIAL }] } } },
  'PATCH /admin/v1/partners/{partnerId}': { request: { billing_from: '2026-01' }, answers: { 200: { partner: PARTNER } } },
  'POST /admin/v1/partners/{partnerId}/secrets': {
    request: { overlap_seconds: 3600 },
    answers: { 201: { id: SECRET_ID, secret: PARTNER_SECRET, replaced: [{ id: '77b1e0c2-9b1c-4b52-a2d4-5e0c1d2f3a44', expires_at: '2026-02-04T10:30:00Z' }] } },
  },
  'DELETE /admin/v1/partners/{partnerId}/secrets/{secretId}': { answers: { 200: { id: SECRET_ID, revoked_at: IN_FEBRUARY } } },
  'POST /admin/v1/ingest-keys': { request: { name: 'gateway-eu', partner_ids: [PARTNER_ID] }, answers: { 201: { id: KEY_ID, key: INGEST_KEY } } },
  'GET /admin/v1/ingest-keys': {
    answers: { 200: { ingest_keys: [{ ...CREDENTIAL, id: KEY_ID, name: 'gateway-eu', prefix: 'mli_EXAM', partner_ids: [PARTNER_ID] }], next_cursor: null } },
  },
  'DELETE /admin/v1/ingest-keys/{id}': { answers: { 200: { id: KEY_ID, revoked_at: IN_FEBRUARY } } },
  'PUT /admin/v1/projects/{projectId}': {
    request: { partner_id: PARTNER_ID, name: PROJECT_NAME, region: PROJECT.region, instance_type: PROJECT.instance_type },
    answers: { 200: { project: PROJECT }, 201: { project: PROJECT } },
  },
  'GET /admin/v1/projects': { answers: { 200: { projects: [{ ...PROJECT, account_id: null, created_at: MADE_AT }], next_cursor: null } } },
  'GET /admin/v1/projects/{projectId}': { answers: { 200: { project: { ...PROJECT, account_id: null, created_at: MADE_AT } } } },
  'GET /admin/v1/accounts': { answers: { 200: { accounts: [ACCOUNT], next_cursor: null } } },
  'GET /admin/v1/accounts/{accountId}': { answers: { 200: { account: ACCOUNT } } },
  'PUT /admin/v1/accounts/{accountId}': { request: { plan: 'paid' }, answers: { 200: { account: ACCOUNT } } },
  'POST /admin/v1/tokens': {
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
  'GET /admin/v1/signing-keys': {
    answers: {
      200: {
        signing_keys: [
          { kid: 'meterline-key-2026-02-01', created_at: '2026-02-01T00:00:00Z', signs_from: '2026-02-01T00:20:00Z', withdrawn_at: null, state: 'signing' },
        ],
        next_cursor: null,
      },
    },
  },
  'POST /admin/v1/signing-keys': { request: {}, answers: { 201: { kid: 'meterline-key-2026-02-04', signs_from: '2026-02-04T09:50:00Z' } } },
  'POST /admin/v1/keys/rewrap': {
    answers: {
      200: { rewrapped: { pepper: 1, project_api_keys: 212, secret_data_keys: 9, signing_keys: 2 }, left: 0, master_key: '3f8a11c2', previous_key: '9d02b7e4' },
    },
  },
}
