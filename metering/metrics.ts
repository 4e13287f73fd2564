import { FOCUS_SERVICES, type FocusService, type Unit } from './focus-services.ts'

/**
 * The catalogue of usage metrics. Only `kind` decides how samples and days combine:
 * - peak: a project's day is its greatest sample, and a period is its greatest day.
 * - cumulative: a project's day is the sum of its samples, and a period is the sum of its days.
 * - count: like cumulative, and each event counts 1, whatever it measures.
 * - last: a project's day is its latest sample by timestamp, on ties by offset, and a period is its last day with events.
 * - unique: a project's day, and its period, is the number of different texts.
 * A partnership's day is the sum over its projects for every kind, so its peak is the greatest of these sums. Of the kinds last and unique a
 * partnership's period is the sum of its projects' periods, because their days do not add up.
 * These are the documented metrics, which have places of their own in answers. Operators define others (contract/metrics.ts); all of
 * them, these included, are in the table metrics_v1.
 */
export const METRICS = {
  database_size_bytes: peak('byte', 'max_database_size_bytes', 'database_bytes', FOCUS_SERVICES.database),
  file_storage_bytes: peak('byte', 'max_file_storage_bytes', 'storage_bytes', FOCUS_SERVICES.fileStorage),
  ai_tokens: cumulative('token', 'total_ai_tokens', 'ai_tokens', FOCUS_SERVICES.ai),
  mcp_calls: cumulative('call', 'total_mcp_calls', 'mcp_calls', FOCUS_SERVICES.mcp),
  egress_bytes: cumulative('byte', 'total_egress_bytes', 'egress_bytes', FOCUS_SERVICES.dataTransfer),
  ai_credits: cumulative('credit', 'total_ai_credits', 'ai_credits', FOCUS_SERVICES.ai),
  email_requests: cumulative('request', 'total_email_requests', 'email_requests', FOCUS_SERVICES.email),
  function_calls: cumulative('call', 'total_function_calls', 'function_calls', FOCUS_SERVICES.functions),
  ec2_compute: cumulative('second', 'total_ec2_compute', 'ec2_compute', FOCUS_SERVICES.compute),
} as const satisfies Record<string, MetricDefinition>

export type MetricName = keyof typeof METRICS
export const METRIC_KINDS = ['peak', 'cumulative', 'count', 'last', 'unique'] as const
export type MetricKind = (typeof METRIC_KINDS)[number]

/** The kinds of which neither the greatest value nor the sum is the usage: it is computed from states (sql/usage-states.ts). */
export function isKindOfStates(kind: MetricKind): kind is 'last' | 'unique' {
  return kind === 'last' || kind === 'unique'
}

/** What is added up or compared: a metric, how it adds up, and in what unit. */
export interface MeasuredMetric {
  readonly metric: string
  readonly kind: MetricKind
  readonly unit: string
}

/** The metrics that a process knows. */
export interface MetricKinds {
  /** Undefined for a name that is not defined, or not known yet. `left_to_service`: this process cannot know, and the service decides. */
  kindOf(metric: string): MetricKind | 'left_to_service' | undefined
  /** The keys of the labels that a metric declares. */
  labelsOf?(metric: string): readonly string[]
}

export interface MetricDefinition {
  readonly kind: 'peak' | 'cumulative'
  readonly unit: Unit
  /** The name in a project's `summary`. */
  readonly projectSummaryName: string
  /** The name in a partnership's `summary`. */
  readonly partnershipName: string
  /** How exports for FOCUS classify it. */
  readonly service: FocusService
}

export const METRIC_NAMES = Object.keys(METRICS) as MetricName[]
export type PeakMetric = { [M in MetricName]: (typeof METRICS)[M]['kind'] extends 'peak' ? M : never }[MetricName]
export const PEAK_METRICS = METRIC_NAMES.filter((name): name is PeakMetric => METRICS[name].kind === 'peak')
export const CUMULATIVE_METRICS = METRIC_NAMES.filter((name) => METRICS[name].kind === 'cumulative')

/** How a metric may be named. */
export const METRIC_NAME_PATTERN = /^[a-z][a-z0-9_]{0,62}$/

export const DOCUMENTED_METRICS: MetricKinds = { kindOf: (metric) => (isMetricName(metric) ? METRICS[metric].kind : undefined) }

/** For clients: they know the documented metrics, and operators may have defined any other name. */
export const METRICS_OF_CLIENTS: MetricKinds = {
  kindOf: (metric) => DOCUMENTED_METRICS.kindOf(metric) ?? (METRIC_NAME_PATTERN.test(metric) ? 'left_to_service' : undefined),
}

/** Whether it is a documented metric. */
export function isMetricName(name: unknown): name is MetricName {
  return typeof name === 'string' && Object.hasOwn(METRICS, name)
}

function peak<U extends Unit, S extends string, P extends string>(unit: U, projectSummaryName: S, partnershipName: P, service: FocusService) {
  return { kind: 'peak', unit, projectSummaryName, partnershipName, service } as const
}

function cumulative<U extends Unit, S extends string, P extends string>(unit: U, projectSummaryName: S, partnershipName: P, service: FocusService) {
  return { kind: 'cumulative', unit, projectSummaryName, partnershipName, service } as const
}
