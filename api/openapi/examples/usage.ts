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

export const USAGE_EXAMPLES: Examples = {
  'GET /partnership/v1/{partnerId}/projects': { answers: { 200: { projects: [LISTED_PROJECT], next_cursor: null, period: JANUARY, ...BILLING } } },
}
