import type { ERRORS, ErrorCode } from '../../../contract/errors.ts'
import type { Example } from '../../../contract/operation.ts'

/** The errors of one status, so that no example can be of another. */
type CodeOf<Status extends number> = { [Code in ErrorCode]: (typeof ERRORS)[Code]['status'] extends Status ? Code : never }[ErrorCode]

export type Examples = Readonly<Record<string, Example>>

interface Refusals {
  readonly 403?: CodeOf<403>
  readonly 404?: CodeOf<404>
  readonly 409?: CodeOf<409>
  readonly 503?: CodeOf<503>
}

/**
 * Of the errors that an operation answers with under one status, the one that a caller is likely to meet. `NOT_FOUND` is of a
 * path that is too long: nothing else is missing there. What is not said here is the same of many: described-operations.ts.
 */
export const REFUSAL_EXAMPLES: Readonly<Record<string, Refusals>> = {
  'GET /partnership/v1/{partnerId}/projects': { 404: 'NOT_FOUND' },
  'POST /partnership/v1/{partnerId}/sync-embedded-project': { 404: 'NOT_FOUND' },
  'GET /partnership/v1/{partnerId}/{projectId}/metadata': { 404: 'PROJECT_NOT_FOUND' },
  'POST /partnership/v1/{partnerId}/{projectId}/pause': { 404: 'PROJECT_NOT_FOUND', 503: 'PROVISIONING' },
  'POST /partnership/v1/{partnerId}/{projectId}/restore': { 404: 'PROJECT_NOT_FOUND', 503: 'PROVISIONING' },
  'DELETE /partnership/v1/{partnerId}/{projectId}': { 404: 'PROJECT_NOT_FOUND' },
  'POST /partnership/v1/{partnerId}/{projectId}/authorization': { 404: 'PROJECT_NOT_FOUND' },
  'POST /partnership/v1/{partnerId}/connect-user': { 404: 'NOT_FOUND' },
  'POST /partnership/v1/{partnerId}/{userId}/sync-project': { 404: 'ACCOUNT_NOT_FOUND' },
  'GET /partnership/v1/{partnerId}/{userId}/{projectId}/metadata': { 404: 'PROJECT_NOT_FOUND' },
  'GET /admin/v1/partners/{partnerId}': { 404: 'PARTNER_NOT_FOUND' },
  'PATCH /admin/v1/partners/{partnerId}': { 404: 'PARTNER_NOT_FOUND', 409: 'ALREADY_BILLED' },
  'POST /admin/v1/partners/{partnerId}/secrets': { 404: 'PARTNER_NOT_FOUND', 409: 'TOO_MANY_SECRETS' },
  'DELETE /admin/v1/partners/{partnerId}/secrets/{secretId}': { 404: 'PARTNER_SECRET_NOT_FOUND' },
  'POST /admin/v1/ingest-keys': { 404: 'PARTNER_NOT_FOUND' },
  'DELETE /admin/v1/ingest-keys/{id}': { 404: 'INGEST_KEY_NOT_FOUND' },
  'GET /admin/v1/projects': { 404: 'PARTNER_NOT_FOUND' },
  'PUT /admin/v1/projects/{projectId}': { 404: 'PARTNER_NOT_FOUND', 409: 'PARTNER_CHANGED' },
  'GET /admin/v1/projects/{projectId}': { 404: 'PROJECT_NOT_FOUND' },
  'GET /admin/v1/accounts': { 404: 'PARTNER_NOT_FOUND' },
  'GET /admin/v1/accounts/{accountId}': { 404: 'ACCOUNT_NOT_FOUND' },
  'PUT /admin/v1/accounts/{accountId}': { 404: 'ACCOUNT_NOT_FOUND' },
  'POST /api/secrets': { 409: 'SECRET_EXISTS' },
  'GET /api/secrets/{key}': { 404: 'SECRET_NOT_FOUND' },
  'PUT /api/secrets/{key}': { 404: 'SECRET_NOT_FOUND' },
  'DELETE /api/secrets/{key}': { 403: 'SECRET_RESERVED', 404: 'SECRET_NOT_FOUND' },
}
