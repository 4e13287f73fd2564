import { z } from 'zod'

/** Every answer that is not 2xx. `message` is the default; a route that knows more says more. */
export const ERRORS = {
  INVALID_REQUEST: { status: 400, message: 'The request is not valid.' },
  PERIOD_INVALID: { status: 400, message: 'start_date and end_date must be calendar days as YYYY-MM-DD.' },
  CURSOR_INVALID: { status: 400, message: 'This cursor belongs to a different query. Request the first page again, without a cursor.' },
  BODY_NOT_JSON: { status: 400, message: 'The body is not JSON.' },
  QUERY_TOO_LARGE: { status: 400, message: 'This query reads more than one request may. Request a shorter period, or fewer projects.' },
  UNAUTHENTICATED: { status: 401, message: 'The credentials are missing or not valid.' },
  MODE_NOT_ALLOWED: { status: 403, message: 'This call is not part of your partnership mode.' },
  ROLE_NOT_ALLOWED: { status: 403, message: 'The role of this token may not do this.' },
  NOT_FOUND: { status: 404, message: 'Not found. All routes are listed at /docs.' },
  PROJECT_NOT_FOUND: { status: 404, message: 'Project not found.' },
  ACCOUNT_NOT_FOUND: { status: 404, message: 'Account not found.' },
  PARTNER_NOT_FOUND: { status: 404, message: 'Partner not found.' },
  PARTNER_SECRET_NOT_FOUND: { status: 404, message: 'This partner has no secret with this id.' },
  ADMIN_TOKEN_NOT_FOUND: { status: 404, message: 'No admin token with this id was created. "meterline token list" lists those that have not expired.' },
  INGEST_KEY_NOT_FOUND: { status: 404, message: 'There is no ingest key with this id.' },
  STATEMENT_NOT_FOUND: { status: 404, message: 'There is no statement for this month: it is before the first billed month, or in the future.' },
  MONTH_NOT_OVER: { status: 409, message: 'This month is not over. Close it after its end.' },
  EARLIER_MONTH_OPEN: { status: 409, message: 'Months close in order, and an earlier one is open. Close that one first.' },
  MONTH_NOT_COMPLETE: { status: 409, message: 'Usage is not known to be complete past the end of this month. Check that every log is being read.' },
  AUDIT_DIFFERS: { status: 409, message: 'The audit of this month finds differences. List them with "meterline audit".' },
  MANUAL_LINE_EXISTS: { status: 409, message: 'Another manual line has this id. Nothing was changed; use a different id.' },
  ALREADY_BILLED: { status: 409, message: 'A month of this partner is closed, and closed months never change.' },
  CLOSING_ELSEWHERE: {
    status: 409,
    message: 'A month of this partner is being closed right now, or its next statement is being changed. Try again in a moment.',
  },
  PARTNER_CHANGED: { status: 409, message: 'This project belongs to another partner, and that never changes.' },
  ACCOUNT_CHANGED: { status: 409, message: 'This project belongs to another account, and that never changes.' },
  ALREADY_DELETED: { status: 409, message: 'This project is deleted, and that is final. Register a new one.' },
  TOO_MANY_SECRETS: { status: 409, message: 'This partner already has two secrets. Revoke one, or wait until one has expired.' },
  NUMBERS_TOO_WIDE: { status: 409, message: 'A number of this export has more than the 38 digits that Parquet holds. Request csv, json or ndjson.' },
  NO_KAFKA: { status: 409, message: 'This service runs without Kafka: its only log is http, which cannot be read again. Set KAFKA_BROKERS.' },
  LOG_VERB_REFUSED: { status: 409, message: 'The log is not in a state that allows this operation.' },
  REBUILD_HELD: { status: 409, message: 'Another process is counting events. Stop it, then try again.' },
  REBUILD_RUNNING: { status: 409, message: 'A rollup is being rebuilt. Try again when the rebuild has finished.' },
  AUDIT_RUNNING: { status: 409, message: 'Another audit is running in this process. Wait until it has finished, then try again.' },
  NAME_TAKEN: { status: 409, message: 'An existing project of this partner has this name. Use another name, or delete that project.' },
  SECRET_NOT_FOUND: { status: 404, message: 'Secret not found.' },
  SCHEDULE_NOT_FOUND: { status: 404, message: 'There is no schedule with this id.' },
  SCHEDULES_FULL: { status: 409, message: 'The limit of 1,000 schedules is reached. Delete one first.' },
  SCHEDULE_RUNS_WAITING: { status: 409, message: 'Ten runs of this schedule that were asked for have not begun. Wait for one of them.' },
  SECRET_EXISTS: { status: 409, message: 'Secret already exists.' },
  SECRET_RESERVED: { status: 403, message: 'A reserved secret cannot be deleted.' },
  SECRETS_FULL: { status: 409, message: 'The limit of 10,000 secrets is reached. Reuse an inactive secret.' },
  TOO_LARGE: { status: 413, message: 'The request is too large; nothing of it was stored. Send less at a time.' },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, message: 'Send the body as application/json.' },
  RATE_LIMITED: { status: 429, message: 'Too many requests with these credentials. Wait, then try again.' },
  PAST_MONTHS_LIMITED: {
    status: 429,
    message:
      'This ingest key sends events of too many past months. None of these was stored; send them again after the time in Retry-After. Events sorted by time touch fewer months at a time.',
  },
  TOO_MANY_AT_ONCE: { status: 429, message: 'Too many reads of this caller are waiting. Send fewer at the same time, and the next one after an answer.' },
  GUESSING_BRAKE: { status: 429, message: 'Too many credentials from this address were not valid. Wait, then try again with the right one.' },
  INTERNAL: { status: 500, message: 'Internal error. Include the request_id when you report it.' },
  SECRET_NOT_UPDATED: { status: 500, message: 'Failed to update secret.' },
  EVENTS_UNAVAILABLE: { status: 503, message: 'Events cannot be stored right now. Send all of them again later; nothing counts twice.' },
  STORE_UNAVAILABLE: {
    status: 503,
    message: 'The store cannot be read or changed right now; no total is returned and nothing was acknowledged. Try again later.',
  },
  PROVISIONING: {
    status: 503,
    message: 'The change is recorded and continues, but the platform has not confirmed it in time. Repeating the call is safe: it starts nothing new.',
  },
  STATEMENTS_BUSY: { status: 503, message: 'Too many statements are being read at the same time. Finish reading the open ones, then try again.' },
  EXPORTS_BUSY: { status: 503, message: 'The maximum number of concurrent exports is running. Try again when one has finished.' },
  KAFKA_UNAVAILABLE: { status: 503, message: 'Kafka cannot be reached right now. Try again later.' },
  STOPPING: { status: 503, message: 'The service is stopping; nothing of this request was done. Try again later.' },
  OVERLOADED: { status: 503, message: 'The service is busy. Try again later.' },
} as const satisfies Record<string, { status: number; message: string }>

export type ErrorCode = keyof typeof ERRORS

export const ErrorBody = z
  .object({ success: z.literal(false), message: z.string(), code: z.string(), request_id: z.string() })
  .meta({ id: 'Error', description: 'Every answer that is not 2xx.' })
