import { ERRORS, type ErrorCode } from '../../contract/errors.ts'
import { KafkaUnavailable } from '../../ingest/kafka/topic.ts'
import { EventsUnavailable } from '../../ingest/log/event-log.ts'
import { TooManyWaiting } from '../../registry/change-queue.ts'
import { StoreError } from '../../sql/errors.ts'

export class ApiError extends Error {
  readonly code: ErrorCode
  readonly status: number
  /** When a retry may succeed, if that is known. */
  readonly retryAfterSeconds: number | undefined = undefined
  /** For the access log: what the caller is not told, because it would help a guesser. */
  readonly reason: string | undefined = undefined

  constructor(code: ErrorCode, message: string = ERRORS[code].message, cause?: unknown) {
    super(message, { cause })
    this.name = 'ApiError'
    this.code = code
    this.status = ERRORS[code].status
  }
}

/** The body of every error answer. */
export function errorBody({ message, code }: ApiError, requestId: string) {
  return { success: false, message, code, request_id: requestId }
}

const EXHAUSTED = 'The store took too long or has too little memory right now; no total is returned. Try again, or request a shorter period.'

/** The bodies that a route accepts. */
export interface AcceptedBody {
  readonly bytesMax: number
  readonly types: readonly string[]
}

/** Total: everything that is thrown becomes one row of the table. Unforeseen errors are INTERNAL and reveal nothing else. */
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

/** Errors of the framework, by their codes. */
const FASTIFY_ERRORS: Record<string, ErrorCode> = {
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
  if (own === 'TOO_LARGE')
    return new ApiError(own, `The body has more than ${bytesMax / MEBIBYTE} MiB, which is the limit of this route. Nothing of it was stored.`, thrown)
  if (own === 'UNSUPPORTED_MEDIA_TYPE') return new ApiError(own, `Send the body as ${types.join(', ')}.`, thrown)
  if (own !== undefined) return new ApiError(own, undefined, thrown)
  const status = 'statusCode' in thrown ? thrown.statusCode : undefined
  if (status === 429) return new ApiError('RATE_LIMITED', undefined, thrown)
  return typeof status === 'number' && status >= 400 && status < 500 ? new ApiError('INVALID_REQUEST', undefined, thrown) : undefined
}

const MEBIBYTE = 1024 ** 2

/** Each field with what is wrong with it. */
function describeValidation(error: Error): string {
  const { validation, validationContext } = error as { validation?: { instancePath: string; message?: string }[]; validationContext?: string }
  if (validation === undefined || validation.length === 0) return error.message
  const where = validationContext === 'querystring' ? 'query' : (validationContext ?? 'request')
  return validation
    .map(({ instancePath, message }) => `${where}${instancePath === '/' ? '' : instancePath.replaceAll('/', '.')}: ${message ?? 'invalid'}`)
    .join('; ')
}
