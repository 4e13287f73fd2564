import type { FastifyInstance } from 'fastify'
import { ApiError } from '../errors/errors.ts'

/** Answers of node:http itself have neither a body nor a request id; with `requireHostHeader: false` such requests come here. */
export function requireHost(app: FastifyInstance): void {
  // An unknown expectation may be ignored (RFC 9110, 10.1.1).
  app.server.on('checkExpectation', (request, response) => app.routing(request, response))
  app.addHook('onRequest', async (request) => {
    const { httpVersion, headers } = request.raw
    if (httpVersion === '1.1' && headers.host === undefined) throw new ApiError('INVALID_REQUEST', 'An HTTP/1.1 request needs a Host header.')
  })
}
