import type { FastifyContextConfig, FastifyInstance } from 'fastify'
import type { BackgroundJobs } from '../../aggregator/background-jobs.ts'
import type { Automating } from '../../automation/start-automation.ts'
import type { KnownMetrics } from '../../ingest/event/known-metrics.ts'
import type { Ingesting } from '../../ingest/log/event-log.ts'
import { aggregatorMetrics } from '../prometheus/aggregator-metrics.ts'
import { automationMetrics } from '../prometheus/automation-metrics.ts'
import { ingestMetrics } from '../prometheus/http-metrics.ts'
import { labelMetrics } from '../prometheus/label-metrics.ts'
import { type RenderedMetrics, shareText } from '../prometheus/shared-text.ts'
import { workMetrics } from '../prometheus/work-metrics.ts'
import { workOf } from './work.ts'

export interface CollectedParts {
  readonly ingesting: Ingesting | undefined
  /** What the events of this process are validated with. */
  readonly knownMetrics?: KnownMetrics | undefined
  readonly aggregating: BackgroundJobs | undefined
  readonly automating: Automating | undefined
}

/** Adds the metrics of the parts that run in this process. */
export function collectMetrics({ metrics }: FastifyInstance, parts: CollectedParts): void {
  const { ingesting, knownMetrics, aggregating, automating } = parts
  if (ingesting !== undefined) ingestMetrics(metrics, ingesting)
  if (knownMetrics !== undefined) labelMetrics(metrics, knownMetrics)
  if (aggregating !== undefined) aggregatorMetrics(metrics, aggregating)
  if (automating !== undefined) automationMetrics(metrics, automating, Date.now)
  if (aggregating !== undefined || automating !== undefined) workMetrics(metrics, () => workOf(parts))
}

/** For Prometheus, so it is not part of the contract. `config` says who may read it. */
export function getMetrics(app: FastifyInstance, config: FastifyContextConfig, metrics: RenderedMetrics = app.metrics): void {
  const text = shareText(metrics, Date.now)
  app.get('/metrics', { config, schema: { hide: true } }, async (_request, reply) => {
    reply.type(metrics.contentType).serializer((rendered: unknown) => String(rendered))
    return text()
  })
}
