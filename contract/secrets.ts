import { z } from 'zod'
import { ERRORS, type ErrorCode } from './errors.ts'
import { Instant, PathId } from './fields.ts'
import { defineOperation } from './operation.ts'

/** Source of the paths, shapes and messages: the documentation of the Secrets API. */
export const SECRETS_PATH = '/api/secrets'

const SECRET_KEY_CHARACTERS_MAX = 128
const SECRET_VALUE_BYTES_MAX = 64 * 1024
/** Deleted secrets count, because their rows stay. One answer lists all of them. */
export const SECRETS_MAX = 10_000

const SECRET_KEY = /^[A-Z0-9_]+$/

export function isSecretKey(text: string): boolean {
  return text.length <= SECRET_KEY_CHARACTERS_MAX && SECRET_KEY.test(text)
}

const BOTH_REQUIRED = 'Both key and value are required'
const KEY_FORMAT = 'Invalid key format. Use uppercase letters, numbers, and underscores only (e.g., STRIPE_API_KEY)'
/** The documentation of the Secrets API gives these messages, so they replace every other message about the same request. */
export const DOCUMENTED_MESSAGES: readonly string[] = [BOTH_REQUIRED, KEY_FORMAT]

/** The documentation names those of 400, 403, 404, 409 and 500. */
const SECRETS_ERROR_NAMES = {
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

/** The Secrets API names its errors by their status alone. */
export function secretsErrorName(code: ErrorCode) {
  return SECRETS_ERROR_NAMES[ERRORS[code].status]
}

export const SecretsErrorBody = z
  .object({ error: z.enum(Object.values(SECRETS_ERROR_NAMES)), message: z.string(), statusCode: z.number().int() })
  .meta({ id: 'SecretsError', description: 'Every answer of the Secrets API that is not 2xx. The header x-request-id has the id of the request.' })

const KeyParams = z.object({ key: PathId })

const Secret = z.object({
  id: z.uuid(),
  key: z.string(),
  isActive: z.boolean(),
  isReserved: z.boolean(),
  createdAt: Instant,
  updatedAt: Instant,
  expiresAt: Instant.nullable(),
})

const Done = z.object({ success: z.literal(true), message: z.string() })

/** The validator gets null for a missing body. */
const isPresent = (input: unknown) => input !== undefined && input !== null

/** An empty text counts as missing. */
const RequiredText = z.string({ error: ({ input }) => (isPresent(input) ? undefined : BOTH_REQUIRED) }).min(1, BOTH_REQUIRED)

const KeyText = RequiredText.max(SECRET_KEY_CHARACTERS_MAX)
  .refine((key) => key.length > SECRET_KEY_CHARACTERS_MAX || isSecretKey(key), KEY_FORMAT)
  .meta({ pattern: '^[A-Z0-9_]+$', example: 'STRIPE_API_KEY' })

const utf8 = new TextEncoder()

/** Control characters are allowed, because keys in PEM format have several lines. */
const storable = <T extends z.ZodString>(text: T) =>
  text
    .refine((value) => utf8.encode(value).length <= SECRET_VALUE_BYTES_MAX, `must have at most ${SECRET_VALUE_BYTES_MAX} bytes`)
    .refine((value) => !/\p{Surrogate}/u.test(value), 'must not contain half of a surrogate pair, which UTF-8 cannot represent')

const Expiry = z.string().meta({ format: 'date-time', description: 'ISO 8601 with a zone. From this time on the value is not found.' })

const NewSecret = z.strictObject(
  { key: KeyText, value: storable(RequiredText), isReserved: z.boolean().default(false), expiresAt: Expiry.optional() },
  { error: ({ code, input }) => (code === 'invalid_type' && !isPresent(input) ? BOTH_REQUIRED : undefined) },
)

const SecretUpdate = z.strictObject({
  value: storable(z.string().min(1)).optional(),
  isActive: z.boolean().optional(),
  isReserved: z.boolean().optional(),
  expiresAt: Expiry.nullable().optional(),
})

const SECRET_ID = '1d4e7a90-3b5c-4f6d-8e7f-9a0b1c2d3e4f'

export const LIST_SECRETS = defineOperation({
  method: 'GET',
  path: SECRETS_PATH,
  tag: 'secrets',
  summary: 'List all secrets, without their values',
  description: 'Newest first. Inactive and expired secrets are included.',
  answers: { 200: z.object({ secrets: z.array(Secret) }) },
  errors: { 401: true, 403: true, 429: true, 500: true, 503: true },
  errorBody: SecretsErrorBody,
  example: {
    answers: {
      200: {
        secrets: [
          {
            id: SECRET_ID,
            key: 'STRIPE_WEBHOOK_KEY',
            isActive: true,
            isReserved: false,
            createdAt: '2026-01-02T08:00:00.000Z',
            updatedAt: '2026-01-02T08:00:00.000Z',
            expiresAt: null,
          },
        ],
      },
    },
  },
})

export const CREATE_SECRET = defineOperation({
  method: 'POST',
  path: SECRETS_PATH,
  tag: 'secrets',
  summary: 'Create a secret',
  description: `The value is encrypted before it is stored. There can be at most ${SECRETS_MAX} secrets, including deleted ones.`,
  body: NewSecret,
  answers: { 201: Done.extend({ id: z.uuid() }) },
  errors: { 400: true, 401: true, 403: true, 409: 'SECRET_EXISTS', 413: true, 415: true, 429: true, 500: true, 503: true },
  errorBody: SecretsErrorBody,
  example: {
    request: { key: 'STRIPE_WEBHOOK_KEY', value: 'EXAMPLE', expiresAt: '2027-01-01T00:00:00Z' },
    answers: { 201: { success: true, message: 'Secret STRIPE_WEBHOOK_KEY has been created successfully', id: SECRET_ID } },
  },
})

export const GET_SECRET = defineOperation({
  method: 'GET',
  path: `${SECRETS_PATH}/:key`,
  tag: 'secrets',
  summary: 'Get the value of a secret',
  description: 'The audit log records who reads it, before the value is returned.',
  params: KeyParams,
  answers: { 200: z.object({ key: z.string(), value: z.string() }) },
  errors: { 400: true, 401: true, 403: true, 404: 'SECRET_NOT_FOUND', 429: true, 500: true, 503: true },
  errorBody: SecretsErrorBody,
  example: { answers: { 200: { key: 'STRIPE_WEBHOOK_KEY', value: 'EXAMPLE' } } },
})

export const UPDATE_SECRET = defineOperation({
  method: 'PUT',
  path: `${SECRETS_PATH}/:key`,
  tag: 'secrets',
  summary: 'Change a secret',
  description: 'Fields that are left out keep their values. `isActive: true` restores a deleted secret.',
  params: KeyParams,
  body: SecretUpdate,
  answers: { 200: Done },
  errors: { 400: true, 401: true, 403: true, 404: 'SECRET_NOT_FOUND', 413: true, 415: true, 429: true, 500: true, 503: true },
  errorBody: SecretsErrorBody,
  example: {
    request: { value: 'ANOTHER_EXAMPLE' },
    answers: { 200: { success: true, message: 'Secret STRIPE_WEBHOOK_KEY has been updated successfully' } },
  },
})

export const DELETE_SECRET = defineOperation({
  method: 'DELETE',
  path: `${SECRETS_PATH}/:key`,
  tag: 'secrets',
  summary: 'Delete a secret',
  description: 'The secret becomes inactive: it is still listed, and its value is not found until the secret is made active again.',
  params: KeyParams,
  answers: { 200: Done },
  errors: { 400: true, 401: true, 403: 'SECRET_RESERVED', 404: 'SECRET_NOT_FOUND', 413: true, 415: true, 429: true, 500: true, 503: true },
  errorBody: SecretsErrorBody,
  example: { answers: { 200: { success: true, message: 'Secret STRIPE_WEBHOOK_KEY has been deleted successfully' } } },
})
