import { type FastifyInstance, fastify, LogController } from 'fastify'
import { validatorCompiler } from 'fastify-type-provider-zod'
import type { Aggregating } from '../aggregator/background-jobs.ts'
import type { Ingesting } from '../ingest/log/event-log.ts'
import { exactSerializer } from './answers/exact-serializer.ts'
import type { ApiContext } from './context.ts'
import { answerErrorsInOneShape } from './errors/answer-error.ts'
import { httpMetrics } from './prometheus/http-metrics.ts'
import { operatingRoutes } from './routes/health.ts'
import { SERVER_LIMITS } from './server.ts'

export interface OperatingAppOptions {
  readonly logger: ApiContext['logger']
  readonly ingesting: Ingesting | undefined
  readonly aggregating: Aggregating | undefined
}

/** The api of a process that only ingests, or only aggregates: alive, ready, metrics. */
export async function buildOperatingApp({ logger, ingesting, aggregating }: OperatingAppOptions): Promise<FastifyInstance> {
  const app: FastifyInstance = fastify({ ...SERVER_LIMITS, loggerInstance: logger, logController: new LogController({ disableRequestLogging: true }) })
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(exactSerializer)
  answerErrorsInOneShape(app)
  httpMetrics(app)
  operatingRoutes(app, { ingesting, aggregating })
  await app.ready()
  return app
}
