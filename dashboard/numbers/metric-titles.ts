import type { MetricName } from '../../metering/metrics.ts'

/** Headings of metrics. Their names, as events and answers have them, are shown beside them. */
export const METRIC_TITLES: Readonly<Record<MetricName, string>> = {
  database_size_bytes: 'Database size',
  file_storage_bytes: 'File storage',
  ai_tokens: 'AI tokens',
  mcp_calls: 'MCP calls',
  egress_bytes: 'Egress',
  ai_credits: 'AI credits',
  email_requests: 'Email requests',
  function_calls: 'Function calls',
  ec2_compute: 'EC2 compute',
}

/** A closed month may have a metric that has left the catalogue since. */
export function titleOf(metric: string): string {
  return (METRIC_TITLES as Record<string, string>)[metric] ?? metric
}
