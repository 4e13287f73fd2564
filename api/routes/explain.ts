import type { FastifyInstance } from 'fastify'
import { type ExplainStore, type Explanation, explainPartnership, explainProject } from '../../aggregator/explain/explain.ts'
import type { StoredEvent } from '../../aggregator/explain/explain-evidence.ts'
import { type BillingStatus, readBillingStatus } from '../../aggregator/statements/billing-status.ts'
import { EXPLAIN_OWN_USAGE, EXPLAIN_USAGE, METRIC_BY_NAME } from '../../contract/explain.ts'
import type { AnswerOf } from '../../contract/operation.ts'
import type { MeasuredMetric } from '../../metering/metrics.ts'
import type { Period } from '../../metering/period.ts'
import { NumberToken } from '../../metering/quantity.ts'
import { formatTimestamp, instantOrNull } from '../../metering/timestamp.ts'
import { findPartner } from '../../registry/partners.ts'
import { findProject, type Project } from '../../registry/projects/project.ts'
import { billingAnswer } from '../answers/billing-fields.ts'
import { correctionAnswer } from '../answers/correction.ts'
import { FINANCE, PARTNER_READER } from '../auth/access.ts'
import { partnerOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'
import { periodAnswer, requirePeriod } from '../requests/period.ts'
import { requireMetric } from '../requests/require-metric.ts'
import { requireProjectOf } from '../requests/require-project.ts'
import { addRoute } from '../route.ts'

export function explainOwnUsage(app: FastifyInstance, { limitedReads, registry, now }: ApiContext, explaining: ExplainStore): void {
  addRoute(app, EXPLAIN_OWN_USAGE, { access: PARTNER_READER }, async (request) => {
    const partner = partnerOf(request)
    const { metric: name, project_id: projectId } = request.query
    const period = requirePeriod(request.query, now())
    const metric = await metricOf(registry, name)
    const billing = await readBillingStatus(limitedReads, { partnerId: partner.id, period, nowMs: now() })
    if (projectId === undefined) return explainAnswer(await explainPartnership(explaining, partner.id, metric, period), period, billing)
    const project = await requireProjectOf(registry, { partnerId: partner.id, projectId })
    return explainAnswer(await requireExplained(explaining, { projectId, project, metric, period }), period, billing)
  })
}

export function explainUsage(app: FastifyInstance, { limitedReads, registry, now }: ApiContext, explaining: ExplainStore): void {
  addRoute(app, EXPLAIN_USAGE, { access: FINANCE }, async (request) => {
    const { metric: name, partner: partnerId, project: projectId } = request.query
    const period = requirePeriod(request.query, now())
    const billingOf = (id: string) => readBillingStatus(limitedReads, { partnerId: id, period, nowMs: now() })
    if ((partnerId === undefined) === (projectId === undefined)) throw new ApiError('INVALID_REQUEST', 'Set either partner or project.')
    const metric = await metricOf(registry, name)
    if (projectId !== undefined) {
      const project = await findProject(registry, projectId)
      const explanation = await requireExplained(explaining, { projectId, project, metric, period })
      // Usage of a project that is not registered is billed to no partner, so it is never final.
      return explainAnswer(explanation, period, project === undefined ? 'provisional' : await billingOf(project.partnerId))
    }
    if (partnerId === undefined || (await findPartner(registry, partnerId)) === undefined) throw new ApiError('PARTNER_NOT_FOUND')
    return explainAnswer(await explainPartnership(explaining, partnerId, metric, period), period, await billingOf(partnerId))
  })
}

/** Documented metrics have several names. */
function metricOf(registry: ApiContext['registry'], name: string): Promise<MeasuredMetric> {
  return requireMetric(registry, 'query.metric', METRIC_BY_NAME.get(name) ?? name)
}

interface ProjectFigure {
  readonly projectId: string
  /** Undefined when it is not registered. */
  readonly project: Project | undefined
  readonly metric: MeasuredMetric
  readonly period: Period
}

/** Throws ApiError for a project that is neither registered nor has events. */
async function requireExplained(explaining: ExplainStore, { projectId, project, metric, period }: ProjectFigure): Promise<Explanation> {
  const outcome = await explainProject(explaining, { projectId, partnerId: project?.partnerId }, metric, period)
  if (outcome.status === 'unknown_project') throw new ApiError('PROJECT_NOT_FOUND')
  return outcome.explanation
}

type ExplainAnswer = AnswerOf<typeof EXPLAIN_USAGE>

function explainAnswer({ value, contributors, late, corrections, ...explanation }: Explanation, period: Period, billing: BillingStatus): ExplainAnswer {
  const { metric, kind, unit, rule, peakDay, events, firstEventMs, lastEventMs, asOfMs } = explanation
  return {
    metric,
    kind,
    unit,
    rule,
    value: new NumberToken(value),
    peak_day: peakDay,
    events,
    first_event_at: instantOrNull(firstEventMs),
    last_event_at: instantOrNull(lastEventMs),
    contributors: contributorsAnswer(contributors),
    late_arrivals: {
      events: late.events,
      value: new NumberToken(late.value),
      latest: late.latest.map((event) => ({ project_id: event.projectId, ...eventAnswer(event), after_closing: event.afterClosing })),
    },
    corrections: { ...corrections, latest: corrections.latest.map((each) => ({ ...correctionAnswer(each), after_closing: each.afterClosing })) },
    period: periodAnswer(period),
    ...billingAnswer(asOfMs, billing),
  }
}

function contributorsAnswer(contributors: Explanation['contributors']): ExplainAnswer['contributors'] {
  if ('projects' in contributors) {
    const projects = contributors.projects.map(({ projectId, name, status, value, events }) => {
      return { project_id: projectId, name, status, value: new NumberToken(value), events }
    })
    return { projects }
  }
  return {
    days: contributors.days.map(({ day, value, events }) => ({ usage_date: day, value: new NumberToken(value), events })),
    events: contributors.events.map(eventAnswer),
  }
}

function eventAnswer({ eventId, value, text, timestampMs, receivedMs }: StoredEvent) {
  return {
    event_id: eventId,
    value: new NumberToken(value),
    ...(text !== '' && { text }),
    timestamp: formatTimestamp(timestampMs),
    received_at: formatTimestamp(receivedMs),
  }
}
