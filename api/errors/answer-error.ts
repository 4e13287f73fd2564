import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { ApiError, errorBody, toApiError } from './errors.ts'
import { isSecretsPath, secretsErrorBody } from './secrets-errors.ts'

/** Gives every error the same shape, unknown routes included; below /api/secrets the shape of that API's documentation. */
export function handleErrors(app: FastifyInstance): void {
  app.setNotFoundHandler(async () => {
    throw new ApiError('NOT_FOUND')
  })
  app.setErrorHandler(answerError)
}

export function answerError(thrown: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const { bodyLimit: bytesMax, schema } = request.routeOptions
  const error = toApiError(thrown, { bytesMax, types: Object.keys(schema?.documentedBody ?? { 'application/json': {} }) })
  // Pending provisioning is not an error here; delivery failures are logged by the provisioner.
  if (error.status >= 500 && error.code !== 'PROVISIONING') request.log.error({ err: thrown, code: error.code, requestId: request.id }, 'request failed')
  request.failure = { code: error.code, ...(error.reason === undefined ? {} : { reason: error.reason }) }
  if ((error.status === 503 || error.status === 429) && !reply.hasHeader('retry-after')) reply.header('retry-after', String(error.retryAfterSeconds ?? 1))
  if (error.status === 401) reply.header('www-authenticate', 'Bearer')
  // The same path can be written in several ways; the route's own URL is unique.
  const body = isSecretsPath(request.routeOptions.url ?? request.url) ? secretsErrorBody(error) : errorBody(error, request.id)
  // Serialized here: a route's own answer shapes are for its answers.
  reply.code(error.status).header('x-request-id', request.id).type('application/json; charset=utf-8').serializer(JSON.stringify).send(body)
}
