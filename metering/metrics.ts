/**
 * The catalogue of usage metrics. Only `kind` decides how samples and days combine:
 * - peak: a project's day is its greatest sample, and a period is its greatest day.
 * - cumulative: a project's day is the sum of its samples, and a period is the sum of its days.
 * A partnership's day is the sum over its projects for both kinds, so its peak is the greatest of these sums.
 * A new metric is one line here; no table changes.
 */
export const METRICS = {
  database_size_bytes: peak('byte', 'max_database_size_bytes', 'database_bytes'),
  file_storage_bytes: peak('byte', 'max_file_storage_bytes', 'storage_bytes'),
  ai_tokens: cumulative('token', 'total_ai_tokens', 'ai_tokens'),
  mcp_calls: cumulative('call', 'total_mcp_calls', 'mcp_calls'),
  egress_bytes: cumulative('byte', 'total_egress_bytes', 'egress_bytes'),
  ai_credits: cumulative('credit', 'total_ai_credits', 'ai_credits'),
  email_requests: cumulative('request', 'total_email_requests', 'email_requests'),
  function_calls: cumulative('call', 'total_function_calls', 'function_calls'),
  ec2_compute: cumulative('second', 'total_ec2_compute', 'ec2_compute'),
} as const satisfies Record<string, MetricDefinition>

export type MetricName = keyof typeof METRICS
export type MetricKind = 'peak' | 'cumulative'

export interface MetricDefinition {
  readonly kind: MetricKind
  readonly unit: string
  /** The name in a project's `summary`. */
  readonly projectSummaryName: string
  /** The name in a partnership's `summary`. */
  readonly partnershipName: string
}

export const METRIC_NAMES = Object.keys(METRICS) as MetricName[]
export const PEAK_METRICS = METRIC_NAMES.filter((name) => METRICS[name].kind === 'peak')
export const CUMULATIVE_METRICS = METRIC_NAMES.filter((name) => METRICS[name].kind === 'cumulative')

export function isMetricName(name: unknown): name is MetricName {
  return typeof name === 'string' && Object.hasOwn(METRICS, name)
}

function peak<S extends string, P extends string>(unit: string, projectSummaryName: S, partnershipName: P) {
  return { kind: 'peak', unit, projectSummaryName, partnershipName } as const
}

function cumulative<S extends string, P extends string>(unit: string, projectSummaryName: S, partnershipName: P) {
  return { kind: 'cumulative', unit, projectSummaryName, partnershipName } as const
}
