import { KafkaUnavailable } from '../../ingest/kafka/topic.ts'
import { EventsUnavailable } from '../../ingest/log/event-log.ts'
import { TooManyWaiting } from '../../registry/change-queue.ts'
import { StoreError } from '../../sql/errors.ts'

/** Every answer that is not 2xx. `message` is the default; what is known better is said better. */
export const API_ERRORS = {
  INVALID_REQUEST: { status: 400, message: 'The request is not valid.' },
  PERIOD_INVALID: { status: 400, message: 'start_date and end_date must be calendar days as YYYY-MM-DD.' },
  CURSOR_INVALID: { status: 400, message: 'This cursor is not of this query. Ask for the first page again, without a cursor.' },
  BODY_NOT_JSON: { status: 400, message: 'The body is not JSON.' },
  QUERY_TOO_LARGE: { status: 400, message: 'This asks for more than one request may read. Ask for a shorter period, or for fewer projects.' },
  UNAUTHENTICATED: { status: 401, message: 'The credentials are missing or not valid.' },
  MODE_NOT_ALLOWED: { status: 403, message: 'This call is not part of your partnership mode.' },
  ROLE_NOT_ALLOWED: { status: 403, message: 'The role of this token may not do this.' },
  NOT_FOUND: { status: 404, message: 'There is nothing here.' },
  PROJECT_NOT_FOUND: { status: 404, message: 'Project not found.' },
  ACCOUNT_NOT_FOUND: { status: 404, message: 'Account not found.' },
  PARTNER_NOT_FOUND: { status: 404, message: 'Partner not found.' },
  PARTNER_SECRET_NOT_FOUND: { status: 404, message: 'This partner has no secret of this id.' },
  INGEST_KEY_NOT_FOUND: { status: 404, message: 'There is no ingest key of this id.' },
  STATEMENT_NOT_FOUND: { status: 404, message: 'There is no statement of this month: it is before the first month that is billed, or in the future.' },
  MONTH_NOT_OVER: { status: 409, message: 'This month is not over.' },
  EARLIER_MONTH_OPEN: { status: 409, message: 'Months close in order, and an earlier one is open.' },
  MONTH_NOT_COMPLETE: { status: 409, message: 'Usage is not known to be complete past the end of this month.' },
  AUDIT_DIFFERS: { status: 409, message: 'The audit of this month finds differences.' },
  MANUAL_LINE_EXISTS: { status: 409, message: 'There is another manual line under this id. Nothing was changed; use an id of its own.' },
  ALREADY_BILLED: { status: 409, message: 'A month of this partner is closed, and closed months never change.' },
  CLOSING_ELSEWHERE: { status: 409, message: 'A month of this partner is being closed right now. Ask again in a moment.' },
  PARTNER_CHANGED: { status: 409, message: 'This project belongs to another partner, and that never changes.' },
  ACCOUNT_CHANGED: { status: 409, message: 'This project belongs to another account, and that never changes.' },
  ALREADY_DELETED: { status: 409, message: 'This project is deleted, and that is final. Register a new one.' },
  TOO_MANY_SECRETS: { status: 409, message: 'This partner has two secrets already. Revoke one, or wait until one has ended.' },
  NUMBERS_TOO_WIDE: { status: 409, message: 'A number of this export has more than the 38 digits that Parquet holds. Ask for csv, json or ndjson.' },
  NO_KAFKA: { status: 409, message: 'This service runs without Kafka: its only log is http, which cannot be read again. Set KAFKA_BROKERS.' },
  LOG_VERB_REFUSED: { status: 409, message: 'The log is not in a state in which this would help.' },
  REBUILD_HELD: { status: 409, message: 'Another process counts events. Stop it, then try again.' },
  REBUILD_RUNNING: { status: 409, message: 'A rollup is being rebuilt. Try again when that has ended.' },
  AUDIT_RUNNING: { status: 409, message: 'Another audit is running in this process. Wait until it has ended, then ask again.' },
  NAME_TAKEN: { status: 409, message: 'Another living project of this partner has this name.' },
  SECRET_NOT_FOUND: { status: 404, message: 'Secret not found.' },
  SECRET_EXISTS: { status: 409, message: 'Secret already exists.' },
  SECRET_RESERVED: { status: 403, message: 'A reserved secret cannot be deleted.' },
  SECRETS_FULL: { status: 409, message: 'No more secrets are kept. Give one that is inactive a new value instead.' },
  TOO_LARGE: { status: 413, message: 'The request is too large; nothing of it was kept.' },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, message: 'Send the body as application/json.' },
  RATE_LIMITED: { status: 429, message: 'Too many requests with these credentials. Wait, then try again.' },
  TOO_MANY_AT_ONCE: { status: 429, message: 'Too many reads of this partner wait for their turn. Send fewer at once, and the next when one is answered.' },
  GUESSING_BRAKE: { status: 429, message: 'Too many credentials from this address were not valid. Wait, then try again with the right one.' },
  INTERNAL: { status: 500, message: 'An error of ours. Quote the request_id when you report it.' },
  SECRET_NOT_UPDATED: { status: 500, message: 'Failed to update secret.' },
  EVENTS_UNAVAILABLE: { status: 503, message: 'Events cannot be stored right now. Send all of them again later; nothing counts twice.' },
  STORE_UNAVAILABLE: { status: 503, message: 'The store cannot be read or changed right now; no total is given and nothing was promised. Try again later.' },
  PROVISIONING: {
    status: 503,
    message: 'The change is recorded and goes on, but the platform has not confirmed it in time. Asking again is safe: it starts nothing new.',
  },
  STATEMENTS_BUSY: { status: 503, message: 'Too many statements are being read at once. Read those that are open to their end, then try again.' },
  EXPORTS_BUSY: { status: 503, message: 'As many exports as may run at once are running. Try again when one has ended.' },
  KAFKA_UNAVAILABLE: { status: 503, message: 'Kafka cannot be reached right now. Try again later.' },
  STOPPING: { status: 503, message: 'The service is stopping; nothing of this request was done. Try again later.' },
  OVERLOADED: { status: 503, message: 'The service is busy. Try again later.' },
} as const satisfies Record<string, { status: number; message: string }>

export type ApiErrorCode = keyof typeof API_ERRORS

export class ApiError extends Error {
  readonly code: ApiErrorCode
  readonly status: number
  /** When it may help to ask again, where that is known. */
  readonly retryAfterSeconds: number | undefined = undefined

  constructor(code: ApiErrorCode, message: string = API_ERRORS[code].message, cause?: unknown) {
    super(message, { cause })
    this.name = 'ApiError'
    this.code = code
    this.status = API_ERRORS[code].status
  }
}

/** The one shape of an error, whatever went wrong. */
export function errorBody({ message, code }: ApiError, requestId: string) {
  return { success: false, message, code, request_id: requestId }
}

const EXHAUSTED = 'The store took too long, or has too little memory for this right now; no total is given. Try again, or ask for a shorter period.'

/** What a route takes as its body. */
export interface AcceptedBody {
  readonly bytesMax: number
  readonly types: readonly string[]
}

/** Total: every thrown thing becomes one row of the table. What is not foreseen is INTERNAL and says nothing else. */
export function toApiError(thrown: unknown, taken: AcceptedBody): ApiError {
  if (thrown instanceof ApiError) return thrown
  if (thrown instanceof EventsUnavailable) return new ApiError('EVENTS_UNAVAILABLE', thrown.message, thrown)
  if (thrown instanceof KafkaUnavailable) return new ApiError('KAFKA_UNAVAILABLE', undefined, thrown)
  if (thrown instanceof TooManyWaiting) return new ApiError('TOO_MANY_AT_ONCE', thrown.message, thrown)
  if (thrown instanceof StoreError) {
    if (thrown.fault === 'too_large') return new ApiError('QUERY_TOO_LARGE', undefined, thrown)
    if (thrown.fault === 'exhausted') return new ApiError('STORE_UNAVAILABLE', EXHAUSTED, thrown)
    return thrown.fault === 'unavailable' || thrown.fault === 'fenced'
      ? new ApiError('STORE_UNAVAILABLE', undefined, thrown)
      : new ApiError('INTERNAL', undefined, thrown)
  }
  const known = fastifyErrorOf(thrown, taken)
  return known ?? new ApiError('INTERNAL', undefined, thrown)
}

/** The framework's own refusals, by their codes. */
const FASTIFY_ERRORS: Record<string, ApiErrorCode> = {
  FST_ERR_VALIDATION: 'INVALID_REQUEST',
  FST_ERR_CTP_INVALID_JSON_BODY: 'BODY_NOT_JSON',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'BODY_NOT_JSON',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'INVALID_REQUEST',
  FST_ERR_CTP_BODY_TOO_LARGE: 'TOO_LARGE',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'UNSUPPORTED_MEDIA_TYPE',
  FST_ERR_MAX_PARAM_LENGTH: 'NOT_FOUND',
  FST_ERR_BAD_URL: 'INVALID_REQUEST',
  FST_UNDER_PRESSURE: 'OVERLOADED',
}

function fastifyErrorOf(thrown: unknown, { bytesMax, types }: AcceptedBody): ApiError | undefined {
  if (!(thrown instanceof Error)) return undefined
  const own = 'code' in thrown && typeof thrown.code === 'string' ? FASTIFY_ERRORS[thrown.code] : undefined
  if (own === 'INVALID_REQUEST') return new ApiError(own, describeValidation(thrown), thrown)
  if (own === 'TOO_LARGE') return new ApiError(own, `A body has at most ${bytesMax / MEBIBYTE} MiB here. Nothing of it was kept.`, thrown)
  if (own === 'UNSUPPORTED_MEDIA_TYPE') return new ApiError(own, `Send the body as ${types.join(', ')}.`, thrown)
  if (own !== undefined) return new ApiError(own, undefined, thrown)
  const status = 'statusCode' in thrown ? thrown.statusCode : undefined
  if (status === 429) return new ApiError('RATE_LIMITED', undefined, thrown)
  return typeof status === 'number' && status >= 400 && status < 500 ? new ApiError('INVALID_REQUEST', undefined, thrown) : undefined
}

const MEBIBYTE = 1024 ** 2

/** Names each field and what is wrong with it. */
function describeValidation(error: Error): string {
  const { validation, validationContext } = error as { validation?: { instancePath: string; message?: string }[]; validationContext?: string }
  if (validation === undefined || validation.length === 0) return error.message
  const where = validationContext === 'querystring' ? 'query' : (validationContext ?? 'request')
  return validation
    .map(({ instancePath, message }) => `${where}${instancePath === '/' ? '' : instancePath.replaceAll('/', '.')}: ${message ?? 'invalid'}`)
    .join('; ')
}
