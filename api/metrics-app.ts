import { type FastifyInstance, fastify, LogController } from 'fastify'
import { EVERYONE } from './auth/access.ts'
import type { ApiContext } from './context.ts'
import { handleErrors } from './errors/answer-error.ts'
import type { RenderedMetrics } from './prometheus/shared-text.ts'
import { getMetrics } from './routes/metrics.ts'
import { SERVER_LIMITS } from './server.ts'

/** The listener of METRICS_PORT: the metrics of this process, and nothing else. Whoever reaches its address may read them. */
export async function buildMetricsApp(metrics: RenderedMetrics, logger: ApiContext['logger']): Promise<FastifyInstance> {
  const app: FastifyInstance = fastify({ ...SERVER_LIMITS, loggerInstance: logger, logController: new LogController({ disableRequestLogging: true }) })
  handleErrors(app)
  getMetrics(app, { access: EVERYONE }, metrics)
  await app.ready()
  return app
}
