import { AsyncResource } from 'node:async_hooks'
import { tracingChannel } from 'node:diagnostics_channel'
import type { FastifyInstance } from 'fastify'

/** The tracing channel (node:diagnostics_channel) that reports each request, in whose context everything runs that it causes. */
export const REQUEST_CHANNEL = 'meterline:request'

/** No path and no query, which hold ids and search texts. */
export interface TracedRequest {
  readonly method: string
  readonly requestId: string
  /** The trace context that the caller sent (W3C `traceparent`), unchecked: nothing but the trace may depend on it. */
  readonly sentTraceparent: string | undefined
  /** The trace context of the request itself. A tracer sets it at the start. */
  traceparent?: string
  /** The pattern of the route; undefined if there is none. Set at the end, as the others below. */
  route?: string | undefined
  status?: number
  /** The code of a failure. */
  code?: string | undefined
}

const requests = tracingChannel<unknown, TracedRequest>(REQUEST_CHANNEL)

/** Reports requests while a tracer listens, except those of supervisors, which come every few seconds. Before all other hooks. */
export function traceRequests(app: FastifyInstance): void {
  app.addHook('onRequest', (request, _reply, done) => {
    if (!requests.start.hasSubscribers || request.routeOptions.config.isPolled === true) return done()
    const { traceparent } = request.headers
    const traced: TracedRequest = { method: request.method, requestId: request.id, sentTraceparent: typeof traceparent === 'string' ? traceparent : undefined }
    requests.start.runStores(traced, () => {
      request.traced = traced
      request.tracedScope = new AsyncResource('meterline:request')
      done()
    })
  })
  // A body is read in the context of its connection.
  app.addHook('preValidation', (request, _reply, done) => {
    if (request.tracedScope === undefined) return done()
    request.tracedScope.runInAsyncScope(() => done())
  })
  app.addHook('onResponse', async ({ traced, routeOptions, failure }, reply) => {
    if (traced === undefined) return
    traced.route = routeOptions.url
    traced.status = reply.statusCode
    traced.code = failure?.code
    requests.asyncEnd.publish(traced)
  })
}

declare module 'fastify' {
  interface FastifyRequest {
    /** While requests are traced. */
    traced?: TracedRequest
    tracedScope?: AsyncResource
  }
}
