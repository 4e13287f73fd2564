import { ACCOUNT_ID, API_KEY, PROJECT_ID, PROJECT_NAME } from '../../../contract/example-values.ts'
import type { Examples } from './refusals.ts'
import { LISTED_PROJECT } from './usage.ts'

const CONNECTION = { id: PROJECT_ID, access_host: 'https://shop-production-3f8a11c2.eu-central.projects.example.com', api_key: API_KEY, status: 'active' }
const ASKED = { project_name: PROJECT_NAME, region: 'eu-central', instance_type: 'small' }
const { region, instance_type, last_activity_at } = LISTED_PROJECT

export const PROJECT_EXAMPLES: Examples = {
  'POST /partnership/v1/{partnerId}/sync-embedded-project': { request: ASKED, answers: { 200: { success: true, project: CONNECTION } } },
  'GET /partnership/v1/{partnerId}/{projectId}/metadata': { answers: { 200: { project: { ...CONNECTION, region, instance_type, last_activity_at } } } },
  'POST /partnership/v1/{partnerId}/{projectId}/pause': {
    request: { wait_for_completion: true },
    answers: { 200: { project: { id: PROJECT_ID, status: 'paused' } } },
  },
  'POST /partnership/v1/{partnerId}/{projectId}/restore': {
    request: { wait_for_completion: true },
    answers: { 200: { project: { id: PROJECT_ID, status: 'active' } } },
  },
  'DELETE /partnership/v1/{partnerId}/{projectId}': {
    request: {},
    answers: { 200: { message: 'Project deleted successfully', requestId: '5a0c3a4e-7a54-4c1f-8e3e-9a0f5a9f1c11' } },
  },
  'POST /partnership/v1/{partnerId}/{projectId}/authorization': {
    request: {},
    answers: { 200: { code: 'eyJhbGciOiJSUzI1NiIsImtpZCI6Im1ldGVybGluZS1rZXktMjAyNi0wMi0wMSJ9.EXAMPLE.EXAMPLE', expires_in: 600, type: 'Bearer' } },
  },
  'POST /partnership/v1/{partnerId}/connect-user': {
    request: { name: 'Ada Lovelace', email: 'ada@example.com' },
    answers: { 200: { account: { id: ACCOUNT_ID } } },
  },
  'POST /partnership/v1/{partnerId}/{userId}/sync-project': { request: ASKED, answers: { 200: { success: true, project: CONNECTION } } },
  'GET /partnership/v1/{partnerId}/{userId}/{projectId}/metadata': { answers: { 200: { project: CONNECTION } } },
  'GET /.well-known/jwks.json': {
    answers: { 200: { keys: [{ kty: 'RSA', n: 'EXAMPLE', e: 'AQAB', kid: 'meterline-key-2026-02-01', alg: 'RS256', use: 'sig' }] } },
  },
}
