import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { ApiError, errorBody, toApiError } from './errors.ts'
import { isSecretsPath, secretsErrorBody } from './secrets-errors.ts'

/** Every error leaves in the one shape of errors.ts, unknown routes included; below the path of the Secrets API in the shape of its documentation. */
export function answerErrorsInOneShape(app: FastifyInstance): void {
  app.setNotFoundHandler(async () => {
    throw new ApiError('NOT_FOUND')
  })
  app.setErrorHandler(answerError)
}

export function answerError(thrown: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const { bodyLimit: bytesMax, schema } = request.routeOptions
  const error = toApiError(thrown, { bytesMax, types: Object.keys(schema?.documentedBody ?? { 'application/json': {} }) })
  // What is not done yet is no fault: the platform's trouble is told where it is called.
  if (error.status >= 500 && error.code !== 'PROVISIONING') request.log.error({ err: thrown, code: error.code, requestId: request.id }, 'request failed')
  if ((error.status === 503 || error.status === 429) && !reply.hasHeader('retry-after')) reply.header('retry-after', String(error.retryAfterSeconds ?? 1))
  if (error.status === 401) reply.header('www-authenticate', 'Bearer')
  // A path may be written in more ways than one; the route's is one.
  const body = isSecretsPath(request.routeOptions.url ?? request.url) ? secretsErrorBody(error) : errorBody(error, request.id)
  // Serialized here: a route's own answer shapes are for its answers.
  reply.code(error.status).header('x-request-id', request.id).type('application/json; charset=utf-8').serializer(JSON.stringify).send(body)
}
