import { z } from 'zod'
import { METRIC_KINDS, METRIC_NAMES, METRICS, type MetricName } from '../metering/metrics.ts'
import { CORRECTION_EXAMPLE, CorrectionOfEvent } from './corrections.ts'
import { IN_FEBRUARY, JANUARY, PROJECT_ID, PROJECT_NAME } from './example-values.ts'
import { BillingFields, Day, ExactNumber, Instant, PartnerParams, PathId, PeriodAnswer, PeriodQuery, Status } from './fields.ts'
import { defineOperation } from './operation.ts'

/** The lists of an explanation end after these many: the largest contributors, and the late events and corrections that were received last. */
export const CONTRIBUTORS_MAX = 20
export const LATE_EVENTS_MAX = 20
export const CORRECTIONS_MAX = 20
const METRIC_CHARACTERS_MAX = 256

/** The documented metric by each of its names: the one of events, and those of the usage summaries. */
export const METRIC_BY_NAME: ReadonlyMap<string, MetricName> = new Map(
  METRIC_NAMES.flatMap((metric) => [metric, METRICS[metric].partnershipName, METRICS[metric].projectSummaryName].map((name) => [name, metric] as const)),
)

const ExplainQuery = PeriodQuery.extend({
  metric: z.string().max(METRIC_CHARACTERS_MAX).meta({ description: 'The name that events use, or the one in a usage summary.', example: 'ai_tokens' }),
})

const ExplainedEvent = z.object({
  event_id: z.string(),
  value: ExactNumber,
  text: z.string().optional().meta({ description: 'The value of an event of a metric of the kind `unique`; `value` is 0 then.' }),
  timestamp: Instant,
  received_at: Instant,
})
const ContributingProjects = z.object({
  projects: z.array(z.object({ project_id: z.string(), name: z.string(), status: Status, value: ExactNumber, events: z.number().int() })),
})
const ContributingDays = z.object({
  days: z.array(z.object({ usage_date: Day, value: ExactNumber, events: z.number().int() })),
  events: z.array(ExplainedEvent),
})

const Explanation = z.object({
  metric: z.string(),
  kind: z.enum(METRIC_KINDS),
  unit: z.string(),
  rule: z.string().meta({ description: 'One sentence that says how the figure is computed.' }),
  value: ExactNumber.meta({ description: 'The figure itself, as in usage answers.' }),
  peak_day: Day.nullable(),
  events: z.number().int().meta({ description: 'Events that count: voided ones do not.' }),
  first_event_at: Instant.nullable(),
  last_event_at: Instant.nullable(),
  contributors: z.union([ContributingProjects, ContributingDays]).meta({
    description: 'For a partnership: its projects, for a peak with their values on the peak day. For a project: its days and its events. Largest first.',
  }),
  late_arrivals: z.object({
    events: z.number().int().meta({ description: 'Events that were received after their UTC day was over.' }),
    value: ExactNumber.meta({ description: 'By how much they changed the figure.' }),
    latest: z.array(
      z.object({
        project_id: z.string(),
        ...ExplainedEvent.shape,
        after_closing: z.boolean().meta({ description: 'Whether its month was already closed, so that it is billed as an adjustment.' }),
      }),
    ),
  }),
  corrections: z.object({
    all: z.number().int().meta({ description: 'Corrections of events of the period. An event may have several; the latest applies.' }),
    voids: z.number().int().meta({ description: 'Those of them that voided an event.' }),
    latest: z.array(
      CorrectionOfEvent.extend({
        after_closing: z.boolean().meta({ description: 'Whether the month of the event was already closed, so that it is billed as an adjustment.' }),
      }),
    ),
  }),
  period: PeriodAnswer,
  ...BillingFields,
})

const EXPLANATION = {
  metric: 'ai_tokens',
  kind: 'cumulative',
  unit: 'token',
  rule: 'The sum of all events of the period.',
  value: 1845200,
  peak_day: null,
  events: 30412,
  first_event_at: '2026-01-01T00:00:12Z',
  last_event_at: '2026-01-31T23:58:07Z',
  contributors: { projects: [{ project_id: PROJECT_ID, name: PROJECT_NAME, status: 'active', value: 1845200, events: 30412 }] },
  late_arrivals: {
    events: 1,
    value: 1500,
    latest: [
      {
        project_id: PROJECT_ID,
        event_id: 'req-7f3a',
        value: 1500,
        timestamp: '2026-01-31T23:58:07Z',
        received_at: '2026-02-01T00:00:02.117Z',
        after_closing: false,
      },
    ],
  },
  corrections: { all: 1, voids: 0, latest: [{ ...CORRECTION_EXAMPLE, after_closing: true }] },
  period: JANUARY,
  as_of: IN_FEBRUARY,
  billing_status: 'provisional',
}

export const EXPLAIN_OWN_USAGE = defineOperation({
  method: 'GET',
  path: '/partnership/v1/:partnerId/usage/explain',
  tag: 'usage',
  summary: 'Explain a usage figure',
  description: `A figure of the partnership, or of one project. Lists the ${CONTRIBUTORS_MAX} largest contributors, the last ${LATE_EVENTS_MAX} events that were received after their day was over, and the last ${CORRECTIONS_MAX} corrections with the values before and after.`,
  params: PartnerParams,
  query: ExplainQuery.extend({ project_id: PathId.optional() }),
  answers: { 200: Explanation },
  errors: { 400: true, 401: true, 404: 'PROJECT_NOT_FOUND', 429: true, 500: true, 503: true },
  example: { answers: { 200: EXPLANATION } },
})

export const EXPLAIN_USAGE = defineOperation({
  method: 'GET',
  path: '/admin/v1/explain',
  tag: 'admin',
  summary: 'Explain a usage figure of any partner or project',
  description: 'A project that is not registered can be explained too when it has events.',
  query: ExplainQuery.extend({ partner: PathId.optional(), project: PathId.optional() }),
  answers: { 200: Explanation },
  errors: { 400: true, 401: true, 403: true, 404: 'PROJECT_NOT_FOUND', 429: true, 500: true, 503: true },
  example: {
    answers: {
      200: {
        ...EXPLANATION,
        contributors: {
          days: [{ usage_date: '2026-01-31', value: 60250, events: 981 }],
          events: [{ event_id: 'req-7f3a', value: 1500, timestamp: '2026-01-31T23:58:07Z', received_at: '2026-02-01T00:00:02.117Z' }],
        },
      },
    },
  },
})
