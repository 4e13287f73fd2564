import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import type { ApiContext } from '../context.ts'
import { API_ERRORS, ApiError } from '../errors.ts'
import { eventLogMetrics } from '../http-metrics.ts'
import { ErrorBody } from '../schemas.ts'

/** What a supervisor and a Prometheus ask for. Unlimited, and without credentials: they tell nothing about a partner. */
export function operatingRoutes(app: FastifyInstance, { eventLog }: ApiContext): void {
  eventLogMetrics(
    app.metrics,
    () => eventLog.stats(),
    () => eventLog.readiness(),
  )
  const unlimited = { rateLimit: false }
  const Ok = z.object({ status: z.literal('ok') })

  app.get('/healthz', { config: unlimited, schema: { tags: ['operating'], summary: 'The process is alive', response: { 200: Ok } } }, async () => ({
    status: 'ok',
  }))

  app.get(
    '/readyz',
    { config: unlimited, schema: { tags: ['operating'], summary: 'Events are accepted', response: { 200: Ok, 503: ErrorBody } } },
    async () => {
      const readiness = eventLog.readiness()
      if (!readiness.ready) throw new ApiError('EVENTS_UNAVAILABLE', `${API_ERRORS.EVENTS_UNAVAILABLE.message} Reason: ${readiness.reason}.`)
      return { status: 'ok' }
    },
  )

  app.get('/metrics', { config: unlimited, schema: { tags: ['operating'], summary: 'Prometheus metrics', hide: true } }, async (_request, reply) => {
    reply.type(app.metrics.contentType).serializer((text: unknown) => String(text))
    return app.metrics.metrics()
  })
}
