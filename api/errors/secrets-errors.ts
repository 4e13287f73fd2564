import { z } from 'zod'
import { ERRORS, type ErrorCode } from '../../contract/errors.ts'
import type { ApiError } from './errors.ts'

/** The paths of the Secrets API. Every error below them has the shape that its documentation gives. */
export const SECRETS_PATH = '/api/secrets'

export function isSecretsPath(path: string): boolean {
  return path === SECRETS_PATH || path.startsWith(`${SECRETS_PATH}/`) || path.startsWith(`${SECRETS_PATH}?`)
}

/** The documentation names those of 400, 403, 404, 409 and 500. */
const ERROR_NAMES = {
  400: 'INVALID_INPUT',
  401: 'UNAUTHORIZED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  409: 'INVALID_INPUT',
  413: 'PAYLOAD_TOO_LARGE',
  415: 'UNSUPPORTED_MEDIA_TYPE',
  429: 'RATE_LIMITED',
  500: 'INTERNAL_ERROR',
  503: 'SERVICE_UNAVAILABLE',
} as const satisfies Record<(typeof ERRORS)[ErrorCode]['status'], string>

export const SecretsErrorBody = z
  .object({ error: z.enum(Object.values(ERROR_NAMES)), message: z.string(), statusCode: z.number().int() })
  .meta({ id: 'SecretsError', description: 'Every answer of the Secrets API that is not 2xx. The request’s id is in the header x-request-id.' })

export function secretsErrorBody({ code, message, status }: ApiError): z.output<typeof SecretsErrorBody> {
  return { error: ERROR_NAMES[ERRORS[code].status], message, statusCode: status }
}

/** The errors a route of the Secrets API can answer with, for its `response`. */
export function secretsErrorAnswers(...statuses: (keyof typeof ERROR_NAMES)[]): Record<number, typeof SecretsErrorBody> {
  return Object.fromEntries(statuses.map((status) => [status, SecretsErrorBody]))
}
