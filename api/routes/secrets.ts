import type { FastifyInstance } from 'fastify'
import { ERRORS } from '../../contract/errors.ts'
import type { AnswerOf } from '../../contract/operation.ts'
import {
  CREATE_SECRET,
  DELETE_SECRET,
  DOCUMENTED_MESSAGES,
  GET_SECRET,
  LIST_SECRETS,
  SECRETS_MAX,
  SECRETS_PATH,
  UPDATE_SECRET,
} from '../../contract/secrets.ts'
import { TIMESTAMP_MIN_MS } from '../../metering/event.ts'
import { formatTimestamp, instantOrNull, parseTimestamp } from '../../metering/timestamp.ts'
import { createSecret, deleteSecret, revealSecret, updateSecret } from '../../registry/secrets/change-secrets.ts'
import { listSecrets, SECRET_EXPIRES_MS_MAX, type SecretFacts } from '../../registry/secrets/stored-secrets.ts'
import { StoreError } from '../../sql/errors.ts'
import { OPERATOR } from '../auth/access.ts'
import { actorOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'
import { addRoute, type RouteOptions } from '../route.ts'

export function listSecretsRoute(app: FastifyInstance, { registry }: ApiContext): void {
  addRoute(app, LIST_SECRETS, GUARDED, async () => ({ secrets: (await listSecrets(registry)).map(secretAnswer) }))
}

export function createSecretRoute(app: FastifyInstance, { registry }: ApiContext): void {
  addRoute(app, CREATE_SECRET, GUARDED, async (request) => {
    const { key, value, isReserved, expiresAt } = request.body
    const expiresMs = expiresAt === undefined ? null : requireInstant(expiresAt)
    if (expiresMs !== null && expiresMs <= Date.now()) throw new ApiError('INVALID_REQUEST', 'body.expiresAt: must be in the future')
    const outcome = await createSecret(registry, actorOf(request), { key, value, isReserved, expiresMs })
    if (outcome.status === 'full')
      throw new ApiError('SECRETS_FULL', `The limit of ${SECRETS_MAX} secrets is reached. Give an inactive secret a new value instead.`)
    if (outcome.status === 'exists') throw new ApiError('SECRET_EXISTS', alreadyExists(key, outcome.isActive))
    return { success: true as const, message: `Secret ${key} has been created successfully`, id: outcome.id }
  })
}

export function getSecret(app: FastifyInstance, { registry }: ApiContext): void {
  addRoute(app, GET_SECRET, GUARDED, async (request) => {
    const { key } = request.params
    const value = await revealSecret(registry, actorOf(request), key)
    if (value === undefined) throw notFound(key)
    return { key, value }
  })
}

export function updateSecretRoute(app: FastifyInstance, { registry }: ApiContext): void {
  addRoute(app, UPDATE_SECRET, GUARDED, async (request) => {
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
  })
}

export function deleteSecretRoute(app: FastifyInstance, { registry }: ApiContext): void {
  addRoute(app, DELETE_SECRET, GUARDED, async (request) => {
    const { key } = request.params
    const outcome = await deleteSecret(registry, actorOf(request), key)
    if (outcome === 'not_found') throw notFound(key)
    if (outcome === 'reserved') throw new ApiError('SECRET_RESERVED', `Cannot delete reserved secret: ${key}`)
    return { success: true as const, message: `Secret ${key} has been deleted successfully` }
  })
}

const GUARDED = {
  access: OPERATOR,
  noStore: true,
  schemaErrorFormatter: (errors) => {
    const documented = DOCUMENTED_MESSAGES.find((each) => errors.some(({ message }) => message === each))
    return documented === undefined ? new Error(ERRORS.INVALID_REQUEST.message) : new ApiError('INVALID_REQUEST', documented)
  },
} satisfies RouteOptions

function requireInstant(text: string): number {
  const instantMs = parseTimestamp(text)
  if (instantMs !== undefined && instantMs >= TIMESTAMP_MIN_MS && instantMs <= SECRET_EXPIRES_MS_MAX) return instantMs
  throw new ApiError('INVALID_REQUEST', 'body.expiresAt: must be an ISO 8601 date-time with a zone, such as 2027-01-31T00:00:00Z, from 2000 to 2299')
}

function alreadyExists(key: string, isActive: boolean): string {
  const exists = `Secret already exists: ${key}`
  return isActive ? exists : `${exists}. It is inactive: PUT ${SECRETS_PATH}/${key} with "isActive": true restores it`
}

function notFound(key: string): ApiError {
  return new ApiError('SECRET_NOT_FOUND', `Secret not found: ${key}`)
}

function secretAnswer({ id, key, isActive, isReserved, createdMs, updatedMs, expiresMs }: SecretFacts): AnswerOf<typeof LIST_SECRETS>['secrets'][number] {
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
