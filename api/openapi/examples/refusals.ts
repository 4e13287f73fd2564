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
  'GET /readyz': { 503: 'EVENTS_UNAVAILABLE' },
  'POST /v1/events': { 503: 'EVENTS_UNAVAILABLE' },
  'GET /partnership/v1/{partnerId}/usage/explain': { 404: 'PROJECT_NOT_FOUND' },
  'GET /partnership/v1/{partnerId}/statements': { 404: 'NOT_FOUND' },
  'GET /partnership/v1/{partnerId}/statements/{month}': { 404: 'STATEMENT_NOT_FOUND' },
  'GET /partnership/v1/{partnerId}/statements/{month}/export': { 404: 'STATEMENT_NOT_FOUND', 409: 'NUMBERS_TOO_WIDE', 503: 'EXPORTS_BUSY' },
  'GET /admin/v1/statements/{partnerId}': { 404: 'PARTNER_NOT_FOUND' },
  'GET /admin/v1/statements/{partnerId}/{month}': { 404: 'STATEMENT_NOT_FOUND' },
  'POST /admin/v1/statements/{partnerId}/{month}/close': { 404: 'STATEMENT_NOT_FOUND', 409: 'MONTH_NOT_OVER' },
  'POST /admin/v1/statements/{partnerId}/adjustments': { 404: 'PROJECT_NOT_FOUND', 409: 'MANUAL_LINE_EXISTS' },
  'GET /admin/v1/exports': { 404: 'STATEMENT_NOT_FOUND', 409: 'NUMBERS_TOO_WIDE', 503: 'EXPORTS_BUSY' },
  'GET /admin/v1/exports/manifest': { 404: 'STATEMENT_NOT_FOUND', 409: 'NUMBERS_TOO_WIDE', 503: 'EXPORTS_BUSY' },
  'GET /admin/v1/explain': { 404: 'PROJECT_NOT_FOUND' },
  'POST /admin/v1/audits': { 409: 'AUDIT_RUNNING' },
  'POST /admin/v1/rebuilds': { 409: 'REBUILD_HELD' },
  'GET /admin/v1/logs': { 409: 'NO_KAFKA' },
  'POST /admin/v1/logs/{log}/reset': { 404: 'NOT_FOUND', 409: 'LOG_VERB_REFUSED' },
  'POST /admin/v1/logs/repartition': { 409: 'LOG_VERB_REFUSED' },
  'POST /admin/v1/replays': { 409: 'LOG_VERB_REFUSED' },
  'POST /admin/v1/logs/audits': { 409: 'NO_KAFKA' },
}
