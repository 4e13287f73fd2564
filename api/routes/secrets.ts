import type { FastifyInstance, RouteShorthandOptions } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { ERRORS } from '../../contract/errors.ts'
import { Instant, PathId } from '../../contract/fields.ts'
import { TIMESTAMP_MIN_MS } from '../../metering/event.ts'
import { formatTimestamp, instantOrNull, parseTimestamp } from '../../metering/timestamp.ts'
import { createSecret, deleteSecret, revealSecret, updateSecret } from '../../registry/secrets/change-secrets.ts'
import {
  isSecretKey,
  listSecrets,
  SECRET_EXPIRES_MS_MAX,
  SECRET_KEY_CHARACTERS_MAX,
  SECRET_VALUE_BYTES_MAX,
  SECRETS_MAX,
  type SecretFacts,
} from '../../registry/secrets/stored-secrets.ts'
import { StoreError } from '../../sql/errors.ts'
import { OPERATOR } from '../auth/access.ts'
import { actorOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'
import { SECRETS_PATH, secretsErrorAnswers } from '../errors/secrets-errors.ts'

/** Secrets that an operator keeps here, encrypted. Paths, shapes and messages are those of the documented Secrets API. */
export function secretRoutes(app: FastifyInstance, { registry }: ApiContext): void {
  const routes = app.withTypeProvider<ZodTypeProvider>()
  const common = { tags: ['secrets'] }

  routes.get(
    SECRETS_PATH,
    {
      ...GUARDED,
      schema: {
        ...common,
        summary: 'All secrets, without their values',
        description: 'Newest first, inactive and expired ones too.',
        response: { 200: z.object({ secrets: z.array(SecretAnswer) }), ...secretsErrorAnswers(401, 403, 429, 500, 503) },
      },
    },
    async () => ({ secrets: (await listSecrets(registry)).map(secretAnswer) }),
  )

  routes.post(
    SECRETS_PATH,
    {
      ...GUARDED,
      schema: {
        ...common,
        summary: 'Create a secret',
        description: `The value is encrypted before it is stored. At most ${SECRETS_MAX} are kept.`,
        body: NewSecret,
        response: { 201: Done.extend({ id: z.uuid() }), ...secretsErrorAnswers(400, 401, 403, 409, 413, 415, 429, 500, 503) },
      },
    },
    async (request, reply) => {
      const { key, value, isReserved, expiresAt } = request.body
      const expiresMs = expiresAt === undefined ? null : requireInstant(expiresAt)
      if (expiresMs !== null && expiresMs <= Date.now()) throw new ApiError('INVALID_REQUEST', 'body.expiresAt: must be in the future')
      const outcome = await createSecret(registry, actorOf(request), { key, value, isReserved, expiresMs })
      if (outcome.status === 'full') throw new ApiError('SECRETS_FULL', `There are ${SECRETS_MAX} secrets. Give one that is inactive a new value instead.`)
      if (outcome.status === 'exists') throw new ApiError('SECRET_EXISTS', alreadyExists(key, outcome.isActive))
      return reply.code(201).send({ success: true as const, message: `Secret ${key} has been created successfully`, id: outcome.id })
    },
  )

  routes.get(
    `${SECRETS_PATH}/:key`,
    {
      ...GUARDED,
      schema: {
        ...common,
        summary: 'The value of a secret',
        description: 'Who reads it is noted in the audit log, before it is answered.',
        params: KeyParams,
        response: { 200: z.object({ key: z.string(), value: z.string() }), ...secretsErrorAnswers(401, 403, 404, 429, 500, 503) },
      },
    },
    async (request) => {
      const { key } = request.params
      const value = await revealSecret(registry, actorOf(request), key)
      if (value === undefined) throw notFound(key)
      return { key, value }
    },
  )

  routes.put(
    `${SECRETS_PATH}/:key`,
    {
      ...GUARDED,
      schema: {
        ...common,
        summary: 'Change a secret',
        description: 'What stays away stays as it is. `isActive: true` brings a deleted secret back.',
        params: KeyParams,
        body: SecretUpdate,
        response: { 200: Done, ...secretsErrorAnswers(400, 401, 403, 404, 413, 415, 429, 500, 503) },
      },
    },
    async (request) => {
      const { key } = request.params
      const { expiresAt, ...update } = request.body
      if (Object.keys(request.body).length === 0)
        throw new ApiError('INVALID_REQUEST', 'Nothing to change. Send at least one of value, isActive, isReserved and expiresAt')
      const expiresMs = typeof expiresAt === 'string' ? requireInstant(expiresAt) : expiresAt
      const outcome = await updateSecret(registry, actorOf(request), { key, ...update, expiresMs }).catch((thrown: unknown) => {
        if (thrown instanceof StoreError) throw new ApiError('SECRET_NOT_UPDATED', `Failed to update secret: ${key}`, thrown)
        throw thrown
      })
      if (outcome === 'not_found') throw notFound(key)
      return { success: true as const, message: `Secret ${key} has been updated successfully` }
    },
  )

  routes.delete(
    `${SECRETS_PATH}/:key`,
    {
      ...GUARDED,
      schema: {
        ...common,
        summary: 'Delete a secret',
        description: 'It becomes inactive: it is still listed, its value is not found until it is made active again.',
        params: KeyParams,
        response: { 200: Done, ...secretsErrorAnswers(401, 403, 404, 429, 500, 503) },
      },
    },
    async (request) => {
      const { key } = request.params
      const outcome = await deleteSecret(registry, actorOf(request), key)
      if (outcome === 'not_found') throw notFound(key)
      if (outcome === 'reserved') throw new ApiError('SECRET_RESERVED', `Cannot delete reserved secret: ${key}`)
      return { success: true as const, message: `Secret ${key} has been deleted successfully` }
    },
  )
}

const BOTH_REQUIRED = 'Both key and value are required'
const KEY_FORMAT = 'Invalid key format. Use uppercase letters, numbers, and underscores only (e.g., STRIPE_API_KEY)'

/** Said as they are documented, and instead of whatever else is wrong. */
const DOCUMENTED: readonly string[] = [BOTH_REQUIRED, KEY_FORMAT]

const GUARDED = {
  config: { access: OPERATOR, noStore: true },
  schemaErrorFormatter: (errors) => {
    const documented = DOCUMENTED.find((each) => errors.some(({ message }) => message === each))
    return documented === undefined ? new Error(ERRORS.INVALID_REQUEST.message) : new ApiError('INVALID_REQUEST', documented)
  },
} satisfies RouteShorthandOptions

const KeyParams = z.object({ key: PathId })

const SecretAnswer = z.object({
  id: z.uuid(),
  key: z.string(),
  isActive: z.boolean(),
  isReserved: z.boolean(),
  createdAt: Instant,
  updatedAt: Instant,
  expiresAt: Instant.nullable(),
})

const Done = z.object({ success: z.literal(true), message: z.string() })

/** A body that is missing is null to the validator. */
const isThere = (input: unknown) => input !== undefined && input !== null

/** An empty text is as good as none. */
const RequiredText = z.string({ error: ({ input }) => (isThere(input) ? undefined : BOTH_REQUIRED) }).min(1, BOTH_REQUIRED)

const KeyText = RequiredText.max(SECRET_KEY_CHARACTERS_MAX)
  .refine((key) => key.length > SECRET_KEY_CHARACTERS_MAX || isSecretKey(key), KEY_FORMAT)
  .meta({ pattern: '^[A-Z0-9_]+$', example: 'STRIPE_API_KEY' })

/** Control characters may be in it: keys in PEM have lines. */
const storable = <T extends z.ZodString>(text: T) =>
  text
    .refine((value) => Buffer.byteLength(value, 'utf8') <= SECRET_VALUE_BYTES_MAX, `must have at most ${SECRET_VALUE_BYTES_MAX} bytes`)
    .refine((value) => Buffer.from(value, 'utf8').toString('utf8') === value, 'has half of a surrogate pair, which no text in UTF-8 can have')

const Expiry = z.string().meta({ format: 'date-time', description: 'ISO 8601 with a zone. From then on the value is not found.' })

const NewSecret = z.strictObject(
  { key: KeyText, value: storable(RequiredText), isReserved: z.boolean().default(false), expiresAt: Expiry.optional() },
  { error: ({ code, input }) => (code === 'invalid_type' && !isThere(input) ? BOTH_REQUIRED : undefined) },
)

const SecretUpdate = z.strictObject({
  value: storable(z.string().min(1)).optional(),
  isActive: z.boolean().optional(),
  isReserved: z.boolean().optional(),
  expiresAt: Expiry.nullable().optional(),
})

function requireInstant(text: string): number {
  const instantMs = parseTimestamp(text)
  if (instantMs !== undefined && instantMs >= TIMESTAMP_MIN_MS && instantMs <= SECRET_EXPIRES_MS_MAX) return instantMs
  throw new ApiError('INVALID_REQUEST', 'body.expiresAt: must be an ISO 8601 date-time with a zone, such as 2027-01-31T00:00:00Z, from 2000 to 2299')
}

function alreadyExists(key: string, isActive: boolean): string {
  const exists = `Secret already exists: ${key}`
  return isActive ? exists : `${exists}. It is inactive: PUT ${SECRETS_PATH}/${key} with "isActive": true brings it back`
}

function notFound(key: string): ApiError {
  return new ApiError('SECRET_NOT_FOUND', `Secret not found: ${key}`)
}

function secretAnswer({ id, key, isActive, isReserved, createdMs, updatedMs, expiresMs }: SecretFacts): z.output<typeof SecretAnswer> {
  return {
    id,
    key,
    isActive,
    isReserved,
    createdAt: formatTimestamp(createdMs),
    updatedAt: formatTimestamp(updatedMs),
    expiresAt: instantOrNull(expiresMs),
  }
}
