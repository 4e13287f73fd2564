import type { FastifyInstance } from 'fastify'
import { ApiError } from '../errors/errors.ts'

/** What node:http answers by itself has neither a body nor an id; with `requireHostHeader: false` all of it comes here. */
export function requireHost(app: FastifyInstance): void {
  // An expectation that nobody knows may be ignored (RFC 9110, 10.1.1).
  app.server.on('checkExpectation', (request, response) => app.routing(request, response))
  app.addHook('onRequest', async (request) => {
    const { httpVersion, headers } = request.raw
    if (httpVersion === '1.1' && headers.host === undefined) throw new ApiError('INVALID_REQUEST', 'A request of HTTP/1.1 has a Host header.')
  })
}
