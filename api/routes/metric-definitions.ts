import type { FastifyInstance } from 'fastify'
import { DEFINE_METRIC, LIST_METRICS, LIST_OWN_METRICS, METRIC_NAME_RULE } from '../../contract/metrics.ts'
import type { AnswerOf } from '../../contract/operation.ts'
import { isKindOfStates, isMetricName, METRIC_NAME_PATTERN } from '../../metering/metrics.ts'
import { formatTimestamp } from '../../metering/timestamp.ts'
import { type DefineMetricOutcome, defineMetric } from '../../registry/metrics/define-metric.ts'
import { type DefinedMetric, readMetrics } from '../../registry/metrics/metrics.ts'
import { ANY_ADMIN, OPERATOR, PARTNER_READER } from '../auth/access.ts'
import { actorOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'
import { addRoute } from '../route.ts'

export function defineMetricRoute(app: FastifyInstance, { registry }: ApiContext): void {
  addRoute(app, DEFINE_METRIC, { access: OPERATOR }, async (request) => {
    const { name: metric } = request.params
    if (!METRIC_NAME_PATTERN.test(metric)) throw new ApiError('INVALID_REQUEST', `params.name: ${METRIC_NAME_RULE}`)
    const { display = '', ...given } = request.body
    if (given.labels !== undefined && isKindOfStates(given.kind)) throw new ApiError('INVALID_REQUEST', `body.labels: ${LABELS_OF_STATES}`)
    const outcome = await defineMetric(registry, actorOf(request), { metric, display, ...given })
    if (outcome.status === 'defined') return { metric: metricAnswer(outcome.metric) }
    throw outcome.status === 'full' ? new ApiError('METRICS_FULL') : new ApiError('METRIC_FIXED', whyFixed(metric, outcome))
  })
}

export function listMetricsRoute(app: FastifyInstance, { registry }: ApiContext): void {
  addRoute(app, LIST_METRICS, { access: ANY_ADMIN }, async () => ({ metrics: (await readMetrics(registry)).map(metricAnswer) }))
}

/** The catalogue is the same for all partners. */
export function listOwnMetricsRoute(app: FastifyInstance, { registry }: ApiContext): void {
  addRoute(app, LIST_OWN_METRICS, { access: PARTNER_READER }, async () => ({ metrics: (await readMetrics(registry)).map(metricAnswer) }))
}

const LABELS_OF_STATES = 'are for metrics of the kinds peak, cumulative and count; leave them out, or define one metric for each label'

function whyFixed(metric: string, outcome: Exclude<DefineMetricOutcome, { status: 'defined' | 'full' }>): string {
  const { status } = outcome
  if (status === 'documented') return `${metric} is one of the documented metrics, of which only labels can be declared. Define a metric with another name.`
  if (status === 'labelled')
    return `The labels of ${metric} are ${outcome.labels.join(', ')}, and once declared they never change. Define a metric with another name.`
  if (status === 'other_events') return `The kind of ${metric} can only change between peak and cumulative. Define a metric with another name.`
  return `Events have counted under ${metric}, so its kind and unit never change. Define a metric with another name, and send further events under that.`
}

function metricAnswer({ metric, kind, unit, description, display, labels, createdMs }: DefinedMetric): AnswerOf<typeof LIST_METRICS>['metrics'][number] {
  const documented = isMetricName(metric)
  const created_at = documented ? null : formatTimestamp(createdMs)
  return { name: metric, kind, unit, description, display: display === '' ? metric : display, documented, labels: [...labels], created_at }
}
