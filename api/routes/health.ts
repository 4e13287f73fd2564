import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import type { BackgroundJobs } from '../../aggregator/background-jobs.ts'
import { ERRORS, ErrorBody } from '../../contract/errors.ts'
import type { Ingesting } from '../../ingest/log/event-log.ts'
import { EVERYONE } from '../auth/access.ts'
import { ApiError, errorBody } from '../errors/errors.ts'
import { aggregatorMetrics } from '../prometheus/aggregator-metrics.ts'
import { ingestMetrics } from '../prometheus/http-metrics.ts'

export interface HealthRoutesOptions {
  /** Undefined in a process that counts nothing: it is ready when it runs. */
  readonly ingesting: Ingesting | undefined
  readonly aggregating: BackgroundJobs | undefined
}

/** What a supervisor and a Prometheus ask for. Unlimited, and without credentials: they tell nothing about a partner. */
export function healthRoutes(app: FastifyInstance, { ingesting, aggregating }: HealthRoutesOptions): void {
  if (ingesting !== undefined) ingestMetrics(app.metrics, ingesting)
  if (aggregating !== undefined) aggregatorMetrics(app.metrics, aggregating)
  const unlimited = { access: EVERYONE, limit: 'none' } as const
  const Ok = z.object({ status: z.literal('ok') })

  app.get('/healthz', { config: unlimited, schema: { tags: ['operating'], summary: 'The process is alive', response: { 200: Ok } } }, async () => ({
    status: 'ok',
  }))

  app.get(
    '/readyz',
    { config: unlimited, schema: { tags: ['operating'], summary: 'Events are accepted', response: { 200: Ok, 503: ErrorBody } } },
    async (request, reply) => {
      const readiness = ingesting?.readiness() ?? { ready: true }
      if (readiness.ready) return reply.send({ status: 'ok' as const })
      // An answer and no error of this service: it is asked every few seconds, and each error is logged.
      const error = new ApiError('EVENTS_UNAVAILABLE', `${ERRORS.EVENTS_UNAVAILABLE.message} Reason: ${readiness.reason}.`)
      return reply.code(503).header('retry-after', '1').send(errorBody(error, request.id))
    },
  )

  app.get('/metrics', { config: unlimited, schema: { tags: ['operating'], summary: 'Prometheus metrics', hide: true } }, async (_request, reply) => {
    reply.type(app.metrics.contentType).serializer((text: unknown) => String(text))
    return app.metrics.metrics()
  })
}
