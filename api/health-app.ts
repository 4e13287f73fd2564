import { type FastifyInstance, fastify, LogController } from 'fastify'
import { validatorCompiler } from 'fastify-type-provider-zod'
import type { BackgroundJobs } from '../aggregator/background-jobs.ts'
import type { Build } from '../contract/health.ts'
import type { Ingesting } from '../ingest/log/event-log.ts'
import { exactSerializer } from './answers/exact-serializer.ts'
import type { ApiContext } from './context.ts'
import { handleErrors } from './errors/answer-error.ts'
import { httpMetrics } from './prometheus/http-metrics.ts'
import { getLiveness, getMetrics, getReadiness, getVersion } from './routes/health.ts'
import { SERVER_LIMITS } from './server.ts'

export interface HealthAppOptions {
  readonly logger: ApiContext['logger']
  readonly ingesting: Ingesting | undefined
  readonly aggregating: BackgroundJobs | undefined
  readonly build: Build
  readonly isStopping: () => boolean
}

/** The HTTP interface of a process that only ingests or only aggregates: liveness, readiness, version, metrics. */
export async function buildHealthApp({ logger, ingesting, aggregating, build, isStopping }: HealthAppOptions): Promise<FastifyInstance> {
  const app: FastifyInstance = fastify({ ...SERVER_LIMITS, loggerInstance: logger, logController: new LogController({ disableRequestLogging: true }) })
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(exactSerializer)
  handleErrors(app)
  httpMetrics(app, build)
  getLiveness(app)
  getReadiness(app, { ingesting, aggregating, isStopping })
  getVersion(app, { build })
  getMetrics(app, { ingesting, aggregating })
  await app.ready()
  return app
}
