import { METRIC_NAMES, type MetricName } from '../metering/metrics.ts'

/** All examples are about the same partner, account and project, so that they can be read as one story. */
export const PARTNER_ID = 'ps_4fUeW9xKq2Lb'
export const ACCOUNT_ID = '7d3c1c0e-52b4-5d0f-9a41-0c6a4f1f7b10'
export const PROJECT_ID = '0b9f2f34-8c1d-5b52-9f0e-6f3a5e2d7c88'
export const PROJECT_NAME = 'shop-production'
export const STATEMENT_SHA256 = '9f2c5d1e8b7a4c3f6e0d9b8a7c6f5e4d3c2b1a0f9e8d7c6b5a4f3e2d1c0b9a8f'

/** These open nothing anywhere. */
export const API_KEY = 'mlk_EXAMPLExEXAMPLExEXAMPLExEXAMPLExEXAMPLExEXA_000000'
export const PARTNER_SECRET = 'mls_EXAMPLExEXAMPLExEXAMPLExEXAMPLExEXAMPLExEXA_000000'
export const INGEST_KEY = 'mli_EXAMPLExEXAMPLExEXAMPLExEXAMPLExEXAMPLExEXA_000000'

export const CREATED_AT = '2026-01-02T08:00:00Z'
export const JANUARY = { start: '2026-01-01T00:00:00Z', end: '2026-01-31T23:59:59Z' }
export const IN_FEBRUARY = '2026-02-04T09:30:00Z'

/** Values of path parameters, by their names. */
export const PARAMETER_EXAMPLES: Readonly<Record<string, string>> = {
  partnerId: PARTNER_ID,
  userId: ACCOUNT_ID,
  accountId: ACCOUNT_ID,
  projectId: PROJECT_ID,
  month: '2026-01',
}

/** What an answer says of a credential instead of the credential. */
export const CREDENTIAL_METADATA = { prefix: 'mls_EXAM', last_four: '0000', created_at: CREATED_AT, revoked_at: null, last_used_at: IN_FEBRUARY }

type Quantities = Readonly<Record<MetricName, number>>

const MONTH: Quantities = {
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
const DAY: Quantities = {
  database_size_bytes: 5368709120,
  file_storage_bytes: 20401094656,
  ai_tokens: 60250,
  mcp_calls: 104,
  egress_bytes: 3221225472,
  ai_credits: 13.5,
  email_requests: 288,
  function_calls: 40100,
  ec2_compute: 86400,
}

type NameOf = (metric: MetricName) => string

/** A month's usage under the names that an answer gives to the metrics. */
export const monthUsage = (nameOf: NameOf) => named(MONTH, nameOf)
export const dayUsage = (nameOf: NameOf) => named(DAY, nameOf)

function named(usage: Quantities, nameOf: NameOf) {
  return Object.fromEntries(METRIC_NAMES.map((metric) => [nameOf(metric), usage[metric]]))
}
