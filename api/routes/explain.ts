import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { type ExplainStore, type Explanation, explainPartnership, explainProject } from '../../aggregator/explain/explain.ts'
import { CONTRIBUTORS_MAX, LATE_EVENTS_MAX, type StoredEvent } from '../../aggregator/explain/explain-evidence.ts'
import { type BillingStatus, readBillingStatus } from '../../aggregator/statements/billing-status.ts'
import { BillingFields, Day, ExactNumber, Instant, PartnerParams, PathId, PeriodAnswer, PeriodQuery, Status } from '../../contract/fields.ts'
import { METRIC_NAMES, METRICS, type MetricName } from '../../metering/metrics.ts'
import type { Period } from '../../metering/period.ts'
import { NumberToken } from '../../metering/quantity.ts'
import { formatTimestamp, instantOrNull } from '../../metering/timestamp.ts'
import { findPartner } from '../../registry/partners.ts'
import { findProject, type Project } from '../../registry/projects/project.ts'
import { billingAnswer } from '../answers/billing-fields.ts'
import { errorAnswers } from '../answers/error-answers.ts'
import { FINANCE, PARTNER } from '../auth/access.ts'
import { partnerOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'
import { periodAnswer, requirePeriod } from '../requests/period.ts'
import { requireProjectOf } from '../requests/require-project.ts'

/** How a number came to be: for partners of what is theirs, for operators of everything. */
export function explainRoutes(parent: FastifyInstance, { clickhouse, registry, now }: ApiContext): void {
  parent.register(async (scope) => {
    const explaining: ExplainStore = { clickhouse, lane: await clickhouse.openLane() }
    const routes = scope.withTypeProvider<ZodTypeProvider>()
    const billingOf = async (partnerId: string, period: Period) => readBillingStatus(clickhouse, partnerId, period, now())

    routes.get(
      '/partnership/v1/:partnerId/usage/explain',
      {
        config: { access: PARTNER },
        schema: {
          tags: ['usage'],
          summary: 'How a number of a usage answer came to be',
          description: `Of the partnership, or of one project. The largest ${CONTRIBUTORS_MAX} contributors, and the last ${LATE_EVENTS_MAX} events that were received when their day was over.`,
          params: PartnerParams,
          querystring: ExplainQuery.extend({ project_id: PathId.optional() }),
          response: { 200: ExplainAnswer, ...errorAnswers(400, 401, 404, 429, 500, 503) },
        },
      },
      async (request) => {
        const partner = partnerOf(request)
        const { metric, project_id } = request.query
        const period = requirePeriod(request.query, now())
        const billing = await billingOf(partner.id, period)
        if (project_id === undefined) return explainAnswer(await explainPartnership(explaining, partner.id, metricOf(metric), period), period, billing)
        const project = await requireProjectOf(registry, { partnerId: partner.id, projectId: project_id })
        return explainAnswer(await requireExplained(explaining, project_id, project, metricOf(metric), period), period, billing)
      },
    )

    routes.get(
      '/admin/v1/explain',
      {
        config: { access: FINANCE },
        schema: {
          tags: ['admin'],
          summary: 'How a number came to be, of any partner or project',
          description: 'Also of a project that nobody registered, when it has events.',
          querystring: ExplainQuery.extend({ partner: PathId.optional(), project: PathId.optional() }),
          response: { 200: ExplainAnswer, ...errorAnswers(400, 401, 404, 429, 500, 503) },
        },
      },
      async (request) => {
        const { metric, partner, project } = request.query
        const period = requirePeriod(request.query, now())
        if ((partner === undefined) === (project === undefined)) throw new ApiError('INVALID_REQUEST', 'Say whose number it is: either partner or project.')
        if (project !== undefined) {
          const known = await findProject(registry, project)
          const explanation = await requireExplained(explaining, project, known, metricOf(metric), period)
          // What nobody is billed for is never final.
          return explainAnswer(explanation, period, known === undefined ? 'provisional' : await billingOf(known.partnerId, period))
        }
        if (partner === undefined || (await findPartner(registry, partner)) === undefined) throw new ApiError('PARTNER_NOT_FOUND')
        return explainAnswer(await explainPartnership(explaining, partner, metricOf(metric), period), period, await billingOf(partner, period))
      },
    )
  })
}

/** A metric goes by the name its events carry, or by the one of the summary in which the number stands. */
const NAMES = new Map<string, MetricName>(
  METRIC_NAMES.flatMap((metric) => [metric, METRICS[metric].partnershipName, METRICS[metric].projectSummaryName].map((name) => [name, metric] as const)),
)

const ExplainQuery = PeriodQuery.extend({
  metric: z.enum([...NAMES.keys()]).meta({ description: 'As events name it, or as the summary does.', example: 'ai_tokens' }),
})

const EventAnswer = z.object({ event_id: z.string(), value: ExactNumber, timestamp: Instant, received_at: Instant })
const ProjectsAnswer = z.object({
  projects: z.array(z.object({ project_id: z.string(), name: z.string(), status: Status, value: ExactNumber, events: z.number().int() })),
})
const DaysAnswer = z.object({
  days: z.array(z.object({ usage_date: Day, value: ExactNumber, events: z.number().int() })),
  events: z.array(EventAnswer),
})

const ExplainAnswer = z.object({
  metric: z.enum(METRIC_NAMES),
  kind: z.enum(['peak', 'cumulative']),
  unit: z.string(),
  rule: z.string().meta({ description: 'One sentence: how the number was computed.' }),
  value: ExactNumber.meta({ description: 'The number itself, as usage answers give it.' }),
  peak_day: Day.nullable(),
  events: z.number().int(),
  first_event_at: Instant.nullable(),
  last_event_at: Instant.nullable(),
  contributors: z.union([ProjectsAnswer, DaysAnswer]).meta({
    description: 'Of a partnership its projects, of a peak on its peak day; of a project its days and its events. The largest first.',
  }),
  late_arrivals: z.object({
    events: z.number().int().meta({ description: 'Received when their UTC day was over.' }),
    value: ExactNumber.meta({ description: 'How far they moved the number.' }),
    latest: z.array(
      z.object({
        project_id: z.string(),
        ...EventAnswer.shape,
        after_closing: z.boolean().meta({ description: 'Its month was closed already, so it is billed as an adjustment.' }),
      }),
    ),
  }),
  period: PeriodAnswer,
  ...BillingFields,
})

function metricOf(name: string): MetricName {
  const metric = NAMES.get(name)
  if (metric === undefined) throw new ApiError('INVALID_REQUEST', `There is no metric "${name}".`)
  return metric
}

async function requireExplained(
  explaining: ExplainStore,
  projectId: string,
  project: Project | undefined,
  metric: MetricName,
  period: Period,
): Promise<Explanation> {
  const outcome = await explainProject(explaining, { projectId, partnerId: project?.partnerId }, metric, period)
  if (outcome.status === 'unknown_project') throw new ApiError('PROJECT_NOT_FOUND')
  return outcome.explanation
}

function explainAnswer(
  { metric, kind, unit, rule, value, contributors, late, ...rest }: Explanation,
  period: Period,
  billing: BillingStatus,
): z.input<typeof ExplainAnswer> {
  return {
    metric,
    kind,
    unit,
    rule,
    value: new NumberToken(value),
    peak_day: rest.peakDay,
    events: rest.events,
    first_event_at: instantOrNull(rest.firstEventMs),
    last_event_at: instantOrNull(rest.lastEventMs),
    contributors:
      'projects' in contributors
        ? {
            projects: contributors.projects.map(({ projectId, name, status, value: share, events }) => ({
              project_id: projectId,
              name,
              status,
              value: new NumberToken(share),
              events,
            })),
          }
        : {
            days: contributors.days.map(({ day, value: ofDay, events }) => ({ usage_date: day, value: new NumberToken(ofDay), events })),
            events: contributors.events.map(eventAnswer),
          },
    late_arrivals: {
      events: late.events,
      value: new NumberToken(late.value),
      latest: late.latest.map((event) => ({ project_id: event.projectId, ...eventAnswer(event), after_closing: event.afterClosing })),
    },
    period: periodAnswer(period),
    ...billingAnswer(rest.asOfMs, billing),
  }
}

function eventAnswer({ eventId, value, timestampMs, receivedMs }: StoredEvent) {
  return { event_id: eventId, value: new NumberToken(value), timestamp: formatTimestamp(timestampMs), received_at: formatTimestamp(receivedMs) }
}
