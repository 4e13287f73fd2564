import type { FastifyContextConfig, FastifyInstance } from 'fastify'
import type { BackgroundJobs } from '../../aggregator/background-jobs.ts'
import type { Ingesting } from '../../ingest/log/event-log.ts'
import { aggregatorMetrics } from '../prometheus/aggregator-metrics.ts'
import { ingestMetrics } from '../prometheus/http-metrics.ts'
import { type RenderedMetrics, shareText } from '../prometheus/shared-text.ts'

export interface CollectedParts {
  readonly ingesting: Ingesting | undefined
  readonly aggregating: BackgroundJobs | undefined
}

/** Adds the metrics of the parts that run in this process. */
export function collectMetrics({ metrics }: FastifyInstance, { ingesting, aggregating }: CollectedParts): void {
  if (ingesting !== undefined) ingestMetrics(metrics, ingesting)
  if (aggregating !== undefined) aggregatorMetrics(metrics, aggregating)
}

/** For Prometheus, so it is not part of the contract. `config` says who may read it. */
export function getMetrics(app: FastifyInstance, config: FastifyContextConfig, metrics: RenderedMetrics = app.metrics): void {
  const text = shareText(metrics, Date.now)
  app.get('/metrics', { config, schema: { hide: true } }, async (_request, reply) => {
    reply.type(metrics.contentType).serializer((rendered: unknown) => String(rendered))
    return text()
  })
}
