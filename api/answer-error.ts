import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { ApiError, errorBody, toApiError } from './errors.ts'

/** Every error leaves in the one shape of errors.ts, unknown routes included. */
export function answerErrorsInOneShape(app: FastifyInstance): void {
  app.setNotFoundHandler(async () => {
    throw new ApiError('NOT_FOUND')
  })
  app.setErrorHandler(answerError)
}

export function answerError(thrown: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const error = toApiError(thrown)
  if (error.status >= 500) request.log.error({ err: thrown, code: error.code, requestId: request.id }, 'request failed')
  if (error.status === 503) reply.header('retry-after', '1')
  if (error.status === 401) reply.header('www-authenticate', 'Bearer')
  const body = errorBody(error, request.id)
  // Serialized here: a route's own answer shapes are for its answers.
  reply.code(error.status).header('x-request-id', request.id).type('application/json; charset=utf-8').serializer(JSON.stringify).send(body)
}
