import { IN_FEBRUARY, JANUARY, PROJECT_ID, PROJECT_NAME } from '../../../contract/example-values.ts'
import { projectSummaryName } from '../../../contract/fields.ts'
import { METRIC_NAMES, type MetricName } from '../../../metering/metrics.ts'
import type { Examples } from './refusals.ts'

const MONTH: Record<MetricName, number> = {
  database_size_bytes: 5368709120,
  file_storage_bytes: 21474836480,
  ai_tokens: 1845200,
  mcp_calls: 3120,
  egress_bytes: 98123456789,
  ai_credits: 412.75,
  email_requests: 8640,
  function_calls: 1203344,
  ec2_compute: 2678400,
}

const named = (usage: Record<MetricName, number>, nameOf: (metric: MetricName) => string) =>
  Object.fromEntries(METRIC_NAMES.map((metric) => [nameOf(metric), usage[metric]]))

const BILLING = { as_of: IN_FEBRUARY, billing_status: 'provisional' }

export const LISTED_PROJECT = {
  id: PROJECT_ID,
  name: PROJECT_NAME,
  status: 'active',
  deleted_at: null,
  region: 'eu-central',
  instance_type: 'small',
  last_activity_at: '2026-02-04T09:29:41.250Z',
  summary: named(MONTH, projectSummaryName),
}

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
  period: JANUARY,
  ...BILLING,
}

export const USAGE_EXAMPLES: Examples = {
  'GET /partnership/v1/{partnerId}/usage/explain': { answers: { 200: EXPLANATION } },
  'GET /admin/v1/explain': {
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
  'GET /partnership/v1/{partnerId}/projects': { answers: { 200: { projects: [LISTED_PROJECT], next_cursor: null, period: JANUARY, ...BILLING } } },
}
