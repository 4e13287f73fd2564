import { type FastifyInstance, type FastifyRequest, fastify, LogController } from 'fastify'
import { validatorCompiler } from 'fastify-type-provider-zod'
import type { BackgroundJobs } from '../aggregator/background-jobs.ts'
import type { Automating } from '../automation/start-automation.ts'
import type { Build } from '../contract/health.ts'
import type { KnownMetrics } from '../ingest/event/known-metrics.ts'
import type { Ingesting } from '../ingest/log/event-log.ts'
import { exactSerializer } from './answers/exact-serializer.ts'
import { METRICS_READER, needsCredential } from './auth/access.ts'
import { isAdminToken } from './auth/auth.ts'
import { sentCredential } from './auth/sent-credential.ts'
import type { ApiContext } from './context.ts'
import { handleErrors } from './errors/answer-error.ts'
import { ApiError } from './errors/errors.ts'
import { logRequests } from './http/access-log.ts'
import { httpMetrics } from './prometheus/http-metrics.ts'
import { getLiveness, getReadiness, getVersion } from './routes/health.ts'
import { collectMetrics, getMetrics } from './routes/metrics.ts'
import { listServiceLogs } from './routes/service-logs.ts'
import { SERVER_LIMITS } from './server.ts'
import type { ServiceLogs } from './service-logs/service-logs.ts'

export interface HealthAppOptions {
  readonly logger: ApiContext['logger']
  readonly serviceLogs: ServiceLogs
  readonly logRequests: ApiContext['logRequests']
  readonly ingesting: Ingesting | undefined
  readonly knownMetrics?: KnownMetrics | undefined
  readonly aggregating: BackgroundJobs | undefined
  readonly automating: Automating | undefined
  /** Undefined: only programs on this machine may read the metrics, if there is no listener of their own. */
  readonly adminToken: string | undefined
  readonly hasMetricsListener: boolean
  readonly build: Build
  readonly isStopping: () => boolean
}

/** The HTTP interface of a process that only ingests or only aggregates: liveness, readiness, version, its log and, without a listener of their own, metrics. */
export async function buildHealthApp(options: HealthAppOptions): Promise<FastifyInstance> {
  const { logger, adminToken, hasMetricsListener, build } = options
  const app: FastifyInstance = fastify({ ...SERVER_LIMITS, loggerInstance: logger, logController: new LogController({ disableRequestLogging: true }) })
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(exactSerializer)
  handleErrors(app)
  httpMetrics(app, build)
  logRequests(app, options)
  getLiveness(app)
  getReadiness(app, options)
  getVersion(app, options)
  collectMetrics(app, options)
  app.addHook('onRequest', async (request) => requireAdminToken(request, adminToken))
  listServiceLogs(app, options)
  if (!hasMetricsListener) getMetrics(app, { access: METRICS_READER, isPolled: true })
  await app.ready()
  return app
}

/** This process has no registry, so it accepts the admin token itself and no admin JWT. */
function requireAdminToken(request: FastifyRequest, adminToken: string | undefined): void {
  const { access } = request.routeOptions.config
  if (access === undefined || !needsCredential(request, access)) return
  const sent = sentCredential(request, access)
  if (sent === undefined || adminToken === undefined || !isAdminToken(sent.text, adminToken)) throw new ApiError('UNAUTHENTICATED')
}
