import { isUtf8 } from 'node:buffer'
import { randomUUID } from 'node:crypto'
import helmet from '@fastify/helmet'
import underPressure from '@fastify/under-pressure'
import { type FastifyInstance, type FastifyRequest, fastify, LogController } from 'fastify'
import { exactSerializer } from './answers/exact-serializer.ts'
import { authenticate } from './auth/auth.ts'
import { ProvenCredentials } from './auth/proven-credentials.ts'
import type { OperatorContext } from './context.ts'
import { answerError, handleErrors } from './errors/answer-error.ts'
import { ApiError } from './errors/errors.ts'
import { logRequests, logWhenAnswered } from './http/access-log.ts'
import { compressAnswers } from './http/compress-answers.ts'
import { allowOrigins } from './http/cors.ts'
import { answerConditionally } from './http/etag.ts'
import { answerMalformedRequest } from './http/malformed-requests.ts'
import { limitRequests } from './http/rate-limits.ts'
import { limitConcurrentReads } from './http/read-concurrency.ts'
import { readBody } from './http/request-body.ts'
import { requireHost } from './http/require-host.ts'
import { traceRequests } from './http/trace-requests.ts'
import { warnOfUntrustedProxies } from './http/warn-of-proxies.ts'
import { describeApi } from './openapi/describe.ts'
import { httpMetrics } from './prometheus/http-metrics.ts'
import { requestValidator } from './requests/request-validator.ts'
import { addRoutes } from './routes.ts'
import { SERVER_LIMITS } from './server.ts'

const EVENT_LOOP_DELAY_MS_MAX = 3_000
const PATH_PARAMETER_CHARACTERS_MAX = 256

/** The API: its plugins, its errors and its routes. How it listens is in api/server.ts. */
export async function buildApp(context: OperatorContext): Promise<FastifyInstance> {
  const app: FastifyInstance = fastify({
    loggerInstance: context.logger,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: () => randomUUID(),
    trustProxy: [...context.trustedProxies],
    ...SERVER_LIMITS,
    routerOptions: { maxParamLength: PATH_PARAMETER_CHARACTERS_MAX },
    // A path that cannot be parsed does not reach the error handler.
    frameworkErrors: (error, request, reply) => {
      logWhenAnswered(context, request, reply)
      answerError(error, request, reply)
    },
    clientErrorHandler: (_error, socket) => answerMalformedRequest(context, socket),
    http: { ...SERVER_LIMITS.http, requireHostHeader: false },
    return503OnClosing: false,
  })
  app.setValidatorCompiler(requestValidator)
  app.setSerializerCompiler(exactSerializer)
  takeJsonBodies(app)
  handleErrors(app)
  endConnectionsWhenClosing(app, context.isStopping)
  traceRequests(app)
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id)
  })
  logRequests(app, context)
  warnOfUntrustedProxies(app, context)
  requireHost(app)
  // The service has no TLS of its own, so it must not make browsers insist on it.
  await app.register(helmet, { contentSecurityPolicy: { directives: { upgradeInsecureRequests: null } }, strictTransportSecurity: false })
  // Without a sample in an interval the plug-in takes the delay for infinite. In one of this length there was a delay beyond the limit then.
  await app.register(underPressure, { maxEventLoopDelay: EVENT_LOOP_DELAY_MS_MAX, sampleInterval: 2 * EVENT_LOOP_DELAY_MS_MAX })
  // First, so that browsers can read why they were rejected.
  await allowOrigins(app, context.corsOrigins)
  const proven = new ProvenCredentials(context.now)
  await limitRequests(app, context, proven)
  authenticate(app, context, proven)
  limitConcurrentReads(app)
  answerConditionally(app)
  compressAnswers(app)
  httpMetrics(app, context.build)
  await describeApi(app, context.registry.publicUrl)
  addRoutes(app, context)
  await app.ready()
  return app
}

/** Accepts application/json only. The documented clients send that header on every call, with and without a body: an empty body is `{}`. */
function takeJsonBodies(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, async (request: FastifyRequest, sent: Buffer) => {
    const body = await readBody(request, sent)
    if (body.length === 0) return {}
    if (!isUtf8(body)) throw new ApiError('BODY_NOT_JSON')
    return new Promise((resolve, reject) => void parse(request, body.toString('utf8'), (error, parsed) => (error === null ? resolve(parsed) : reject(error))))
  })
}

/**
 * While the service drains, requests are served, and their connections end with them: a load balancer that keeps connections open
 * opens its next one to another process. Once the port is closed, requests that began before are answered and later ones get
 * STOPPING; a connection that is kept alive would then delay the stop by a minute.
 */
function endConnectionsWhenClosing(app: FastifyInstance, isStopping: () => boolean): void {
  let closing = false
  app.addHook('preClose', async () => {
    closing = true
  })
  app.addHook('onRequest', async () => {
    if (closing) throw new ApiError('STOPPING')
  })
  app.addHook('onSend', async (_request, reply) => {
    if (closing || isStopping()) reply.header('connection', 'close')
  })
}
